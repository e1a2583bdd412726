//! The straight line: from a request's head to leave to forward it, or a refusal (DESIGN §2).
//!
//! Promise: [`Pipeline::admit`] returns a [`Clearance`] only if every stage agreed. A time-out and
//! a panic are refusals; a cancelled call returns nothing at all, so nothing is forwarded. It
//! takes no session: tests and fuzzers call it as the proxy does. [`Pipeline::explain`] walks the
//! same line and keeps what it saw.

mod again;
mod credential;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::HeaderMap;
use sidegate_config::{Rule, Rules, Strictness};
use sidegate_policy::Id;

use crate::authn::{Authenticator, Principal};
use crate::authz::{Authorizer, Evidence, Resource};
use crate::clearance::Clearance;
use crate::client::TrustedProxies;
use crate::clock::Clock;
use crate::coherence::BootTime;
use crate::cors::{Cors, Preflight};
use crate::hardening;
use crate::head::Head;
use crate::link::{self, Links};
use crate::parameter::only_parameter;
use crate::rejection::Rejection;
use crate::route::{Access, Found, IdSource, Route, RouteTable};
use crate::target::{Target, TargetError};
use crate::throttle::Throttle;

/// Everything that decides. Immutable.
#[derive(Debug)]
pub struct Pipeline {
    /// Which rule applies.
    pub routes: RouteTable,
    /// Who is asking.
    pub authenticator: Authenticator,
    /// Whether they may.
    pub authorizer: Authorizer,
    /// What browsers may do across origins.
    pub cors: Cors,
    /// The time.
    pub clock: Clock,
    /// The bound on a whole decision.
    pub timeout: Duration,
    /// What becomes of requests that break a rule of strictness.
    pub strictness: Strictness,
    /// The longest body, where a route names no other.
    pub max_body_bytes: u64,
    /// Who may say which client a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// How many bad credentials a client may present.
    pub throttle: Arc<Throttle>,
    /// What links are verified with; `None`: there are none.
    pub links: Option<Arc<Links>>,
}

/// A request, as far as a decision may look at it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// The method.
    pub method: &'r http::Method,
    /// The target's bytes.
    pub target: &'r [u8],
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The other end of the connection; `None`: there is none, or it has no address.
    pub peer: Option<IpAddr>,
    /// The rules of strictness that its bytes break.
    pub broken: Rules,
}

impl<'r> Request<'r> {
    /// A request that nobody sent: its bytes break no rule.
    #[must_use]
    pub const fn new(method: &'r http::Method, target: &'r [u8], headers: &'r HeaderMap) -> Self {
        Self {
            method,
            target,
            headers,
            peer: None,
            broken: Rules::NONE,
        }
    }
}

/// Who a walk is for.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Whoever the request's credential says.
    Presented,
    /// This principal, without a credential: only to explain.
    Assumed(Arc<Principal>),
}

