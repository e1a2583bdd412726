//! Leave to forward a request, and what it was given for.
//!
//! Promise: only the authorizer makes a [`Permit`]; what it says cannot be changed.

use std::sync::Arc;

use sidegate_policy::{Action, Decision, Id, Kind, UnixMicros};

use crate::authn::Principal;
use crate::coherence::BootTime;
use crate::route::Route;
use crate::target::Target;

/// Leave to forward one request, exactly as it was decided on.
///
/// Not `Clone`, no public constructor: it is spent by the request it was made for.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    pub(super) grant: Grant,
    pub(super) route: Arc<Route>,
    pub(super) target: Target,
    pub(super) is_stale: bool,
    pub(super) good_until: Option<BootTime>,
}

/// What a permit was given for.
#[derive(Debug)]
pub enum Grant {
    /// Nobody in particular, on a public route.
    Public,
    /// A preflight, which carries no identity.
    Preflight,
    /// A verified subject, on a route that asks for no more.
    Authenticated(Subject),
    /// A verified subject and a decision.
    Decided {
        /// The subject.
        subject: Subject,
        /// The resource.
        resource: Resource,
        /// The decision.
        decision: Decision,
    },
}

/// A principal and the roles of its row.
#[derive(Debug)]
pub struct Subject {
    /// The principal.
    pub principal: Arc<Principal>,
    /// Its own roles: those its token claims and those of its row, in a fixed order.
    pub roles: Vec<Arc<str>>,
}

/// A resource as a rule names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// What is to be done with it.
    pub action: Action,
    /// Its kind.
    pub kind: Kind,
    /// Its id; `None` if what the request holds can be no id of the kind.
    pub id: Option<Id>,
}

impl Permit {
    /// What it was given for.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The rule.
    #[must_use]
    pub const fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The target that was decided on: the only one that may be forwarded.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Whether it rests on facts older than the bound, by the route's `stale_if_error`.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// The same, resting also on a credential that counts until then if nothing is asked anew.
    pub(crate) fn on_credential(mut self, is_stale: bool, good_until: BootTime) -> Self {
        self.is_stale |= is_stale;
        self.good_until = self.good_until.map(|until| until.min(good_until));
        self
    }

    /// Until when it may be gone by, if nothing is asked anew; `None`: there is nothing that could be taken
    /// away. Its request is decided on again before ([`super::Renewal`]), or ends.
    #[must_use]
    pub const fn good_until(&self) -> Option<BootTime> {
        self.good_until
    }

    /// The subject, where there is one.
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        match &self.grant {
            Grant::Public | Grant::Preflight => None,
            Grant::Authenticated(subject) | Grant::Decided { subject, .. } => Some(subject),
        }
    }

    /// The resource, where a rule was decided for one.
    #[must_use]
    pub const fn resource(&self) -> Option<&Resource> {
        match &self.grant {
            Grant::Public | Grant::Preflight | Grant::Authenticated(_) => None,
            Grant::Decided { resource, .. } => Some(resource),
        }
    }

    /// When the facts end on their own (`expires_at` of a membership that counted), if they do.
    #[must_use]
    pub const fn valid_until(&self) -> Option<UnixMicros> {
        match self.grant() {
            Grant::Public | Grant::Preflight | Grant::Authenticated(_) => None,
            Grant::Decided { decision, .. } => decision.valid_until(),
        }
    }
}
