//! One request that is being forwarded, and what it takes to say whether it still may be.
//!
//! Promise: a look renews the request only if its principal is still who it was, its rules still count, and
//! either none of its facts was touched ([`Reading::upholds`](crate::coherence::Reading::upholds)) or it was
//! decided on again. A look never waits: what has to be asked goes on in the background of the request, while
//! bytes pass for as long as the last decision is good for. The clock is read last (DESIGN §5, R1).

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sidegate_policy::{Id, UnixMicros};
use uuid::Uuid;

use super::hold::{Hold, State, TICK, Terms, Why};
use crate::access_log::{AccessLog, Line};
use crate::authn::{AuthnError, Principal, TokenError};
use crate::authz::{Permit, Renewal};
use crate::clearance::Cleared;
use crate::client::Client;
use crate::coherence::{BOUND, BootTime, Ground};
use crate::decisions::{Case, Record};
use crate::generation::Generation;
use crate::observation::{Bearer, Timeline};
use crate::outcome::Code;
use crate::rejection::Rejection;
use crate::trace::TraceContext;

/// A request that is being forwarded.
pub struct Held {
    generation: Arc<Generation>,
    cleared: Arc<Cleared>,
    decision_id: Uuid,
    known: Option<Known>,
    hold: Hold,
    ground: Option<Ground>,
    valid_until: Option<UnixMicros>,
    /// One of its facts was touched, or has ended: nothing renews it but a decision.
    is_shaken: bool,
    deciding: Option<BoxFuture<'static, Result<Renewal, Rejection>>>,
    /// Not to be asked for again before.
    ask_at: BootTime,
    /// Why it is not known whether it may go on.
    unknown: Option<Code>,
}

/// What is known of a request besides its clearance.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// When it began.
    pub begun: BootTime,
    /// Who sent it.
    pub client: Option<Client>,
    /// Its place in its trace.
    pub trace: Option<TraceContext>,
}

/// How a request was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub why: Why,
    /// The same in the words of a refusal, where there was one.
    pub code: Option<Code>,
}

/// What a look has found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Whether bytes may pass now.
    pub(super) passes: bool,
    /// Whether the same holds until `again`, whatever wakes the request. If not, it has to be looked at whenever
    /// it is woken.
    pub(super) lasts: bool,
    /// When to look again at the latest.
    pub(super) again: BootTime,
}

impl Held {
    /// A request that was cleared just now.
    #[must_use]
    pub fn new(generation: Arc<Generation>, cleared: Arc<Cleared>, decision_id: Uuid) -> Self {
        let limits = &generation.settings.limits;
        let terms = Terms {
            most: limits.max_stream_age,
            patience: limits.decision_timeout,
        };
        let permit = cleared.clearance.permit();
        let now = BootTime::now();
        Self {
            hold: Hold::new(now, permit.and_then(Permit::good_until), terms),
            valid_until: permit.and_then(Permit::valid_until),
            generation,
            cleared,
            decision_id,
            known: None,
            ground: None,
            is_shaken: false,
            deciding: None,
            ask_at: BootTime::START,
            unknown: None,
        }
    }

    /// The same, with what its line in the access log says besides.
    #[must_use]
    pub const fn known_as(mut self, known: Known) -> Self {
        self.known = Some(known);
        self
    }

    /// When the guard has to look at it for the first time.
    pub(super) fn first_look(&self) -> BootTime {
        self.hold.first_look()
    }

    /// Looks whether it may go on. `current` is the generation that counts now.
    pub(super) fn look(
        &mut self,
        current: &Generation,
        context: &mut Context<'_>,
    ) -> Result<Look, End> {
        if self.hold.can_end() {
            self.renew(current, context)?;
        }
        // Last, after the slots.
        let now = BootTime::now();
        let state = self.hold.state(now).map_err(|why| End {
            why,
            code: self.unknown.filter(|_| why == Why::Unknown),
        })?;
        let passes = state == State::Passes;
        Ok(Look {
            passes,
            lasts: passes && self.deciding.is_none(),
            again: self.hold.look_at(now),
        })
    }

    fn renew(&mut self, current: &Generation, context: &mut Context<'_>) -> Result<(), End> {
        let pipeline = &self.generation.pipeline;
        if !Arc::ptr_eq(&self.generation.facts, &current.facts) {
            return Err(end(Why::Replaced));
        }
        let clock = pipeline.clock.now();
        let subject = self.cleared.clearance.permit().and_then(Permit::subject);
        let Some(subject) = subject else {
            return Err(end(Why::Unknown));
        };
        if !is_configured_alike(&subject.principal, &self.generation, current) {
            return Err(end(Why::Credential));
        }
        // By the generation that counts: a key that was taken out of the configuration is withdrawn.
        let authenticator = &current.pipeline.authenticator;
        match authenticator.still(&subject.principal, clock) {
            Ok(()) => {}
            Err(TokenError::KeysUnavailable) => {
                self.unknown = Some(Code::KeysUnavailable);
                return Ok(());
            }
            Err(error) => {
                return Err(End {
                    why: Why::Credential,
                    code: Some(Rejection::Authn(error.into()).code()),
                });
            }
        }
        self.is_shaken |= self.valid_until.is_some_and(|end| end <= clock);
        self.uphold();
        let now = BootTime::now();
        if (self.is_shaken || self.hold.is_due(now))
            && self.deciding.is_none()
            && now >= self.ask_at
        {
            self.deciding = Some(self.again());
        }
        self.decide(context)
    }

