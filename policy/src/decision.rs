//! What a decision says, and why.

use crate::{Role, UnixMicros};

/// Whether the request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

/// One of the checks of DESIGN §3, in the order in which they are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// Is the subject the resource's owner?
    Ownership,
    /// Which role has the subject in the resource's team?
    TeamAccess,
    /// Does the visibility of the resource's project grant a role?
    ProjectVisibility,
    /// Does one of the subject's own roles grant the action on every resource of the kind?
    SubjectRole,
}

impl Check {
    /// The name used in answers, logs and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ownership => "ownership",
            Self::TeamAccess => "team_access",
            Self::ProjectVisibility => "project_visibility",
            Self::SubjectRole => "subject_role",
        }
    }
}

/// What one check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// There is nothing to check: no such row, or not this subject.
    Nothing,
    /// A row is there, but it no longer counts.
    Expired,
    /// A role that the policy does not know.
    UnknownRole,
    /// A role, and whether it allows the action on this kind.
    Role {
        /// The role.
        role: Role,
        /// Whether it allows the action.
        grants: bool,
    },
    /// One of the subject's own roles grants the action.
    Granted,
}

impl Finding {
    /// Whether the check grants the action.
    #[must_use]
    pub const fn grants(self) -> bool {
        match self {
            Self::Role { grants, .. } => grants,
            Self::Granted => true,
            Self::Nothing | Self::Expired | Self::UnknownRole => false,
        }
    }

    /// The role found on the resource, whether or not it grants the action.
    #[must_use]
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::Role { role, .. } => Some(role),
            Self::Nothing | Self::Expired | Self::UnknownRole | Self::Granted => None,
        }
    }
}

/// What every check found. If one is evaluated, all of them are, so that a decision says the same
/// however its facts were come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// See [`Check::Ownership`].
    pub ownership: Finding,
    /// See [`Check::TeamAccess`].
    pub team_access: Finding,
    /// See [`Check::ProjectVisibility`].
    pub project_visibility: Finding,
    /// See [`Check::SubjectRole`].
    pub subject_role: Finding,
}

impl Checks {
    /// Every check with its finding, in order.
    #[must_use]
    pub const fn all(&self) -> [(Check, Finding); 4] {
        [
            (Check::Ownership, self.ownership),
            (Check::TeamAccess, self.team_access),
            (Check::ProjectVisibility, self.project_visibility),
            (Check::SubjectRole, self.subject_role),
        ]
    }
}

/// Why. Closed, so that it can be a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The subject owns the resource.
    Ownership,
    /// The subject's role in the resource's team allows the action.
    TeamAccess,
    /// The visibility of the resource's project allows the action.
    ProjectVisibility,
    /// One of the subject's own roles allows the action.
    SubjectRole,
    /// The subject has no row.
    UnknownSubject,
    /// The subject's row says that it is not active.
    InactiveSubject,
    /// The resource has no row.
    NoSuchResource,
    /// The resource is in a status that the policy does not name.
    StatusExcluded,
    /// The subject has a role on the resource, but none that allows the action.
    RoleLacksAction,
    /// The subject has no role on the resource.
    NoRole,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Ownership,
        Self::TeamAccess,
        Self::ProjectVisibility,
        Self::SubjectRole,
        Self::UnknownSubject,
        Self::InactiveSubject,
        Self::NoSuchResource,
        Self::StatusExcluded,
        Self::RoleLacksAction,
        Self::NoRole,
    ];

    /// Whether a decision with this reason allows.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::Ownership | Self::TeamAccess | Self::ProjectVisibility | Self::SubjectRole => {
                Effect::Allow
            }
            Self::UnknownSubject
            | Self::InactiveSubject
            | Self::NoSuchResource
            | Self::StatusExcluded
            | Self::RoleLacksAction
            | Self::NoRole => Effect::Deny,
        }
    }

    /// The name used in metrics, logs and `explain`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ownership => "ownership",
            Self::TeamAccess => "team_access",
            Self::ProjectVisibility => "project_visibility",
            Self::SubjectRole => "subject_role",
            Self::UnknownSubject => "unknown_subject",
            Self::InactiveSubject => "inactive_subject",
            Self::NoSuchResource => "no_such_resource",
            Self::StatusExcluded => "status_excluded",
            Self::RoleLacksAction => "role_lacks_action",
            Self::NoRole => "no_role",
        }
    }
}

/// The answer to one query. Made only by [`crate::Policy::evaluate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    pub(crate) reason: Reason,
    pub(crate) checks: Option<Checks>,
    pub(crate) valid_until: Option<UnixMicros>,
}

impl Decision {
    /// Whether the request may go on.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.reason.effect()
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// What every check found; `None` where the decision was made before any check.
    #[must_use]
    pub const fn checks(&self) -> Option<&Checks> {
        self.checks.as_ref()
    }

    /// When the facts end on their own (`expires_at` of a membership that counted), if they do.
    #[must_use]
    pub const fn valid_until(&self) -> Option<UnixMicros> {
        self.valid_until
    }
}
