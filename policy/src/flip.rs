//! What would have to change for the other answer.
//!
//! Promise: every way that is named leads to the other answer, and every change of it is needed. Both are tried,
//! not concluded: the rows are changed and the policy decides again. Where a change names several values, any one
//! of them does it.
//!
//! Does not: change the policy, or name what no row could hold. Where nothing is named, only another policy (or
//! another request) has another answer.

use std::sync::Arc;

use crate::{
    Effect, Facts, Finding, MembershipRow, Policy, ProjectRow, Query, Reason, ResourceRow,
    SubjectRow,
};

/// A change of one row, with names of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'p> {
    /// The subject has a row, and it is active.
    Activate,
    /// The resource has a row.
    Create,
    /// The resource is in one of these statuses.
    SetStatus(Vec<&'p str>),
    /// The subject owns the resource.
    Own,
    /// The subject is a member of the resource's team, with one of these roles and not expired.
    Join(Vec<&'p str>),
    /// The resource's project has one of these visibilities.
    Show(Vec<&'p str>),
    /// The subject has one of these roles of its own.
    Appoint(Vec<&'p str>),
    /// The subject is not active, or has no row.
    Deactivate,
    /// The resource has no row.
    Delete,
    /// The resource is in none of these statuses.
    UnsetStatus(Vec<&'p str>),
    /// The subject does not own the resource.
    Disown,
    /// The subject is no member of the resource's team, or with none of these roles.
    Leave(Vec<&'p str>),
    /// The resource's project has none of these visibilities.
    Hide(Vec<&'p str>),
    /// The subject has none of these roles of its own, by its row or by its token.
    Dismiss(Vec<&'p str>),
}

/// Changes that lead to the other answer together, and not without any one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way<'p> {
    /// At least one.
    pub changes: Vec<Change<'p>>,
}

impl Policy {
    /// The ways from a denial to an allow, or from an allow to a denial, in the order of the checks.
    #[must_use]
    pub fn flips(&self, query: &Query<'_>, facts: &Facts<'_>) -> Vec<Way<'_>> {
        let decision = self.evaluate(query, facts);
        let trial = Trial {
            policy: self,
            query,
            rows: Rows::of(query, facts),
        };
        match decision.effect() {
            Effect::Deny => trial.ways_to_an_allow(decision.reason()),
            Effect::Allow => trial.ways_to_a_denial(),
        }
    }

    /// Of these names, those for which a role on the resource allows what is asked for.
    fn that_grant<'p>(
        &self,
        query: &Query<'_>,
        names: impl Iterator<Item = (&'p str, Option<crate::Role>)>,
    ) -> Vec<&'p str> {
        let kind = self.compiled(query.kind);
        let allows = |role| kind.is_some_and(|kind| kind.allows(role, query.action));
        let granting = names.filter(|(_, role)| role.is_some_and(allows));
        granting.map(|(name, _)| name).collect()
    }
}

/// Rows that may be changed, and what the token says.
#[derive(Debug, Clone)]
struct Rows {
    subject: Option<SubjectRow>,
    resource: Option<ResourceRow>,
    project: Option<ProjectRow>,
    membership: Option<MembershipRow>,
    claimed: Vec<Arc<str>>,
}

/// A question, asked again and again.
#[derive(Debug, Clone)]
struct Trial<'p, 'q> {
    policy: &'p Policy,
    query: &'q Query<'q>,
    rows: Rows,
}

impl Rows {
    fn of(query: &Query<'_>, facts: &Facts<'_>) -> Self {
        Self {
            subject: facts.subject.cloned(),
            resource: facts.resource.cloned(),
            project: facts.project.cloned(),
            membership: facts.membership.cloned(),
            claimed: query.claimed_roles.to_vec(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            subject: self.subject.as_ref(),
            resource: self.resource.as_ref(),
            project: self.project.as_ref(),
            membership: self.membership.as_ref(),
        }
    }

    fn has_own_role(&self, name: &str) -> bool {
        let of_row = self.subject.iter().flat_map(|row| row.roles.iter());
        of_row.chain(&self.claimed).any(|role| **role == *name)
    }

    fn set_active(&mut self, active: bool) {
        let roles = self.subject.take().map(|row| row.roles);
        let roles = roles.unwrap_or_else(|| [].into());
        self.subject = Some(SubjectRow { active, roles });
    }

    fn set_status(&mut self, status: Option<&str>) {
        if let Some(row) = &mut self.resource {
            row.status = status.map(Arc::from);
        }
    }

    fn set_visibility(&mut self, visibility: Option<&str>) {
        let row = self.project.get_or_insert_default();
        row.visibility = visibility.map(Arc::from);
    }

    fn join(&mut self, role: &str) {
        self.membership = Some(MembershipRow {
            role: Arc::from(role),
            expires_at: None,
        });
    }

    fn appoint(&mut self, role: &str) {
        if let Some(row) = &mut self.subject {
            row.roles = row.roles.iter().cloned().chain([Arc::from(role)]).collect();
        }
    }

    fn dismiss(&mut self, roles: &[&str]) {
        let stays = |role: &Arc<str>| !roles.contains(&&**role);
        self.claimed.retain(stays);
        if let Some(row) = &mut self.subject {
            row.roles = row
                .roles
                .iter()
                .filter(|role| stays(role))
                .cloned()
                .collect();
        }
    }
}

impl<'p> Trial<'p, '_> {
    fn allows(&self) -> bool {
        let query = Query {
            claimed_roles: &self.rows.claimed,
            ..*self.query
        };
        self.policy.evaluate(&query, &self.rows.facts()).effect() == Effect::Allow
    }

    /// Whether it is allowed once the rows are changed like this.
    fn allows_after(&self, change: impl FnOnce(&mut Rows)) -> bool {
        let mut trial = self.clone();
        change(&mut trial.rows);
        trial.allows()
    }

    /// Of these names, those with which a change leads to an allow; `None`: none does.
    fn allowing<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
        change: impl Fn(&mut Rows, &str),
    ) -> Option<Vec<&'n str>> {
        let allows = |name: &&str| self.allows_after(|rows| change(rows, name));
        let names: Vec<_> = names.filter(allows).collect();
        (!names.is_empty()).then_some(names)
    }

    /// First what no check is made without, then each check for itself.
    fn ways_to_an_allow(mut self, reason: Reason) -> Vec<Way<'p>> {
        let Some(needed) = self.prepare(reason) else {
            return Vec::new();
        };
        if self.allows() {
            return vec![Way { changes: needed }];
        }
        let subject = self.query.subject;
        let own = |rows: &mut Rows| {
            if let Some(row) = &mut rows.resource {
                row.owner = Some(subject.clone());
            }
        };
        let policy = self.policy;
        let grants = [
            self.allows_after(own).then_some(Change::Own),
            self.allowing(policy.role_names(), Rows::join)
                .map(Change::Join),
            self.allowing(policy.visibilities(), |rows, name| {
                rows.set_visibility(Some(name));
            })
            .map(Change::Show),
            self.allowing(policy.own_role_names(), Rows::appoint)
                .map(Change::Appoint),
        ];
        let way = |grant| {
            let mut changes = needed.clone();
            changes.push(grant);
            Way { changes }
        };
        grants.into_iter().flatten().map(way).collect()
    }

    /// Makes the changes without which no check is made; `None`: there is none that would do.
    fn prepare(&mut self, reason: Reason) -> Option<Vec<Change<'p>>> {
        let kind = self.policy.compiled(self.query.kind)?;
        let mut needed = Vec::new();
        if matches!(reason, Reason::UnknownSubject | Reason::InactiveSubject) {
            self.rows.set_active(true);
            needed.push(Change::Activate);
        }
        if self.rows.resource.is_none() {
            self.rows.resource = Some(ResourceRow::default());
            needed.push(Change::Create);
        }
        let status = self
            .rows
            .resource
            .as_ref()
            .and_then(|row| row.status.clone());
        if !kind.admits(status.as_deref()) {
            let names: Vec<_> = kind.status_names()?.collect();
            self.rows.set_status(Some(names.first()?));
            needed.push(Change::SetStatus(names));
        }
        Some(needed)
    }

    /// Every grant at once, and whatever ends all of them.
    fn ways_to_a_denial(&self) -> Vec<Way<'p>> {
        let mut ways = Vec::new();
        let (grants, without) = self.without_grants();
        if !without.allows() {
            ways.push(Way { changes: grants });
        }
        let statuses = self.policy.compiled(self.query.kind);
        let statuses = statuses.and_then(|kind| kind.status_names());
        let alone = [
            (!self.allows_after(|rows| rows.set_active(false))).then_some(Change::Deactivate),
            (!self.allows_after(|rows| rows.resource = None)).then_some(Change::Delete),
            statuses
                .filter(|_| !self.allows_after(|rows| rows.set_status(None)))
                .map(|names| Change::UnsetStatus(names.collect())),
        ];
        let alone = alone.into_iter().flatten();
        ways.extend(alone.map(|change| Way {
            changes: vec![change],
        }));
        ways
    }

    /// The loss of each grant that there is, and what is left then.
    fn without_grants(&self) -> (Vec<Change<'p>>, Self) {
        let (policy, query) = (self.policy, self.query);
        let mut left = self.clone();
        let mut losses = Vec::new();
        let decision = policy.evaluate(query, &self.rows.facts());
        let Some(checks) = decision.checks() else {
            return (losses, left);
        };
        if checks.ownership.grants() {
            if let Some(row) = &mut left.rows.resource {
                row.owner = None;
            }
            losses.push(Change::Disown);
        }
        if checks.team_access.grants() {
            left.rows.membership = None;
            let roles = policy.role_names().map(|name| (name, policy.role(name)));
            losses.push(Change::Leave(policy.that_grant(query, roles)));
        }
        if checks.project_visibility.grants() {
            left.rows.set_visibility(None);
            let shown = policy.visibilities();
            let shown = shown.map(|name| (name, policy.visibility_role(name)));
            losses.push(Change::Hide(policy.that_grant(query, shown)));
        }
        if checks.subject_role == Finding::Granted {
            let names = policy.own_role_names();
            let granting = |name: &&str| policy.subject_role_grants(name, query.kind, query.action);
            let has = |name: &&str| self.rows.has_own_role(name);
            let names: Vec<_> = names.filter(granting).filter(has).collect();
            left.rows.dismiss(&names);
            losses.push(Change::Dismiss(names));
        }
        (losses, left)
    }
}
