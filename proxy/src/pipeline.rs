//! The straight line: from a request's head to leave to forward it, or a refusal (DESIGN §2).
//!
//! Promise: [`Pipeline::admit`] returns a [`Clearance`] only if every stage agreed. A time-out and
//! a panic are refusals; a cancelled call returns nothing at all, so nothing is forwarded. It
//! takes no session: tests and fuzzers call it as the proxy does. [`Pipeline::explain`] walks the
//! same line and keeps what it saw.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::HeaderMap;
use sidegate_policy::{Id, UnixMicros};

use crate::authn::{Authenticator, Principal};
use crate::authz::{Authorizer, Evidence, Resource};
use crate::clearance::Clearance;
use crate::clock::Clock;
use crate::cors::Cors;
use crate::head::Head;
use crate::rejection::Rejection;
use crate::route::{Access, Found, IdSource, Route, RouteTable};
use crate::target::Target;

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
    Route(&'a Route),
    /// The principal.
    Principal(&'a Principal),
    /// The resource that the rule names.
    Resource(&'a Resource),
    /// The rows, and what the checks found.
    Evidence(Evidence<'a>),
}

impl Pipeline {
    /// Decides one request.
    ///
    /// # Errors
    /// When it is not to be forwarded.
    pub async fn admit(
        &self,
        method: &http::Method,
        target: &[u8],
        headers: &HeaderMap,
    ) -> Result<Clearance, Rejection> {
        self.bounded(self.walk(method, target, headers, &Credential::Presented, |_| {}))
            .await
    }

    /// Decides one request as [`Pipeline::admit`] does, shows `see` every step, and gives no leave
    /// to forward anything.
    ///
    /// # Errors
    /// When the request would not be forwarded.
    pub async fn explain(
        &self,
        (method, target, headers): (&http::Method, &[u8], &HeaderMap),
        credential: &Credential,
        see: impl FnMut(Sight<'_>) + Send,
    ) -> Result<crate::outcome::Code, Rejection> {
        let walk = self.walk(method, target, headers, credential, see);
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
        method: &http::Method,
        target: &[u8],
        headers: &HeaderMap,
        credential: &Credential,
        mut see: impl FnMut(Sight<'_>) + Send,
    ) -> Result<Clearance, Rejection> {
        let head = Head::new(method, target, headers)?;
        let target = Target::parse(head.target())?;
        see(Sight::Target(&target));
        if let Some(preflight) = self.cors.preflight(&head) {
            let found = self
                .routes
                .find(preflight.method(), &target)
                .ok_or(Rejection::NoRoute)?;
            see(Sight::Route(&found.route));
            self.cors.decide(&preflight)?;
            return Ok(Clearance::Permit(
                self.authorizer.preflight(found.route, target),
            ));
        }
        let Found { route, path_id } = self
            .routes
            .find(head.method(), &target)
            .ok_or(Rejection::NoRoute)?;
        see(Sight::Route(&route));
        if route.access == Access::Public {
            let permit = self
                .authorizer
                .public(route, target)
                .ok_or(Rejection::Internal)?;
            return Ok(Clearance::Permit(permit));
        }
        let now = self.clock.now();
        let principal = self.authenticate(&head, credential, now)?;
        see(Sight::Principal(&principal));
        let resource = resource(&head, &route, &target, path_id)?;
        if let Some(resource) = &resource {
            see(Sight::Resource(resource));
        }
        let hidden = route.hide_denied;
        self.authorizer
            .authorize(&principal, resource, (route, target), now, |seen| {
                see(Sight::Evidence(seen))
            })
            .await
            .map(Clearance::Permit)
            .map_err(|error| Rejection::from_authz(error, hidden))
    }

    fn authenticate(
        &self,
        head: &Head<'_>,
        credential: &Credential,
        now: UnixMicros,
    ) -> Result<Arc<Principal>, Rejection> {
        match credential {
            Credential::Presented => Ok(Arc::new(self.authenticator.authenticate(head, now)?)),
            Credential::Assumed(principal) => Ok(Arc::clone(principal)),
        }
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

/// The value of a query parameter that is there exactly once, in any spelling of its name.
///
/// A `;` is refused: some applications take it for `&`, and would see another parameter.
fn only_parameter(query: Option<&str>, name: &str) -> Option<String> {
    let query = query.filter(|query| !query.contains(';'))?;
    let mut values = form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then(|| first.into_owned())
}

#[cfg(test)]
mod tests;
