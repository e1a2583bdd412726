//! One decision.

use std::sync::Arc;

use crate::compile::CompiledKind;
use crate::{
    Action, Checks, Decision, Effect, Facts, Finding, Id, Kind, MembershipRow, Policy, ProjectRow,
    Reason, ResourceRow, UnixMicros,
};

/// May this subject do this action on this resource, now?
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The subject.
    pub subject: &'a Id,
    /// Roles that the subject's token claims, beside those of its row.
    pub claimed_roles: &'a [Arc<str>],
    /// The action.
    pub action: Action,
    /// The resource's kind. (Its id chose the facts.)
    pub kind: Kind,
    /// The instant of the decision; memberships that expired at or before it grant nothing.
    pub now: UnixMicros,
}

impl Policy {
    /// Decides. Every check is evaluated over the same facts; the first that grants is the reason.
    pub fn evaluate(&self, query: &Query<'_>, facts: &Facts<'_>) -> Decision {
        let Some(subject) = facts.subject else {
            return denied(Reason::UnknownSubject);
        };
        if !subject.active {
            return denied(Reason::InactiveSubject);
        }
        let (Some(resource), Some(kind)) = (facts.resource, self.compiled(query.kind)) else {
            return denied(Reason::NoSuchResource);
        };
        if !kind.admits(resource.status.as_deref()) {
            return denied(Reason::StatusExcluded);
        }
        let mut own_roles = subject.roles.iter().chain(query.claimed_roles);
        let by_role =
            own_roles.any(|role| self.subject_role_grants(role, query.kind, query.action));
        let checks = Checks {
            ownership: self.ownership(query, kind, resource),
            team_access: self.team_access(query, kind, facts.membership),
            project_visibility: self.project_visibility(query, kind, facts.project),
            subject_role: if by_role {
                Finding::Granted
            } else {
                Finding::Nothing
            },
        };
        let reason = reason(&checks);
        // Roles found on the resource are passed on, so the decision ends when one of them does.
        let counted = facts
            .membership
            .filter(|_| checks.team_access.role().is_some());
        let valid_until = match reason.effect() {
            Effect::Allow => counted.and_then(|row| row.expires_at),
            Effect::Deny => None,
        };
        Decision {
            reason,
            checks: Some(checks),
            valid_until,
        }
    }

    fn ownership(&self, query: &Query<'_>, kind: &CompiledKind, row: &ResourceRow) -> Finding {
        if row.owner.as_ref() != Some(query.subject) {
            return Finding::Nothing;
        }
        role_finding(self.owner(), kind, query.action)
    }

    fn team_access(
        &self,
        query: &Query<'_>,
        kind: &CompiledKind,
        membership: Option<&MembershipRow>,
    ) -> Finding {
        let Some(row) = membership else {
            return Finding::Nothing;
        };
        if row.expires_at.is_some_and(|end| end <= query.now) {
            return Finding::Expired;
        }
        role_finding(self.role(&row.role), kind, query.action)
    }

    fn project_visibility(
        &self,
        query: &Query<'_>,
        kind: &CompiledKind,
        project: Option<&ProjectRow>,
    ) -> Finding {
        let Some(visibility) = project.and_then(|row| row.visibility.as_deref()) else {
            return Finding::Nothing;
        };
        // A visibility without a role (`private`, `team_open`) is the usual case, not an error.
        let Some(role) = self.visibility_role(visibility) else {
            return Finding::Nothing;
        };
        role_finding(Some(role), kind, query.action)
    }
}

fn role_finding(role: Option<crate::Role>, kind: &CompiledKind, action: Action) -> Finding {
    match role {
        Some(role) => Finding::Role {
            role,
            grants: kind.allows(role, action),
        },
        None => Finding::UnknownRole,
    }
}

fn reason(checks: &Checks) -> Reason {
    if checks.ownership.grants() {
        Reason::Ownership
    } else if checks.team_access.grants() {
        Reason::TeamAccess
    } else if checks.project_visibility.grants() {
        Reason::ProjectVisibility
    } else if checks.subject_role.grants() {
        Reason::SubjectRole
    } else if checks
        .all()
        .iter()
        .any(|(_, finding)| finding.role().is_some())
    {
        Reason::RoleLacksAction
    } else {
        Reason::NoRole
    }
}

const fn denied(reason: Reason) -> Decision {
    Decision {
        reason,
        checks: None,
        valid_until: None,
    }
}
