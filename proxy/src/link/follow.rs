//! From a link in a request to the principal that the request is decided for.
//!
//! Promise: a link beside another credential is refused, not ranked; a bad one counts against its client
//! as any bad credential does. The principal has nothing but the link's subject and life: no claimed role.

use std::net::IpAddr;
use std::sync::Arc;

use sidegate_policy::UnixMicros;

use super::{Asked, LinkEnd, LinkError, Presented};
use crate::authn::{AuthnError, CredentialError, Principal};
use crate::authz::Resource;
use crate::head::Head;
use crate::pipeline::Pipeline;
use crate::rejection::Rejection;
use crate::route::Route;
use crate::target::Target;

/// The link of a request on a route that accepts them, and the target without it.
pub(crate) fn taken(route: &Route, target: Target) -> (Target, Option<Presented>) {
    let found = if route.links {
        Presented::on(&target)
    } else {
        None
    };
    match found {
        Some((presented, rest)) => (rest, Some(presented)),
        None => (target, None),
    }
}

/// Who follows a link.
///
/// # Errors
/// When it is not good for what is asked, or not the only credential, or its client has failed too often.
pub(crate) fn follow(
    pipeline: &Pipeline,
    (head, peer): (&Head<'_>, Option<IpAddr>),
    presented: &Presented,
    (target, resource): (&Target, Option<&Resource>),
) -> Result<Arc<Principal>, Rejection> {
    // The configuration has no route that accepts links without them.
    let links = pipeline.links.as_ref().ok_or(Rejection::Internal)?;
    if pipeline.authenticator.has_credential(head) {
        links.tally.count(LinkEnd::Doubled);
        return Err(AuthnError::Credential(CredentialError::Doubled).into());
    }
    let client = || pipeline.trusted_proxies.client(peer?, head.headers());
    let throttle = &pipeline.throttle;
    if !throttle.is_quiet() && client().is_some_and(|client| throttle.stops(&client)) {
        return Err(Rejection::Throttled);
    }
    let policy = pipeline.authorizer.policy();
    let asked = resource.and_then(|resource| {
        Some(Asked {
            path: target.path(),
            kind: policy.kind_name(resource.kind),
            id: resource.id.as_ref()?,
        })
    });
    let now = pipeline.clock.now();
    let verified = match &asked {
        Some(asked) => links.verify(presented, asked, policy.subject_id(), now),
        // Nothing that could have been signed.
        None => Err(LinkError::Malformed),
    };
    if verified.as_ref().is_err_and(|error| error.is_suspicious())
        && let Some(client) = client()
    {
        throttle.failed(&client);
    }
    let claims = verified.map_err(AuthnError::Link)?;
    let instant = |seconds: i64| UnixMicros(seconds.saturating_mul(1_000_000));
    Ok(Arc::new(Principal {
        issued_at: Some(instant(claims.issued)),
        expires_at: Some(instant(claims.expires)),
        ..Principal::assumed(claims.subject)
    }))
}
