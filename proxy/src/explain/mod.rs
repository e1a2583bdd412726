//! Why a request is allowed or refused: every step of the straight line, as it was walked, what the facts of the
//! decision are worth, and what would have to change for the other answer. Of a request that somebody asks about,
//! and of one that was decided on and is kept ([`crate::decisions`]).
//!
//! Promise: the verdict is the proxy's own, because the same function made it
//! ([`Pipeline::explain`]), or it is the one that was given; nothing is forwarded. Credentials are never repeated.
//!
//! Does not: talk to clients. Explanations are for the administrator.

mod bytes;
mod other_answer;
mod provenance;
mod recorded;
mod remedy;
mod steps;
mod text;
mod time;

pub use other_answer::{ChangeReport, OtherAnswer};
pub use provenance::{Provenance, TagReport};
pub use recorded::{Recorded, StageReport, recorded};

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE, HOST, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use sidegate_config::Rule;
use sidegate_policy::Id;

use crate::authn::{Carrier, Principal};
use crate::coherence::BootTime;
use crate::decisions::Case;
use crate::observation::{Basis, Bearer};
use crate::outcome::Code;
use crate::pipeline::{Credential, Pipeline, Request as Asked, Sight};
use crate::rejection::Rejection;
use provenance::Seen;
use time::date;

/// What is to be explained.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target: path and query.
    pub path: String,
    /// The token that the request carries.
    #[serde(default)]
    pub token: Option<String>,
    /// The subject for whom a good token is assumed.
    #[serde(default)]
    pub subject: Option<String>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Why something cannot be explained: it is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a method.
    #[error("method: expected a method such as GET")]
    Method,
    /// Not a header.
    #[error("headers.{0}: expected a header's name and value")]
    Header(String),
    /// Not a token that a header can hold.
    #[error("token: expected the text of a token")]
    Token,
    /// Both a token and a subject.
    #[error("expected a token or a subject, not both")]
    TokenAndSubject,
    /// Not an id.
    #[error("subject: expected a {0}")]
    Subject(&'static str),
}

/// The explanation.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Of a request that was decided on: which, when, and how it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Recorded>,
    /// `allow`, `deny` or `error`.
    pub outcome: &'static str,
    /// The status that the client gets from us; `None` where the application answers.
    pub status: Option<u16>,
    /// The reason, as metrics and logs name it.
    pub reason: &'static str,
    /// The same in words.
    pub detail: String,
    /// Every step that was walked, in order.
    pub steps: Vec<Step>,
    /// Where the facts came from, and whether they still stand; `None`: none were needed, or had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// What would have to change.
    pub other_answer: OtherAnswer,
}

/// One step.
#[derive(Debug, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// What is asked for, canonical.
    Target {
        /// The target that would be forwarded.
        canonical: String,
    },
    /// Which rule applies.
    Route {
        /// Its id.
        id: String,
        /// Its path template.
        path: String,
        /// What it asks for, in words.
        rule: String,
    },
    /// The request's credential is a link; without it, this is asked for and forwarded.
    Link {
        /// The canonical target without the link.
        canonical: String,
    },
    /// Who asks.
    Principal {
        /// The subject.
        subject: String,
        /// By what: `token`, `service_key`, `link`, or `nothing` where a good token is assumed.
        by: &'static str,
        /// Who says so; `None` where it is not known: it was assumed, a link or a key says so, or it was not kept.
        issuer: Option<String>,
        /// The id of the service key that it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// Roles that the token claims.
        claimed_roles: Vec<String>,
    },
    /// What for.
    Resource {
        /// The action.
        action: String,
        /// The kind.
        kind: String,
        /// The id, in its column's canonical text; `None` where the request's is no such id.
        id: Option<String>,
    },
    /// The rows that were found.
    Facts {
        /// The subject's row, in words; `None` where there is none.
        subject: Option<String>,
        /// The resource's.
        resource: Option<String>,
        /// The row of the resource's project.
        project: Option<String>,
        /// The subject's row in the resource's team.
        membership: Option<String>,
    },
    /// Rules of strictness that would refuse the request, were they not only reported.
    Reported {
        /// Their names.
        rules: Vec<&'static str>,
    },
    /// What each check found.
    Checks {
        /// In order; the first that grants is the reason.
        checks: Vec<CheckResult>,
    },
}

/// What one check found.
#[derive(Debug, Serialize)]
pub struct CheckResult {
    /// The check.
    pub check: &'static str,
    /// Whether it grants the action.
    pub grants: bool,
    /// In words.
    pub found: String,
}

/// What is known of a request while somebody asks about it, and not kept of one that was decided on.
#[derive(Debug, Default)]
struct Walk {
    target: Option<String>,
    link: Option<String>,
    issuer: Option<String>,
    reported: Vec<&'static str>,
    is_assumed: bool,
}