/// What a walk has seen so far. `explain` keeps it; a request passes it by.
#[derive(Debug)]
pub enum Sight<'a> {
    /// The canonical target.
    Target(&'a Target),
    /// The rule.
    Route(&'a Arc<Route>),
    /// The target without its link, which is the credential. What came before has it.
    Link(&'a Target),
    /// The principal.
    Principal(&'a Principal),
    /// The resource that the rule names.
    Resource(&'a Resource),
    /// The rows, and what the checks found.
    Evidence(Evidence<'a>),
    /// Rules of strictness for which it would be refused, were they not only reported.
    Reported(Rules),
}

impl Pipeline {
    /// Decides one request, and shows `see` every step.
    ///
    /// # Errors
    /// When it is not to be forwarded.
    pub async fn admit(
        &self,
        request: Request<'_>,
        see: impl FnMut(Sight<'_>) + Send,
    ) -> Result<Clearance, Rejection> {
        let walk = self.walk(request, &Credential::Presented, see);
        self.bounded(walk).await
    }

    /// Decides one request as [`Pipeline::admit`] does, shows `see` every step, and gives no leave
    /// to forward anything.
    ///
    /// # Errors
    /// When the request would not be forwarded.
    pub async fn explain(
        &self,
        request: Request<'_>,
        credential: &Credential,
        see: impl FnMut(Sight<'_>) + Send,
    ) -> Result<crate::outcome::Code, Rejection> {
        let walk = self.walk(request, credential, see);
        self.bounded(walk).await.map(|clearance| clearance.code())
    }

    /// Turns a time-out and a panic into refusals.
    async fn bounded<T>(
        &self,
        walk: impl Future<Output = Result<T, Rejection>>,
    ) -> Result<T, Rejection> {
        let guarded = AssertUnwindSafe(walk).catch_unwind();
        match tokio::time::timeout(self.timeout, guarded).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(Rejection::Internal),
            Err(_elapsed) => Err(Rejection::Timeout),
        }
    }

    async fn walk(
        &self,
        request: Request<'_>,
        credential: &Credential,
        mut see: impl FnMut(Sight<'_>) + Send,
    ) -> Result<Clearance, Rejection> {
        let arrived = BootTime::now();
        let head = Head::new(request.method, request.target, request.headers)?;
        let target = Target::parse(head.target())?;
        see(Sight::Target(&target));
        let broken = request.broken.union(head.broken());
        if let Some(preflight) = self.preflight(&head, &target) {
            let Found { route, .. } = self.find(preflight.method(), &target, broken, &mut see)?;
            self.cors.decide(&preflight)?;
            let (target, _) = link::taken(&route, target);
            return Ok(Clearance::Permit(self.authorizer.preflight(route, target)));
        }
        let Found { route, path_id } = self.find(head.method(), &target, broken, &mut see)?;
        let longest = route.max_body_bytes.unwrap_or(self.max_body_bytes);
        if head.content_length().is_some_and(|length| length > longest) {
            return Err(Rejection::BodyTooLarge);
        }
        if route.access == Access::Public {
            let permit = self
                .authorizer
                .public(route, target)
                .ok_or(Rejection::Internal)?;
            return Ok(Clearance::Permit(permit));
        }
        let (target, link) = link::taken(&route, target);
        if link.is_some() {
            see(Sight::Link(&target));
        }
        let from = (&head, request.peer);
        let identified = match (&link, credential) {
            (Some(link), Credential::Presented) => {
                let resource = resource(&head, &route, &target, path_id.clone())?;
                let principal = link::follow(self, from, link, (&target, resource.as_ref()))?;
                self.unrevoked(principal, (&route, arrived)).await?
            }
            (Some(_), Credential::Assumed(_)) | (None, _) => {
                self.identify(from, credential, (&route, arrived)).await?
            }
        };
        see(Sight::Principal(&identified.principal));
        credential::in_scope(&identified.principal, &route)?;
        let resource = resource(&head, &route, &target, path_id)?;
        if let Some(resource) = &resource {
            see(Sight::Resource(resource));
        }
        let hidden = route.hide_denied;
        self.authorizer
            .authorize(
                &identified.principal,
                resource,
                (route, target),
                (self.clock, arrived),
                |seen| see(Sight::Evidence(seen)),
            )
            .await
            .map(|permit| Clearance::Permit(identified.bounds(permit)))
            .map_err(|error| Rejection::from_authz(error, hidden))
    }

    /// The preflight that a request is: on a path whose routes do not name `OPTIONS` themselves,
    /// without a body and without a credential, which no preflight has (Fetch standard).
    fn preflight<'r>(&self, head: &Head<'r>, target: &Target) -> Option<Preflight<'r>> {
        let preflight = self.cors.preflight(head)?;
        let names = |read: &Target| self.routes.names(head.method(), read);
        let named =
            names(target) || (target.has_parameters() && target.readings().iter().any(names));
        let headers = head.headers();
        let credential = self
            .authenticator
            .headers()
            .any(|name| headers.contains_key(name));
        (!named && !head.has_body() && !credential).then_some(preflight)
    }

    /// The rule that applies, once the request has broken no rule of strictness that counts there.
    fn find(
        &self,
        method: &http::Method,
        target: &Target,
        mut broken: Rules,
        see: &mut impl FnMut(Sight<'_>),
    ) -> Result<Found, Rejection> {
        let found = self.routes.find(method, target)?;
        if target.has_parameters() {
            broken.insert(Rule::MatrixParameters);
            // An application that cuts them off, one by one or all from the first on, must come to the
            // same rule and the same resource.
            for read in target.readings() {
                let other = self.routes.find(method, &read)?;
                let same = |found: &Found| found.is(other.as_ref());
                if !found.as_ref().is_some_and(same) {
                    return Err(TargetError::MatrixParameter.into());
                }
            }
        }
        let found = found.ok_or(Rejection::NoRoute)?;
        see(Sight::Route(&found.route));
        let reported = hardening::judge(broken, found.route.relax, self.strictness)?;
        if !reported.is_empty() {
            see(Sight::Reported(reported));
        }
        Ok(found)
    }
}

/// The resource that the route names in this request.
fn resource(
    head: &Head<'_>,
    route: &Route,
    target: &Target,
    path_id: Option<Id>,
) -> Result<Option<Resource>, Rejection> {
    let Access::Resource {
        action,
        kind,
        id_type,
        id,
    } = &route.access
    else {
        return Ok(None);
    };
    let id = match id {
        IdSource::Path(_) => path_id,
        IdSource::Query(name) => {
            let text = only_parameter(target.query(), name).ok_or(Rejection::UnnamedResource)?;
            Id::parse(*id_type, &text)
        }
        IdSource::Header(name) => {
            let value = head.only_spelling(name).ok_or(Rejection::UnnamedResource)?;
            value
                .to_str()
                .ok()
                .and_then(|text| Id::parse(*id_type, text))
        }
    };
    Ok(Some(Resource {
        action: *action,
        kind: *kind,
        id,
    }))
}

#[cfg(test)]
mod tests;
