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
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use sidegate_policy::{Id, UnixMicros};

use crate::authn::{Authenticator, Principal};
use crate::authz::{Authorizer, Evidence, Resource};
use crate::clearance::Clearance;
use crate::clock::Clock;
use crate::coherence::BootTime;
use crate::cors::{Cors, Preflight};
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
    Route(&'a Arc<Route>),
    /// The principal.
    Principal(&'a Principal),
    /// The resource that the rule names.
    Resource(&'a Resource),
    /// The rows, and what the checks found.
    Evidence(Evidence<'a>),
}

impl Pipeline {
    /// Decides one request, and shows `see` every step.
    ///
    /// # Errors
    /// When it is not to be forwarded.
    pub async fn admit(
        &self,
        method: &http::Method,
        target: &[u8],
        headers: &HeaderMap,
        see: impl FnMut(Sight<'_>) + Send,
    ) -> Result<Clearance, Rejection> {
        let walk = self.walk(method, target, headers, &Credential::Presented, see);
        self.bounded(walk).await
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
        let arrived = BootTime::now();
        let head = Head::new(method, target, headers)?;
        let target = Target::parse(head.target())?;
        see(Sight::Target(&target));
        if let Some(preflight) = self.preflight(&head, &target) {
            let route = self.find(preflight.method(), &target)?.route;
            see(Sight::Route(&route));
            self.cors.decide(&preflight)?;
            return Ok(Clearance::Permit(self.authorizer.preflight(route, target)));
        }
        let Found { route, path_id } = self.find(head.method(), &target)?;
        see(Sight::Route(&route));
        if route.access == Access::Public {
            let permit = self
                .authorizer
                .public(route, target)
                .ok_or(Rejection::Internal)?;
            return Ok(Clearance::Permit(permit));
        }
        let principal = self
            .authenticate(&head, credential, self.clock.now())
            .await?;
        see(Sight::Principal(&principal));
        let resource = resource(&head, &route, &target, path_id)?;
        if let Some(resource) = &resource {
            see(Sight::Resource(resource));
        }
        let hidden = route.hide_denied;
        self.authorizer
            .authorize(
                &principal,
                resource,
                (route, target),
                (self.clock, arrived),
                |seen| see(Sight::Evidence(seen)),
            )
            .await
            .map(Clearance::Permit)
            .map_err(|error| Rejection::from_authz(error, hidden))
    }

    /// The preflight that a request is: on a path whose routes do not name `OPTIONS` themselves,
    /// without a body and without a credential, which no preflight has (Fetch standard).
    fn preflight<'r>(&self, head: &Head<'r>, target: &Target) -> Option<Preflight<'r>> {
        let preflight = self.cors.preflight(head)?;
        let named = matches!(self.routes.find(head.method(), target), Ok(Some(_)));
        let headers = head.headers();
        let body = headers.contains_key(TRANSFER_ENCODING)
            || headers
                .get(CONTENT_LENGTH)
                .is_some_and(|length| length != "0");
        let credential = self
            .authenticator
            .headers()
            .any(|name| headers.contains_key(name));
        (!named && !body && !credential).then_some(preflight)
    }

    fn find(&self, method: &http::Method, target: &Target) -> Result<Found, Rejection> {
        self.routes.find(method, target)?.ok_or(Rejection::NoRoute)
    }

    async fn authenticate(
        &self,
        head: &Head<'_>,
        credential: &Credential,
        now: UnixMicros,
    ) -> Result<Arc<Principal>, Rejection> {
        match credential {
            Credential::Presented => {
                Ok(Arc::new(self.authenticator.authenticate(head, now).await?))
            }
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

/// The value of a query parameter that is there exactly once, and in no other spelling that some
/// application would take for it: `ID`, `id[]`, `i.d` for `i_d` (PHP), `id` before a NUL.
///
/// A `;` is refused: some applications take it for `&`, and would see another parameter.
fn only_parameter(query: Option<&str>, name: &str) -> Option<String> {
    let query = query.filter(|query| !query.contains(';'))?;
    let folded = fold_parameter(name);
    let mut values =
        form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| fold_parameter(key) == folded);
    let (key, value) = values.next()?;
    (key == name && values.next().is_none()).then(|| value.into_owned())
}

/// A parameter's name without case, punctuation and what follows a NUL or a bracket.
fn fold_parameter(name: &str) -> String {
    let name = name.trim_start_matches([' ', '[']);
    let end = name.find(['\0', '[', ']']).unwrap_or(name.len());
    let kept = name.get(..end).unwrap_or_default();
    let letters = kept.chars().filter(|character| character.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests;
