//! One decision, as it is kept.
//!
//! Promise: what is here explains the decision later, by the policy and the rows that it was made with, whatever is
//! loaded or changed meanwhile; it keeps no connection, cache or key of its time alive.

use std::sync::Arc;

use http::Method;
use sidegate_policy::{Id, Policy, UnixMicros};
use uuid::Uuid;

use crate::authn::PresentedKey;
use crate::authz::Resource;
use crate::coherence::BootTime;
use crate::observation::{Basis, Bearer, Stage, Timeline};
use crate::outcome::{Code, Outcome};
use crate::route::Route;

/// A request, how it ended, and why.
#[derive(Debug, Clone)]
pub struct Record {
    /// The decision's id.
    pub id: Uuid,
    /// When it ended, by the wall clock.
    pub at: UnixMicros,
    /// When its stages ended, the last of them then.
    pub timeline: Timeline,
    /// Its method, where a rule applied and the method is one that everybody knows.
    pub method: Option<Method>,
    /// The status that the client has seen, by whomever; `None`: it has seen none.
    pub status: Option<u16>,
    /// Why it was refused, in words that hold nothing of the request.
    pub detail: Option<String>,
    /// What it was allowed without.
    pub degraded: Option<&'static str>,
    /// The generation that it belonged to.
    pub generation: u64,
    /// What was decided.
    pub case: Case,
}

/// What was decided, about whom and what, and on which rows.
#[derive(Debug, Clone)]
pub struct Case {
    /// How it was decided.
    pub code: Code,
    /// By which policy.
    pub policy: Arc<Policy>,
    /// Which rule applied; `None`: it ended before one was found.
    pub route: Option<Arc<Route>>,
    /// Who asked; `None`: nobody was verified.
    pub subject: Option<Id>,
    /// What their credential says of them.
    pub bearer: Option<Bearer>,
    /// With which service key, if that was it.
    pub key: Option<Arc<PresentedKey>>,
    /// Whether the credential was a link.
    pub by_link: bool,
    /// What for.
    pub resource: Option<Resource>,
    /// What the decision rested on; `None`: there was none.
    pub basis: Option<Basis>,
}

/// Who can fill what is kept: see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Nobody was verified: what is public, and what was refused before.
    Anonymous,
    /// A verified subject was let through, or could not be decided on.
    Allowed,
    /// A verified subject was not let through.
    Denied,
}

impl Group {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Anonymous, Self::Allowed, Self::Denied];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "without a verified subject",
            Self::Allowed => "allowed or not decided",
            Self::Denied => "denied",
        }
    }
}

impl Record {
    pub(super) fn group(&self) -> Group {
        match (&self.case.subject, self.case.code.ended()) {
            (None, _) => Group::Anonymous,
            // What could not be decided comes in masses, too, and must not push out denials.
            (Some(_), Outcome::Allow | Outcome::Error) => Group::Allowed,
            (Some(_), Outcome::Deny) => Group::Denied,
        }
    }

    /// When the decision was made, or could not be.
    #[must_use]
    pub fn decided(&self) -> BootTime {
        let decision = [Stage::Route, Stage::Authenticate, Stage::Authorize];
        let spans = self.timeline.spans();
        let ends = spans.filter(|span| decision.contains(&span.stage));
        ends.last().map_or(self.timeline.begun(), |span| span.to)
    }

    /// The same, by the wall clock.
    #[must_use]
    pub fn decided_at(&self) -> UnixMicros {
        let since = self.timeline.ended().since(self.decided()).as_micros();
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        UnixMicros(self.at.0.saturating_sub(since))
    }
}

impl Case {
    /// Of a request of which nothing is known but how it ended.
    #[must_use]
    pub const fn bare(code: Code, policy: Arc<Policy>) -> Self {
        Self {
            code,
            policy,
            route: None,
            subject: None,
            bearer: None,
            key: None,
            by_link: false,
            resource: None,
            basis: None,
        }
    }
}

/// The method, if keeping it takes no memory of its own: those that rules can name.
#[must_use]
pub(crate) fn known_method(method: &Method) -> Option<Method> {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ];
    known.into_iter().find(|known| known == method)
}
