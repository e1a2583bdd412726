//! The names that a policy knows, for whoever says what would have to be different.

use super::{CompiledKind, Policy};

impl Policy {
    /// Every role that a resource can give.
    pub(crate) fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(String::as_str)
    }

    /// Every visibility that gives a role.
    pub(crate) fn visibilities(&self) -> impl Iterator<Item = &str> {
        self.visibility.keys().map(String::as_str)
    }

    /// Every role of a subject's own that means anything.
    pub(crate) fn own_role_names(&self) -> impl Iterator<Item = &str> {
        self.subject_roles.keys().map(String::as_str)
    }
}

impl CompiledKind {
    /// The statuses that a resource must be in, where the policy names any.
    pub(crate) fn status_names(&self) -> Option<impl Iterator<Item = &str>> {
        Some(self.statuses.as_ref()?.iter().map(String::as_str))
    }
}