    /// Reading first, then the slots; the clock comes last.
    fn uphold(&mut self) {
        let (Some(ground), false) = (&self.ground, self.is_shaken) else {
            return;
        };
        let kept = self.generation.facts.kept();
        let Some(reading) = kept.and_then(|kept| kept.coherence().read()) else {
            return;
        };
        if reading.upholds(ground) {
            let good_until = reading.start().after(BOUND);
            self.hold.upheld(BootTime::now(), good_until);
        } else {
            self.is_shaken = true;
        }
    }

    fn again(&self) -> BoxFuture<'static, Result<Renewal, Rejection>> {
        let (generation, cleared) = (Arc::clone(&self.generation), Arc::clone(&self.cleared));
        Box::pin(async move {
            let permit = cleared.clearance.permit().ok_or(Rejection::Internal)?;
            generation.pipeline.again(permit).await
        })
    }

    fn decide(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        let Some(deciding) = &mut self.deciding else {
            return Ok(());
        };
        let Poll::Ready(decided) = deciding.poll_unpin(context) else {
            return Ok(());
        };
        self.deciding = None;
        let now = BootTime::now();
        match decided {
            Ok(renewal) => {
                self.hold.decided(now, renewal.good_until);
                self.ground = renewal.ground;
                self.valid_until = renewal.valid_until;
                (self.is_shaken, self.unknown) = (false, None);
                Ok(())
            }
            Err(Rejection::Authn(AuthnError::Token(error))) if !error.is_unknown() => Err(End {
                why: Why::Credential,
                code: Some(Rejection::Authn(error.into()).code()),
            }),
            Err(Rejection::Scope) => Err(End {
                why: Why::Credential,
                code: Some(Code::InsufficientScope),
            }),
            Err(Rejection::Denied { reason, .. }) => Err(End {
                why: Why::Denied,
                code: Some(Code::Decision(reason)),
            }),
            Err(cannot) => {
                self.unknown = Some(cannot.code());
                self.ask_at = now.after(TICK);
                Ok(())
            }
        }
    }

    /// Counts it as what it was when it was cleared.
    pub(super) fn count(&self) {
        let clearance = &self.cleared.clearance;
        if let Some(requests) = &self.generation.requests {
            let route = clearance.permit().map(|permit| &**permit.route());
            requests.count(route, clearance.code());
        }
    }

    /// Its line in the access log, which it does not get from the gateway.
    pub(super) fn log(&self, end: End, access_log: &AccessLog) {
        let pipeline = &self.generation.pipeline;
        let permit = self.cleared.clearance.permit();
        let subject = permit.and_then(Permit::subject);
        let principal = subject.map(|subject| &*subject.principal);
        // Why it was let in was true then.
        let code = end.code.unwrap_or_else(|| self.cleared.clearance.code());
        let (resource, policy) = (
            permit.and_then(Permit::resource),
            pipeline.authorizer.policy(),
        );
        let (known, now) = (self.known, BootTime::now());
        let line = Line {
            action: resource.map(|resource| policy.action_name(resource.action)),
            kind: resource.map(|resource| policy.kind_name(resource.kind)),
            resource: resource.and_then(|resource| resource.id.as_ref().map(Id::as_str)),
            client: known.and_then(|known| Some(known.client?.to_string())),
            total_ms: known.map(|known| now.since(known.begun).into()),
            trace_id: known.and_then(|known| Some(known.trace?.trace_id().to_string())),
            route: permit.map(|permit| &*permit.route().id),
            subject: principal.map(|principal| principal.subject.as_str()),
            key: principal.and_then(|principal| principal.key.as_deref()?.id()),
            ended: Some(end.why.name()),
            generation: Some(self.generation.number),
            ..Line::new(self.decision_id, code, pipeline.clock.now())
        };
        access_log.write(&self.generation.settings.telemetry.access_log, &line);
    }

    /// What is kept of it, to be explained: without its rows, which were not those that it ended by.
    pub(super) fn record(&self, end: End) -> Record {
        let clearance = &self.cleared.clearance;
        let (pipeline, permit) = (&self.generation.pipeline, clearance.permit());
        let principal = permit.and_then(Permit::subject).map(|it| &it.principal);
        let code = end.code.unwrap_or_else(|| clearance.code());
        Record {
            id: self.decision_id,
            at: pipeline.clock.now(),
            timeline: Timeline::begin(),
            method: None,
            status: None,
            detail: Some(format!("ended while it was forwarded ({})", end.why.name())),
            degraded: None,
            generation: self.generation.number,
            case: Case {
                route: permit.map(|permit| Arc::clone(permit.route())),
                subject: principal.map(|principal| principal.subject.clone()),
                bearer: principal.map(|principal| Bearer::of(principal)),
                key: principal.and_then(|principal| principal.key.clone()),
                resource: permit.and_then(Permit::resource).cloned(),
                ..Case::bare(code, Arc::clone(pipeline.authorizer.policy()))
            },
        }
    }
}

/// Whether what a link or a service key was verified with is configured as it was: a key of links that was taken out,
/// or another pepper, ends what they let in.
fn is_configured_alike(principal: &Principal, begun: &Generation, current: &Generation) -> bool {
    let (before, now) = (&begun.settings, &current.settings);
    begun.number == current.number
        || match (&principal.key, &principal.issuer) {
            (Some(_), _) => before.service_keys == now.service_keys,
            (None, None) => before.links == now.links,
            (None, Some(_)) => true,
        }
}

const fn end(why: Why) -> End {
    End { why, code: None }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("decision_id", &self.decision_id)
            .field("hold", &self.hold)
            .finish_non_exhaustive()
    }
}
