//! Links are made: `sidegate link create`, and `/links` of the admin listener.
//!
//! Promise: a link is made only for a subject who may, now, read what it leads to, as the line of a request
//! finds ([`Pipeline::explain`]). Who made which is in the log, its signature is not.
//!
//! Does not: give a right. What the subject may no longer do when the link is used is refused then.

use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use sidegate_policy::Id;

use super::parameters::{Signed, written};
use super::{Asked, Claims};
use crate::authn::Principal;
use crate::authz::Resource;
use crate::pipeline::{Credential, Pipeline, Request, Sight};
use crate::rejection::Rejection;
use crate::route::Route;
use crate::target::Target;

/// How long a link lives of which nobody says it, unless `links.max_ttl` is less.
const DEFAULT_TTL: Duration = Duration::from_secs(300);

/// Who wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Whoever has the configuration.
    CommandLine,
    /// Whoever may use the admin listener.
    Admin,
}

/// A link that was made.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Minted {
    /// The path and query to ask for: a secret until it ends.
    pub path: String,
    /// For whom.
    pub subject: String,
    /// By which route.
    pub route: String,
    /// Which resource: `<kind>:<id>`.
    pub resource: String,
    /// Until when, in seconds since 1970.
    pub expires: i64,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The configuration has no links.
    #[error("the configuration has no section `links`")]
    NotConfigured,
    /// Not an id.
    #[error("subject: expected a {0}")]
    Subject(&'static str),
    /// Not a life.
    #[error("ttl: expected whole seconds, 1s to {}", humantime::format_duration(*.0))]
    Ttl(Duration),
    /// The path has a link already.
    #[error("path: expected one without the parameters of a link")]
    Signed,
    /// The path belongs to a route that accepts none.
    #[error("path: the route `{0}` has no `links: true`")]
    Route(String),
    /// With the link it is no target any more.
    #[error("path: too long for a link")]
    TooLong,
    /// A request for the path would be refused, whoever asks.
    #[error("path: {0}")]
    Path(Rejection),
    /// Nobody can say whether the subject may.
    #[error("it cannot be decided now: {0}")]
    Undecided(Rejection),
    /// The subject may not.
    #[error("the subject may not read it: {0}")]
    Denied(Rejection),
}

impl By {
    /// The name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommandLine => "cli",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted")
            .field("subject", &self.subject)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// Makes a link to a path for a subject, good for `ttl` from now on.
///
/// # Errors
/// When the subject may not read what it leads to, or no link leads there.
pub async fn mint(
    pipeline: &Pipeline,
    (subject, path): (&str, &str),
    ttl: Option<Duration>,
    by: By,
) -> Result<Minted, MintError> {
    let links = pipeline.links.as_ref().ok_or(MintError::NotConfigured)?;
    let id_type = pipeline.authorizer.policy().subject_id();
    let subject = Id::parse(id_type, subject).ok_or(MintError::Subject(id_type.name()))?;
    let ttl = ttl.unwrap_or(DEFAULT_TTL.min(links.max_ttl()));
    if ttl.is_zero() || ttl.subsec_nanos() != 0 || ttl > links.max_ttl() {
        return Err(MintError::Ttl(links.max_ttl()));
    }
    let walked = walk(pipeline, &subject, path).await?;
    let policy = pipeline.authorizer.policy();
    let kind = policy.kind_name(walked.resource.kind);
    let id = walked.resource.id.as_ref();
    let id = id.ok_or(MintError::Path(Rejection::UnnamedResource))?;
    let asked = Asked {
        path: walked.target.path(),
        kind,
        id,
    };
    let issued = pipeline.clock.now().0.div_euclid(1_000_000);
    let life = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    let expires = issued.saturating_add(life);
    let claims = Claims {
        subject,
        issued,
        expires,
    };
    let signed = Signed {
        sig: links.sign(&asked, &claims),
        subject: claims.subject.to_string(),
        issued: issued.to_string(),
        expires: expires.to_string(),
    };
    let minted = Minted {
        path: joined(&walked.target, &written(&signed)),
        subject: signed.subject,
        route: walked.route.id.to_string(),
        resource: format!("{kind}:{id}"),
        expires,
    };
    Target::parse(minted.path.as_bytes()).map_err(|_too_long| MintError::TooLong)?;
    links.tally.minted();
    let (by, route, resource) = (by.name(), &minted.route, &minted.resource);
    tracing::info!(
        by,
        subject = minted.subject,
        route,
        resource,
        expires,
        "a link was minted"
    );
    Ok(minted)
}

/// What a request of the subject for the path would be let through to.
struct Walked {
    target: Target,
    route: Arc<Route>,
    resource: Resource,
}

async fn walk(pipeline: &Pipeline, subject: &Id, path: &str) -> Result<Walked, MintError> {
    let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("link.invalid"))]);
    let request = Request::new(&Method::GET, path.as_bytes(), &headers);
    let principal = Credential::Assumed(Arc::new(Principal::assumed(subject.clone())));
    let (mut target, mut route, mut resource, mut is_signed) = (None, None, None, false);
    let see = |sight: Sight<'_>| match sight {
        Sight::Target(seen) => target = Some(seen.clone()),
        Sight::Route(seen) => route = Some(Arc::clone(seen)),
        Sight::Resource(seen) => resource = Some(seen.clone()),
        Sight::Link(_) => is_signed = true,
        Sight::Principal(_) | Sight::Evidence(_) | Sight::Reported(_) => {}
    };
    let verdict = pipeline.explain(request, &principal, see).await;
    if is_signed {
        return Err(MintError::Signed);
    }
    // Before the verdict: what others may read on other routes is not asked about here.
    if let Some(route) = route.as_ref().filter(|route| !route.links) {
        return Err(MintError::Route(route.id.to_string()));
    }
    verdict.map_err(|rejection| match rejection {
        Rejection::Denied { .. } => MintError::Denied(rejection),
        Rejection::Head(_)
        | Rejection::Target(_)
        | Rejection::Path(_)
        | Rejection::NoRoute
        | Rejection::UnnamedResource
        | Rejection::Intake(_)
        | Rejection::Strict(_)
        | Rejection::BodyTooLarge
        | Rejection::Throttled
        | Rejection::Authn(_)
        | Rejection::Scope
        | Rejection::PreflightDenied
        | Rejection::PreflightAnswered { .. } => MintError::Path(rejection),
        Rejection::Store(_) | Rejection::Timeout | Rejection::Internal => {
            MintError::Undecided(rejection)
        }
    })?;
    let (Some(target), Some(route), Some(resource)) = (target, route, resource) else {
        return Err(MintError::Undecided(Rejection::Internal));
    };
    Ok(Walked {
        target,
        route,
        resource,
    })
}

/// A target with further parameters.
fn joined(target: &Target, parameters: &str) -> String {
    let text = target.as_str();
    match target.query() {
        None => format!("{text}?{parameters}"),
        Some("") => format!("{text}{parameters}"),
        Some(_) => format!("{text}&{parameters}"),
    }
}
