//! The policy as it is written: roles, kinds and visibility.
//!
//! Promise: names only, in the shape of the file. It does not check that a name exists or is well
//! formed: `parse` does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;

only_mapping!(Policy, Kind);

/// Roles, kinds of resource, visibility.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Policy {
    /// How subjects' ids are written in the application's tables. Default: uuid.
    pub(crate) subject_id: Option<IdTypeName>,
    /// Role to the actions it allows, for every kind without roles of its own. At least one.
    /// Required.
    pub(crate) roles: BTreeMap<String, Vec<String>>,
    /// Visibility to the role that it gives to everybody who has a row among the subjects.
    /// Default: `public: viewer` if there is a role viewer, else none.
    pub(crate) visibility_roles: Option<BTreeMap<String, String>>,
    /// A subject's own role to a kind (or `*`) to the actions that it allows on every resource of
    /// that kind. Default: none.
    #[serde(default)]
    pub(crate) subject_roles: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// The kinds of resource that routes name.
    #[serde(default)]
    pub(crate) kinds: BTreeMap<String, Kind>,
}

/// A kind of resource.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Kind {
    /// How its ids are written in the application's tables. Default: uuid.
    pub(crate) id: Option<IdTypeName>,
    /// Role to the actions it allows on this kind, instead of the policy's `roles`. Default: the
    /// policy's.
    pub(crate) roles: Option<BTreeMap<String, Vec<String>>>,
    /// A resource in any other status is refused to everybody. Default: the status has no say.
    pub(crate) statuses: Option<Vec<String>>,
}

/// How an id is written.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IdTypeName {
    /// A uuid.
    Uuid,
    /// A 64-bit integer.
    Bigint,
    /// Text, compared byte by byte.
    Text,
}
