//! Every way in which a request is not forwarded, and what the client sees of it.
//!
//! Promise: the status, the challenge, the metric and whether a retry can help follow from the
//! variant alone, in one exhaustive match each. A client learns no reason: whoever may know it asks
//! `explain`.

use http::{HeaderName, Method, StatusCode};
use sidegate_policy::Reason;

use crate::authn::{AuthnError, CredentialError, TokenError};
use crate::authz::AuthzError;
use crate::hardening::Broken;
use crate::head::HeadError;
use crate::intake::IntakeError;
use crate::intake::lines::LinesError;
use crate::outcome::Code;
use crate::route::AmbiguousPath;
use crate::store::StoreError;
use crate::target::TargetError;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The head could be read in two ways.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The target could be read in two ways.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The path could be one of a route that asks for more.
    #[error(transparent)]
    Path(#[from] AmbiguousPath),
    /// No rule applies.
    #[error("no such route")]
    NoRoute,
    /// The rule takes the resource's id from a query parameter or header that is not there exactly
    /// once.
    #[error("the resource's id is missing or doubled")]
    UnnamedResource,
    /// Its bytes are not a head that is passed on.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// It breaks a rule of strictness.
    #[error(transparent)]
    Strict(#[from] Broken),
    /// It announces a body that is longer than its route accepts.
    #[error("the body is longer than the route accepts")]
    BodyTooLarge,
    /// Its client has presented too many credentials that were not good.
    #[error("the client has presented too many bad credentials")]
    Throttled,
    /// Not authenticated.
    #[error(transparent)]
    Authn(#[from] AuthnError),
    /// A service key that is for nothing that the route asks for.
    #[error("the service key has none of the route's scopes")]
    Scope,
    /// The policy says no.
    #[error("denied: {}", reason.name())]
    Denied {
        /// Why.
        reason: Reason,
        /// Whether it shall look like a missing route.
        hidden: bool,
    },
    /// A preflight that `cors` does not allow.
    #[error("the preflight is not allowed")]
    PreflightDenied,
    /// A preflight that we answer ourselves: no refusal, but not forwarded either.
    #[error("the preflight is answered here")]
    PreflightAnswered {
        /// The method it asks for.
        method: Method,
        /// The headers that are allowed.
        headers: Vec<HeaderName>,
    },
    /// The store cannot say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decision took longer than `limits.decision_timeout`.
    #[error("the decision took too long")]
    Timeout,
    /// A panic, or a state that must not be.
    #[error("an internal fault")]
    Internal,
}

/// Seconds after which a client may try again when we cannot know.
const RETRY_AFTER: &str = "1";
/// The same for a client that has failed too often; the window's own length is no stranger's business.
const THROTTLED_RETRY_AFTER: &str = "10";

impl Rejection {
    /// From an authorization error, on a route that may hide denials.
    #[must_use]
    pub fn from_authz(error: AuthzError, hidden: bool) -> Self {
        match error {
            AuthzError::Denied(reason) => Self::Denied { reason, hidden },
            AuthzError::Store(error) => Self::Store(error),
            AuthzError::Mismatch => Self::Internal,
        }
    }

    /// What the client sees.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Intake(IntakeError::Lines(LinesError::TooLarge | LinesError::TooMany)) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Intake(IntakeError::Lines(LinesError::TargetTooLong))
            | Self::Target(TargetError::TooLong) => StatusCode::URI_TOO_LONG,
            Self::Intake(IntakeError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::Intake(IntakeError::Lines(
                LinesError::RequestLine
                | LinesError::HeaderLine
                | LinesError::Folded
                | LinesError::Host
                | LinesError::Length
                | LinesError::Connect,
            ))
            | Self::Strict(_)
            | Self::Head(_)
            | Self::Target(_)
            | Self::Path(_)
            | Self::UnnamedResource => StatusCode::BAD_REQUEST,
            Self::Authn(AuthnError::Credential(CredentialError::Doubled)) => {
                StatusCode::BAD_REQUEST
            }
            Self::Authn(AuthnError::Credential(CredentialError::OriginNotAllowed))
            | Self::PreflightDenied
            | Self::Scope
            | Self::Denied { hidden: false, .. } => StatusCode::FORBIDDEN,
            Self::Authn(AuthnError::Token(
                TokenError::KeysUnavailable | TokenError::IssuerUnavailable,
            )) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Authn(
                AuthnError::Credential(CredentialError::Missing | CredentialError::NotBearer)
                | AuthnError::Token(_)
                | AuthnError::Link(_),
            ) => StatusCode::UNAUTHORIZED,
            Self::NoRoute | Self::Denied { hidden: true, .. } => StatusCode::NOT_FOUND,
            Self::PreflightAnswered { .. } => StatusCode::NO_CONTENT,
            Self::Store(
                StoreError::Unavailable
                | StoreError::TimedOut
                | StoreError::Refused
                | StoreError::Malformed,
            )
            | Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is counted.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Intake(IntakeError::Lines(LinesError::TooLarge | LinesError::TooMany)) => {
                Code::HeadTooLarge
            }
            Self::Intake(IntakeError::Lines(LinesError::TargetTooLong))
            | Self::Target(TargetError::TooLong) => Code::TargetTooLong,
            Self::Intake(IntakeError::TooSlow) => Code::HeadTooSlow,
            Self::BodyTooLarge => Code::BodyTooLarge,
            Self::Throttled => Code::Throttled,
            Self::Strict(Broken(rule)) => Code::Strict(*rule),
            Self::Intake(IntakeError::Lines(
                LinesError::RequestLine
                | LinesError::HeaderLine
                | LinesError::Folded
                | LinesError::Host
                | LinesError::Length
                | LinesError::Connect,
            ))
            | Self::Head(_) => Code::MalformedHead,
            Self::Target(_) | Self::Path(_) => Code::MalformedTarget,
            Self::NoRoute => Code::NoRoute,
            Self::UnnamedResource => Code::UnnamedResource,
            Self::Authn(AuthnError::Credential(CredentialError::Missing)) => {
                Code::MissingCredential
            }
            Self::Authn(AuthnError::Credential(CredentialError::Doubled)) => {
                Code::DoubledCredential
            }
            Self::Authn(AuthnError::Credential(CredentialError::OriginNotAllowed))
            | Self::PreflightDenied => Code::OriginNotAllowed,
            Self::Authn(AuthnError::Token(TokenError::KeysUnavailable)) => Code::KeysUnavailable,
            Self::Authn(AuthnError::Token(TokenError::IssuerUnavailable)) => {
                Code::IssuerUnavailable
            }
            Self::Authn(
                AuthnError::Credential(CredentialError::NotBearer) | AuthnError::Token(_),
            ) => Code::InvalidCredential,
            Self::Scope => Code::InsufficientScope,
            Self::Authn(AuthnError::Link(_)) => Code::InvalidLink,
            Self::Denied { reason, .. } => Code::Decision(*reason),
            Self::PreflightAnswered { .. } => Code::PreflightAnswered,
            Self::Store(StoreError::Unavailable) => Code::StoreUnavailable,
            Self::Store(StoreError::TimedOut) => Code::StoreTimedOut,
            Self::Store(StoreError::Refused) => Code::StoreRefused,
            Self::Store(StoreError::Malformed) => Code::StoreMalformed,
            Self::Timeout => Code::DecisionTimeout,
            Self::Internal => Code::Internal,
        }
    }

    /// The `WWW-Authenticate` value (RFC 6750 section 3), where there is one.
    #[must_use]
    pub const fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Authn(AuthnError::Credential(CredentialError::Missing)) => {
                Some("Bearer realm=\"sidegate\"")
            }
            Self::Authn(AuthnError::Credential(CredentialError::Doubled)) => {
                Some("Bearer realm=\"sidegate\", error=\"invalid_request\"")
            }
            Self::Scope => Some("Bearer realm=\"sidegate\", error=\"insufficient_scope\""),
            Self::Authn(
                AuthnError::Credential(CredentialError::OriginNotAllowed)
                | AuthnError::Token(TokenError::KeysUnavailable | TokenError::IssuerUnavailable),
            )
            | Self::Intake(_)
            | Self::Strict(_)
            | Self::BodyTooLarge
            | Self::Throttled
            | Self::Head(_)
            | Self::Target(_)
            | Self::Path(_)
            | Self::NoRoute
            | Self::UnnamedResource
            | Self::Denied { .. }
            | Self::PreflightDenied
            | Self::PreflightAnswered { .. }
            | Self::Store(_)
            | Self::Timeout
            | Self::Internal => None,
            Self::Authn(
                AuthnError::Credential(CredentialError::NotBearer)
                | AuthnError::Token(_)
                | AuthnError::Link(_),
            ) => Some("Bearer realm=\"sidegate\", error=\"invalid_token\""),
        }
    }

    /// Whether the connection must not be used again, because it is not certain where the request
    /// ended: what follows could be taken for another client's request by whoever is in front of us.
    #[must_use]
    pub const fn ends_connection(&self) -> bool {
        matches!(self, Self::Head(_) | Self::Intake(_) | Self::Strict(_))
    }

    /// `Retry-After`, where trying again can help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<&'static str> {
        match self {
            Self::Store(_)
            | Self::Timeout
            | Self::Authn(AuthnError::Token(
                TokenError::KeysUnavailable | TokenError::IssuerUnavailable,
            )) => Some(RETRY_AFTER),
            Self::Throttled => Some(THROTTLED_RETRY_AFTER),
            Self::Intake(_)
            | Self::Strict(_)
            | Self::BodyTooLarge
            | Self::Head(_)
            | Self::Target(_)
            | Self::Path(_)
            | Self::NoRoute
            | Self::UnnamedResource
            | Self::Authn(_)
            | Self::Scope
            | Self::Denied { .. }
            | Self::PreflightDenied
            | Self::PreflightAnswered { .. }
            | Self::Internal => None,
        }
    }
}
