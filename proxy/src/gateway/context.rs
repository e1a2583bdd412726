//! What is known about one request, from its head to its line in the log.
//!
//! Promise: only a [`Verdict::Cleared`] is forwarded, and a request begins as undecided.

use std::net;
use std::sync::Arc;

use http::StatusCode;
use sidegate_config::Rules;
use sidegate_policy::Id;
use uuid::Uuid;

use super::body::Bounded;
use crate::authn::{PresentedKey, Principal};
use crate::authz::Resource;
use crate::clearance::Cleared;
use crate::client::Client;
use crate::generation::Generation;
use crate::metrics::Degraded;
use crate::observation::{Basis, Bearer, Stage, Timeline};
use crate::outcome::Code;
use crate::rejection::Rejection;
use crate::route::Route;
use crate::stream::{Handover, Held, Known};
use crate::trace::TraceContext;

/// What is known about one request.
#[derive(Debug)]
pub struct RequestContext {
    /// The generation that the request belongs to, from beginning to end.
    pub(super) generation: Arc<Generation>,
    pub(super) decision_id: Uuid,
    pub(super) verdict: Verdict,
    /// Which rule applied and who asked, for the log.
    pub(super) route: Option<Arc<Route>>,
    pub(super) subject: Option<Id>,
    /// What the credential says of them.
    pub(super) bearer: Option<Bearer>,
    /// With which service key, if that was it.
    pub(super) key: Option<Arc<PresentedKey>>,
    /// Whether its credential is a link.
    pub(super) by_link: bool,
    /// Instances that were tried.
    pub(super) tried: Vec<net::SocketAddr>,
    pub(super) websocket: bool,
    /// The rules of strictness that the head's bytes break.
    pub(super) broken: Rules,
    /// Where it is held from when it is cleared. Without one it is not forwarded.
    pub(super) handover: Option<Arc<Handover>>,
    pub(super) body: Option<Bounded>,
    /// Why it was refused, in words that hold nothing of the request.
    pub(super) detail: Option<String>,
    /// Why it was ended after the client had its answer.
    pub(super) ended: Option<Code>,
    /// Whether the application has answered it.
    pub(super) is_answered_upstream: bool,
    /// Who sent it, as far as limits on clients can tell.
    pub(super) client: Option<Client>,
    /// When its stages ended.
    pub(super) timeline: Timeline,
    /// What was asked for, and what the decision rested on, where anybody wants to know.
    pub(super) resource: Option<Resource>,
    pub(super) basis: Option<Basis>,
    /// Its place in its trace, where anything is traced.
    pub(super) trace: Option<TraceContext>,
}

/// Where a request stands. Anything but `Cleared` is not forwarded.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Not decided. A request that ends like this ended before its decision.
    Pending,
    /// Forwarded, with these headers.
    Cleared(Arc<Cleared>),
    /// Refused.
    Rejected(Code),
}

impl RequestContext {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        Self {
            generation,
            decision_id: Uuid::new_v4(),
            verdict: Verdict::Pending,
            route: None,
            subject: None,
            bearer: None,
            key: None,
            by_link: false,
            tried: Vec::new(),
            websocket: false,
            broken: Rules::NONE,
            handover: None,
            body: None,
            detail: None,
            ended: None,
            is_answered_upstream: false,
            client: None,
            timeline: Timeline::begin(),
            resource: None,
            basis: None,
            trace: None,
        }
    }

    /// Its place in its trace, for whoever tells about it; `None`: nothing is traced.
    #[must_use]
    pub const fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// Somebody was verified. What only explanations need is noted where any are kept.
    pub(super) fn identified(&mut self, principal: &Principal) {
        self.timeline.end(Stage::Authenticate);
        self.subject = Some(principal.subject.clone());
        self.key.clone_from(&principal.key);
        let keeps = self.generation.settings.telemetry.decisions > 0;
        self.bearer = keeps.then(|| Bearer::of(principal));
    }

    pub(super) const fn cleared(&self) -> Option<&Arc<Cleared>> {
        match &self.verdict {
            Verdict::Cleared(cleared) => Some(cleared),
            Verdict::Pending | Verdict::Rejected(_) => None,
        }
    }

    /// What it was allowed without, as the client may know it.
    pub(super) fn degraded(&self) -> Option<&'static str> {
        let permit = self
            .cleared()
            .and_then(|cleared| cleared.clearance.permit())?;
        let subject = permit.subject();
        let is_unconfirmed = subject.is_some_and(|subject| subject.principal.is_degraded);
        match (permit.is_stale(), is_unconfirmed) {
            (false, false) => None,
            (true, false) => Some("stale"),
            (false, true) => Some("introspection"),
            (true, true) => Some("stale, introspection"),
        }
    }

    /// Hands a cleared request over to whoever sees to it that it ends with its right.
    pub(super) fn hand_over(&self, cleared: &Arc<Cleared>) -> Result<(), Rejection> {
        let handover = self.handover.as_ref().ok_or_else(|| {
            tracing::error!(decision_id = %self.decision_id, "nobody would end the request");
            Rejection::Internal
        })?;
        let generation = Arc::clone(&self.generation);
        let known = Known {
            begun: self.timeline.begun(),
            client: self.client,
            trace: self.trace,
        };
        let held = Held::new(generation, Arc::clone(cleared), self.decision_id);
        handover.put(held.known_as(known));
        Ok(())
    }

    /// Counts it. `status` is what the client was answered, if it was.
    pub(super) fn count(&self, code: Code, status: Option<StatusCode>) {
        let Some(requests) = &self.generation.requests else {
            return;
        };
        requests.count(self.route.as_deref(), code);
        requests.time(&self.timeline, code.ended());
        requests.answered(status, self.is_answered_upstream);
        if let Some(permit) = self
            .cleared()
            .and_then(|cleared| cleared.clearance.permit())
        {
            let subject = permit.subject();
            if permit.is_stale() {
                requests.degraded(Degraded::Stale);
            }
            if subject.is_some_and(|subject| subject.principal.is_degraded) {
                requests.degraded(Degraded::Introspection);
            }
        }
    }

    /// Its last stage has ended: the answer, or the one in which it was given up.
    pub(super) fn end(&mut self) {
        match self.verdict {
            Verdict::Pending => self.timeline.stop(),
            Verdict::Cleared(_) | Verdict::Rejected(_) => self.timeline.end(Stage::Answer),
        }
    }

    /// It is over.
    pub(super) fn let_go(&self) {
        if let Some(handover) = &self.handover {
            handover.clear();
        }
    }
}
