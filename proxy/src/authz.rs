//! May this principal do this? The only maker of [`Permit`]s.
//!
//! Promise: a [`Permit`] exists only for a public or preflight route, for a known and active
//! subject on an authenticated route, or for a decision of the policy that allows. A store that
//! cannot answer gives no permit, unless the route has opted in to what memory still holds (R1). Nobody is
//! refused on facts older than the request (DESIGN §5, R5).

mod again;
mod permit;

use std::sync::Arc;

use sidegate_config::UnknownSubject;
use sidegate_policy::{Checks, Decision, Effect, Facts, Policy, Query, Reason, UnixMicros};

use crate::authn::Principal;
use crate::clock::Clock;
use crate::coherence::{BootTime, Moment};
use crate::facts::{Asker, Facts as Source, Sourced, Tier};
use crate::route::{Access, Route};
use crate::store::{Answer, Question, StoreError};
use crate::target::Target;

pub use again::Renewal;
pub use permit::{Grant, Permit, Resource, Subject};

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthzError {
    /// The policy says no.
    #[error("denied: {}", .0.name())]
    Denied(Reason),
    /// The store cannot say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The route names a resource and none was given, or the reverse: nothing was decided.
    #[error("the route and the question do not fit")]
    Mismatch,
}

/// What was looked at on the way to a decision, for `explain`.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The rows.
    pub answer: &'a Answer,
    /// What the checks found, where they were made.
    pub checks: Option<&'a Checks>,
    /// Where the rows came from; `None`: from nowhere, the token alone counts.
    pub tier: Option<Tier>,
    /// When they were true.
    pub moment: Option<Moment>,
}

/// Decides.
#[derive(Debug)]
pub struct Authorizer {
    policy: Arc<Policy>,
    facts: Arc<Source>,
}

