//! The directory file as it is written: sections and columns of the contract views (DESIGN §3).

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub(super) users: Vec<UserText>,
    #[serde(default)]
    pub(super) teams: Vec<TeamText>,
    #[serde(default)]
    pub(super) memberships: Vec<MembershipText>,
    #[serde(default)]
    pub(super) projects: Vec<ProjectText>,
    #[serde(default)]
    pub(super) resources: Vec<ResourceText>,
}

/// An id may be written as text or, where ids are numbers, as a number.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(super) enum IdText {
    Text(String),
    Number(i64),
}

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserText {
    pub(super) id: IdText,
    pub(super) active: bool,
    #[serde(default)]
    pub(super) roles: Vec<Arc<str>>,
    /// For the reader.
    #[serde(default, rename = "name")]
    pub(super) _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamText {
    pub(super) id: IdText,
    /// For the reader.
    #[serde(default, rename = "name")]
    pub(super) _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MembershipText {
    pub(super) team_id: IdText,
    pub(super) user_id: IdText,
    pub(super) role: Arc<str>,
    #[serde(default)]
    pub(super) expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectText {
    pub(super) id: IdText,
    #[serde(default)]
    pub(super) owner_id: Option<IdText>,
    #[serde(default)]
    pub(super) team_id: Option<IdText>,
    #[serde(default)]
    pub(super) visibility: Option<Arc<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceText {
    pub(super) kind: String,
    pub(super) id: IdText,
    #[serde(default)]
    pub(super) owner_id: Option<IdText>,
    #[serde(default)]
    pub(super) project_id: Option<IdText>,
    #[serde(default)]
    pub(super) team_id: Option<IdText>,
    #[serde(default)]
    pub(super) status: Option<Arc<str>>,
}
