//! Deciding again on a request that is being forwarded: it lasts, and its facts may have changed.
//!
//! Promise: the same question about the same subject and resource, on the facts as they are now; nobody
//! loses a right on facts older than this second question, and it gives no leave to forward anything else.

use sidegate_policy::UnixMicros;

use super::{Authorizer, AuthzError, Grant, Permit, Resource, Subject, Verdict, grant};
use crate::clock::Clock;
use crate::coherence::{BootTime, Ground};
use crate::facts::Asker;

/// For how much longer a request may go on, and what that rests on.
#[derive(Debug)]
pub struct Renewal {
    /// Until when it may be gone by.
    pub good_until: BootTime,
    /// What it rests on, where that can be watched; else it is decided again in time.
    pub ground: Option<Ground>,
    /// When the facts end on their own, if they do.
    pub valid_until: Option<UnixMicros>,
}

impl Renewal {
    /// The same, resting also on a credential that counts until then. Unless its changes are followed, it is decided
    /// again in time.
    pub(crate) fn with_credential(self, is_followed: bool, good_until: BootTime) -> Self {
        Self {
            good_until: self.good_until.min(good_until),
            ground: self.ground.filter(|_| is_followed),
            ..self
        }
    }

    /// The same, ending then at the latest.
    pub(crate) fn ending(self, instant: Option<UnixMicros>) -> Self {
        Self {
            valid_until: self.valid_until.into_iter().chain(instant).min(),
            ..self
        }
    }
}

impl Authorizer {
    /// Decides again on what a permit was given for.
    ///
    /// # Errors
    /// When the policy denies it now, or the store cannot answer.
    pub(crate) async fn again(
        &self,
        permit: &Permit,
        clock: Clock,
        arrived: BootTime,
    ) -> Result<Renewal, AuthzError> {
        let (subject, resource) = asked(permit).ok_or(AuthzError::Mismatch)?;
        let (principal, route) = (&*subject.principal, permit.route());
        let question = self.question(principal, resource);
        let (sourced, verdict) = self
            .settle(
                &question,
                principal,
                resource,
                route,
                (clock, arrived),
                Asker::Stream,
            )
            .await?;
        let renewal = Renewal {
            good_until: sourced.good_until(route.stale_if_error),
            ground: self.facts.ground(&question, &sourced, principal.tags()),
            valid_until: valid_until(&verdict),
        };
        let subject = Subject {
            principal: std::sync::Arc::clone(&subject.principal),
            roles: Vec::new(),
        };
        // By the one rule that tells what may go on.
        grant(verdict, resource.cloned(), subject).map(|_grant| renewal)
    }
}

/// What a permit was given for, if somebody asked for it.
const fn asked(permit: &Permit) -> Option<(&Subject, Option<&Resource>)> {
    match permit.grant() {
        Grant::Public | Grant::Preflight => None,
        Grant::Authenticated(subject) => Some((subject, None)),
        Grant::Decided {
            subject, resource, ..
        } => Some((subject, Some(resource))),
    }
}

const fn valid_until(verdict: &Verdict) -> Option<UnixMicros> {
    match verdict {
        Verdict::Decided(decision) => decision.valid_until(),
        Verdict::Known(_) | Verdict::Mismatch => None,
    }
}
