//! A policy as its author writes it: names, before [`crate::Policy::compile`] gives them meaning.
//!
//! Maps and sets have no order, so neither has the policy.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::IdType;

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// How subjects' ids are written.
    pub subject_id: IdType,
    /// role -> actions, for every kind without roles of its own.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// visibility -> the role that it gives to every known subject.
    #[serde(default)]
    pub visibility_roles: BTreeMap<String, String>,
    /// subject role -> kind, or `*` for all kinds -> actions on every resource of the kind.
    #[serde(default)]
    pub subject_roles: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// The kinds of resource.
    pub kinds: BTreeMap<String, KindDocument>,
}

/// A kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindDocument {
    /// How its ids are written.
    pub id: IdType,
    /// role -> actions for this kind, instead of the document's `roles`.
    #[serde(default)]
    pub roles: Option<BTreeMap<String, BTreeSet<String>>>,
    /// If given, a resource in any other status (or none) is refused to everybody.
    #[serde(default)]
    pub statuses: Option<BTreeSet<String>>,
}
