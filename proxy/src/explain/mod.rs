//! Why a request is allowed or refused: every step of the straight line, as it was walked.
//!
//! Promise: the verdict is the proxy's own, because the same function made it
//! ([`Pipeline::explain`]); nothing is forwarded. Credentials are never repeated.

mod bytes;
mod record;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE, HOST, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use sidegate_policy::Id;

use crate::authn::{Carrier, Principal};
use crate::pipeline::{Credential, Pipeline, Request as Asked, Sight};

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
        /// Who says so; `None` where it was assumed, or a link says so.
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

/// Explains a request.
///
/// # Errors
/// When it is no request.
pub async fn explain(pipeline: &Pipeline, request: &Request) -> Result<Explanation, RequestError> {
    let method =
        Method::from_bytes(request.method.as_bytes()).map_err(|_no_method| RequestError::Method)?;
    let headers = headers(pipeline, request)?;
    let credential = credential(pipeline, request)?;
    let policy = Arc::clone(pipeline.authorizer.policy());
    let read = bytes::read(request, &headers);
    let mut steps = Vec::new();
    let walked = match read {
        Ok(broken) => {
            let asked = Asked {
                broken,
                ..Asked::new(&method, bytes::without_fragment(&request.path), &headers)
            };
            let see = |sight: Sight<'_>| record::keep(&policy, &sight, &mut steps);
            pipeline.explain(asked, &credential, see).await
        }
        Err(refused) => Err(refused.into()),
    };
    Ok(match walked {
        Ok(code) => Explanation {
            outcome: code.outcome(),
            status: None,
            reason: code.name(),
            detail: "forwarded to the application".to_owned(),
            steps,
        },
        Err(rejection) => Explanation {
            outcome: rejection.code().outcome(),
            status: Some(rejection.status().as_u16()),
            reason: rejection.code().name(),
            detail: rejection.to_string(),
            steps,
        },
    })
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