impl Authorizer {
    /// An authorizer over a policy and facts.
    #[must_use]
    pub const fn new(policy: Arc<Policy>, facts: Arc<Source>) -> Self {
        Self { policy, facts }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Where facts come from.
    pub(crate) const fn facts(&self) -> &Arc<Source> {
        &self.facts
    }

    /// A permit for a route that asks for nothing.
    pub(crate) fn public(&self, route: Arc<Route>, target: Target) -> Option<Permit> {
        matches!(route.access, Access::Public).then_some(Permit {
            grant: Grant::Public,
            route,
            target,
            is_stale: false,
            good_until: None,
        })
    }

    /// A permit for a preflight, which goes to the application without identity.
    pub(crate) const fn preflight(&self, route: Arc<Route>, target: Target) -> Permit {
        Permit {
            grant: Grant::Preflight,
            route,
            target,
            is_stale: false,
            good_until: None,
        }
    }

    /// Decides for a principal. `resource` must be there if, and only if, the route names one.
    /// `arrived` is when the request came.
    ///
    /// # Errors
    /// When the policy denies, or the store cannot answer.
    pub async fn authorize(
        &self,
        principal: &Arc<Principal>,
        resource: Option<Resource>,
        (route, target): (Arc<Route>, Target),
        (clock, arrived): (Clock, BootTime),
        mut see: impl FnMut(Evidence<'_>),
    ) -> Result<Permit, AuthzError> {
        let question = self.question(principal, resource.as_ref());
        let settled = self
            .settle(
                &question,
                principal,
                resource.as_ref(),
                &route,
                (clock, arrived),
                Asker::Request,
            )
            .await;
        let (sourced, verdict) = match settled {
            Ok(settled) => settled,
            Err(error) => return self.without_row(principal, error, (route, target), see),
        };
        let answer = &sourced.answer;
        see(Evidence {
            answer,
            checks: verdict.checks(),
            tier: Some(sourced.tier),
            moment: Some(sourced.moment),
        });
        let subject = Subject {
            principal: Arc::clone(principal),
            roles: own_roles(principal, answer),
        };
        let good_until = Some(sourced.good_until(route.stale_if_error));
        let is_stale = sourced.is_stale;
        Ok(Permit {
            grant: grant(verdict, resource, subject)?,
            route,
            target,
            is_stale,
            good_until,
        })
    }

    /// A permit by what the token alone says (DESIGN §7), on a route that asks for no more than a subject and
    /// accepts that nobody can look it up.
    fn without_row(
        &self,
        principal: &Arc<Principal>,
        error: StoreError,
        (route, target): (Arc<Route>, Target),
        mut see: impl FnMut(Evidence<'_>),
    ) -> Result<Permit, AuthzError> {
        let asks_no_more = matches!(route.access, Access::Authenticated { .. });
        let subject = &principal.subject;
        let good_until = self
            .facts
            .may_be_active_until(subject, route.stale_if_error)
            .filter(|_| asks_no_more && error.is_outage())
            .ok_or(error)?;
        let answer = Answer::default();
        see(Evidence {
            answer: &answer,
            checks: None,
            tier: None,
            moment: None,
        });
        let roles = own_roles(principal, &answer);
        let principal = Arc::clone(principal);
        Ok(Permit {
            grant: Grant::Authenticated(Subject { principal, roles }),
            route,
            target,
            is_stale: true,
            good_until: Some(good_until),
        })
    }

    /// What has to be known.
    fn question<'q>(
        &'q self,
        principal: &'q Principal,
        resource: Option<&'q Resource>,
    ) -> Question<'q> {
        let named =
            resource.and_then(|resource| resource.id.as_ref().map(|id| (resource.kind, id)));
        Question {
            subject: &principal.subject,
            resource: named.map(|(kind, id)| (self.policy.kind_name(kind), id)),
        }
    }

    /// A verdict, and the rows that it rests on. One that refuses rests on fresh rows.
    async fn settle(
        &self,
        question: &Question<'_>,
        principal: &Principal,
        resource: Option<&Resource>,
        route: &Route,
        (clock, arrived): (Clock, BootTime),
        asker: Asker,
    ) -> Result<(Sourced, Verdict), StoreError> {
        let facts = &self.facts;
        let judge = |sourced: &Sourced| {
            // Now, and not when the request came: the keys or the store may have kept it waiting.
            let now = clock.now();
            self.judge(principal, &route.access, resource, &sourced.answer, now)
        };
        let stale = route.stale_if_error;
        let sourced = facts.ask(question, arrived, stale, asker).await?;
        let verdict = judge(&sourced);
        if !verdict.refuses() || sourced.is_fresh {
            return Ok((sourced, verdict));
        }
        let sourced = facts.confirm(question, arrived).await?;
        let verdict = judge(&sourced);
        Ok((sourced, verdict))
    }

    fn judge(
        &self,
        principal: &Principal,
        access: &Access,
        resource: Option<&Resource>,
        answer: &Answer,
        now: UnixMicros,
    ) -> Verdict {
        match (access, resource) {
            (Access::Authenticated { unknown_subject }, None) => {
                Verdict::Known(known(answer, *unknown_subject))
            }
            (Access::Resource { .. }, Some(resource)) => {
                Verdict::Decided(self.decide(principal, resource, answer, now))
            }
            (Access::Public | Access::Authenticated { .. } | Access::Resource { .. }, _) => {
                Verdict::Mismatch
            }
        }
    }

    fn decide(
        &self,
        principal: &Principal,
        resource: &Resource,
        answer: &Answer,
        now: UnixMicros,
    ) -> Decision {
        let query = Query {
            subject: &principal.subject,
            claimed_roles: &principal.roles,
            action: resource.action,
            kind: resource.kind,
            now,
        };
        let facts = Facts {
            subject: answer.subject.as_deref(),
            resource: answer.resource.as_deref(),
            project: answer.project.as_deref(),
            membership: answer.membership.as_deref(),
        };
        self.policy.evaluate(&query, &facts)
    }
}

/// What rows say about a request.
enum Verdict {
    /// On a route that asks for a subject alone: whether it may do anything.
    Known(Result<(), Reason>),
    /// The policy's.
    Decided(Decision),
    /// The route and the question do not fit.
    Mismatch,
}

impl Verdict {
    fn refuses(&self) -> bool {
        match self {
            Self::Known(known) => known.is_err(),
            Self::Decided(decision) => decision.effect() == Effect::Deny,
            Self::Mismatch => false,
        }
    }

    const fn checks(&self) -> Option<&Checks> {
        match self {
            Self::Decided(decision) => decision.checks(),
            Self::Known(_) | Self::Mismatch => None,
        }
    }
}

/// What a verdict gives leave for.
fn grant(
    verdict: Verdict,
    resource: Option<Resource>,
    subject: Subject,
) -> Result<Grant, AuthzError> {
    match (verdict, resource) {
        (Verdict::Known(known), None) => {
            known.map_err(AuthzError::Denied)?;
            Ok(Grant::Authenticated(subject))
        }
        (Verdict::Decided(decision), Some(resource)) => {
            if decision.effect() == Effect::Deny {
                return Err(AuthzError::Denied(decision.reason()));
            }
            Ok(Grant::Decided {
                subject,
                resource,
                decision,
            })
        }
        (Verdict::Known(_) | Verdict::Decided(_) | Verdict::Mismatch, _) => {
            Err(AuthzError::Mismatch)
        }
    }
}

fn known(answer: &Answer, unknown_subject: UnknownSubject) -> Result<(), Reason> {
    match (&answer.subject, unknown_subject) {
        (Some(row), _) if row.active => Ok(()),
        (Some(_), _) => Err(Reason::InactiveSubject),
        (None, UnknownSubject::Allow) => Ok(()),
        (None, UnknownSubject::Deny) => Err(Reason::UnknownSubject),
    }
}

fn own_roles(principal: &Principal, answer: &Answer) -> Vec<Arc<str>> {
    let of_row = answer.subject.iter().flat_map(|row| row.roles.iter());
    let mut roles: Vec<_> = principal.roles.iter().chain(of_row).cloned().collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}