/// Explains a request.
///
/// # Errors
/// When it is no request.
pub async fn explain(pipeline: &Pipeline, request: &Request) -> Result<Explanation, RequestError> {
    let method =
        Method::from_bytes(request.method.as_bytes()).map_err(|_no_method| RequestError::Method)?;
    let headers = headers(pipeline, request)?;
    let credential = credential(pipeline, request)?;
    let read = bytes::read(request, &headers);
    let policy = Arc::clone(pipeline.authorizer.policy());
    let mut case = Case::bare(Code::Internal, policy);
    let mut walk = Walk {
        is_assumed: request.subject.is_some(),
        ..Walk::default()
    };
    let walked = match read {
        Ok(broken) => {
            let asked = Asked {
                broken,
                ..Asked::new(&method, bytes::without_fragment(&request.path), &headers)
            };
            let see = |sight: Sight<'_>| walk.see(&mut case, &sight);
            pipeline.explain(asked, &credential, see).await
        }
        Err(refused) => Err(refused.into()),
    };
    let (status, detail) = match &walked {
        Ok(_) => (None, "forwarded to the application".to_owned()),
        Err(rejection) => (Some(rejection.status().as_u16()), rejection.to_string()),
    };
    case.code = walked.unwrap_or_else(|rejection: Rejection| rejection.code());
    let seen = Seen {
        decided: BootTime::now(),
        decided_at: pipeline.clock.now(),
        feed: provenance::followed(pipeline.authorizer.facts()),
    };
    Ok(Explanation {
        decision: None,
        outcome: case.code.outcome(),
        status,
        reason: case.code.name(),
        detail,
        steps: steps::of(&case, &walk),
        provenance: provenance::of(&case, &seen),
        other_answer: other_answer::of(&case, seen.decided_at),
    })
}

impl Walk {
    fn see(&mut self, case: &mut Case, sight: &Sight<'_>) {
        match sight {
            Sight::Target(target) => self.target = Some(target.as_str().to_owned()),
            Sight::Route(route) => case.route = Some(Arc::clone(route)),
            Sight::Link(target) => {
                // A link's parameters are a credential, and not repeated.
                self.target = Some(target.as_str().to_owned());
                self.link.clone_from(&self.target);
                case.by_link = true;
            }
            Sight::Principal(principal) => {
                self.issuer = principal.issuer.as_deref().map(str::to_owned);
                case.subject = Some(principal.subject.clone());
                case.bearer = Some(Bearer::of(principal));
                case.key.clone_from(&principal.key);
            }
            Sight::Resource(resource) => case.resource = Some((*resource).clone()),
            Sight::Evidence(evidence) => case.basis = Some(Basis::of(evidence)),
            Sight::Reported(rules) => self.reported = rules.iter().map(Rule::name).collect(),
        }
    }
}

fn headers(pipeline: &Pipeline, request: &Request) -> Result<HeaderMap, RequestError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let bad = || RequestError::Header(name.clone());
        let key = HeaderName::try_from(name.as_str()).map_err(|_no_name| bad())?;
        headers.append(
            key,
            HeaderValue::try_from(value.as_str()).map_err(|_no_value| bad())?,
        );
    }
    headers
        .entry(HOST)
        .or_insert(HeaderValue::from_static("explain.invalid"));
    if let Some(token) = &request.token {
        let place = pipeline.authenticator.carrier_of(token);
        let (name, value) = match place {
            None | Some(Carrier::Bearer) => (AUTHORIZATION, format!("Bearer {token}")),
            Some(Carrier::Header(name)) => (name.clone(), token.clone()),
            Some(Carrier::Cookie(name)) => (COOKIE, format!("{name}={token}")),
            Some(Carrier::WebSocketProtocol(prefix)) => {
                (SEC_WEBSOCKET_PROTOCOL, format!("{prefix}{token}"))
            }
        };
        headers.append(
            name,
            HeaderValue::try_from(value).map_err(|_no_token| RequestError::Token)?,
        );
    }
    Ok(headers)
}

fn credential(pipeline: &Pipeline, request: &Request) -> Result<Credential, RequestError> {
    let Some(subject) = &request.subject else {
        return Ok(Credential::Presented);
    };
    if request.token.is_some() {
        return Err(RequestError::TokenAndSubject);
    }
    let id_type = pipeline.authorizer.policy().subject_id();
    let subject = Id::parse(id_type, subject).ok_or(RequestError::Subject(id_type.name()))?;
    Ok(Credential::Assumed(Arc::new(Principal::assumed(subject))))
}

#[cfg(test)]
mod tests;
