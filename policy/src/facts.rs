//! The rows that a decision is made from: DESIGN §3, the contract views.
//!
//! One row is one fact with one tag; the caller guarantees that all of them were true at one
//! instant. A missing row is a fact too: it grants nothing.

use std::sync::Arc;

use crate::Id;

/// Microseconds since 1970-01-01T00:00:00Z, as Postgres keeps time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMicros(pub i64);

/// A row of `subjects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRow {
    /// Whether the subject may do anything at all.
    pub active: bool,
    /// The subject's own roles, on no resource in particular.
    pub roles: Arc<[Arc<str>]>,
}

/// A row of `resources`. Columns that do not apply are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceRow {
    /// The subject that owns it.
    pub owner: Option<Id>,
    /// The project it belongs to.
    pub project: Option<Id>,
    /// Its team, where that is not its project's.
    pub team: Option<Id>,
    /// Its status.
    pub status: Option<Arc<str>>,
}

/// A row of `projects`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProjectRow {
    /// The subject that owns it.
    pub owner: Option<Id>,
    /// Its team.
    pub team: Option<Id>,
    /// Its visibility.
    pub visibility: Option<Arc<str>>,
}

/// A row of `memberships`: this subject, in the team of this resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRow {
    /// The role in the team.
    pub role: Arc<str>,
    /// From this instant on the membership grants nothing.
    pub expires_at: Option<UnixMicros>,
}

/// Everything that one decision may look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The subject's row.
    pub subject: Option<&'a SubjectRow>,
    /// The resource's row.
    pub resource: Option<&'a ResourceRow>,
    /// The row of the resource's project.
    pub project: Option<&'a ProjectRow>,
    /// The subject's row in the resource's team ([`team_of`]).
    pub membership: Option<&'a MembershipRow>,
}

/// The team that grants access to a resource: its own where it has one, else its project's.
#[must_use]
pub fn team_of<'a>(resource: &'a ResourceRow, project: Option<&'a ProjectRow>) -> Option<&'a Id> {
    resource
        .team
        .as_ref()
        .or_else(|| project.and_then(|project| project.team.as_ref()))
}
