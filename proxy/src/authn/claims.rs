//! What a verified token claims, and whether it holds now and here (RFC 7519 section 4.1).
//!
//! Promise: `exp`, `iat`, `iss`, `aud` and `sub` are required and of exactly their type; a claim of
//! another type is a bad token, never an absent claim (attacks.md F3, T1).

mod answered;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use sidegate_policy::UnixMicros;

use super::jws::Unverified;
pub(super) use answered::AnsweredTimes;

/// 9999-12-31: a later date is a mistake or an attack on arithmetic.
const LAST_SECOND: i64 = 253_402_300_799;
/// The most roles that a token may claim.
const MAX_ROLES: usize = 64;
/// The longest name of a role, in bytes.
const MAX_ROLE_BYTES: usize = 128;
/// The longest names of all roles together, in bytes: they must fit into a header.
const MAX_ROLES_BYTES: usize = 1024;
/// The longest `jti`, and name of a session, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenError {
    /// Longer than `limits.max_token_bytes`.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of base64url with JSON in them.
    #[error("the token is malformed")]
    Malformed,
    /// A header parameter that would change how it is verified.
    #[error("the token's header holds a parameter that is not accepted")]
    ForbiddenHeader,
    /// An `iss` that is not configured, or not for tokens found where this one was.
    #[error("the token's issuer is not accepted here")]
    UnknownIssuer,
    /// An `alg` that is not configured for the issuer.
    #[error("the token's algorithm is not accepted")]
    AlgorithmNotAllowed,
    /// No key for its `kid` and `alg`.
    #[error("no key for the token")]
    UnknownKey,
    /// The signature is not by the key.
    #[error("the signature is wrong")]
    Signature,
    /// A `typ` that is not accepted.
    #[error("the token is of another type")]
    Type,
    /// A required claim is missing, or a claim has the wrong type.
    #[error("a claim is missing or has the wrong type")]
    Claim,
    /// None of its audiences is ours.
    #[error("the token is for another audience")]
    Audience,
    /// Past `exp`.
    #[error("the token has expired")]
    Expired,
    /// It, its session or everything that its subject had was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// There is no such service key, or its secret is another one.
    #[error("there is no such service key, or its secret is another one")]
    UnknownServiceKey,
    /// Before `nbf` or `iat`.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `exp - iat` is longer than `max_lifetime`.
    #[error("the token lives longer than is accepted")]
    Lifetime,
    /// Its issuer says that it is not active.
    #[error("the issuer says that the token is not active")]
    Inactive,
    /// Nobody can say whether the token is good: its issuer does not answer.
    #[error("the issuer cannot be asked about the token now")]
    IssuerUnavailable,
    /// Nobody can say whether the token is good: its issuer's keys cannot be had now.
    #[error("the issuer's keys cannot be had now")]
    KeysUnavailable,
    /// A subject that no row can have.
    #[error("the token's subject is no subject id")]
    Subject,
}

impl TokenError {
    /// Each of them.
    pub const ALL: [Self; 19] = [
        Self::TooLong,
        Self::Malformed,
        Self::ForbiddenHeader,
        Self::UnknownIssuer,
        Self::AlgorithmNotAllowed,
        Self::UnknownKey,
        Self::Signature,
        Self::Type,
        Self::Claim,
        Self::Audience,
        Self::Expired,
        Self::Revoked,
        Self::UnknownServiceKey,
        Self::NotYetValid,
        Self::Lifetime,
        Self::Inactive,
        Self::IssuerUnavailable,
        Self::KeysUnavailable,
        Self::Subject,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::ForbiddenHeader => "forbidden_header",
            Self::UnknownIssuer => "unknown_issuer",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Type => "type",
            Self::Claim => "claim",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::UnknownServiceKey => "unknown_service_key",
            Self::NotYetValid => "not_yet_valid",
            Self::Lifetime => "lifetime",
            Self::Inactive => "inactive",
            Self::IssuerUnavailable => "issuer_unavailable",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Subject => "subject",
        }
    }

    /// Whether nobody can know now, and the token may be good.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::KeysUnavailable | Self::IssuerUnavailable)
    }

    /// Whether it speaks against whoever presents the token. A token that was good, or will be, is what a
    /// page has that was left open; keys that cannot be had and an issuer that does not answer are our own
    /// trouble.
    #[must_use]
    pub const fn is_suspicious(self) -> bool {
        !matches!(
            self,
            Self::Expired
                | Self::Revoked
                | Self::NotYetValid
                | Self::KeysUnavailable
                | Self::IssuerUnavailable
        )
    }
}

/// What an issuer's tokens must claim.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) audiences: BTreeSet<String>,
    pub(super) token_types: BTreeSet<String>,
    pub(super) leeway: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) subject: Vec<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) session: Vec<String>,
}

/// What is used of the claims.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) whom: Whom,
    pub(super) issued_at: UnixMicros,
    pub(super) expires_at: UnixMicros,
}

/// Whom claims are about.
#[derive(Debug)]
pub(super) struct Whom {
    pub(super) subject: String,
    pub(super) roles: Arc<[Arc<str>]>,
    /// The session it is of, and its own name: what revocations know it by.
    pub(super) session: Option<Arc<str>>,
    pub(super) token: Option<Arc<str>>,
}

impl Rules {
    /// Checks the claims of a token whose signature is right.
    pub(super) fn check(
        &self,
        token: &Unverified<'_>,
        now: UnixMicros,
    ) -> Result<Verified, TokenError> {
        self.check_type(token.token_type.as_deref())?;
        let claims = &token.claims;
        let (issued_at, expires_at) = self.check_times(claims, now)?;
        self.check_audience(claims)?;
        if claims
            .get("sub")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            return Err(TokenError::Claim);
        }
        let whom = self.whom(claims)?;
        Ok(Verified {
            whom,
            issued_at,
            expires_at,
        })
    }

    /// The subject and its roles, by the configured claims.
    pub(super) fn whom(&self, claims: &Map<String, Value>) -> Result<Whom, TokenError> {
        let subject = at(claims, &self.subject)
            .and_then(Value::as_str)
            .ok_or(TokenError::Claim)?;
        let roles = match &self.roles {
            Some(path) => roles(at(claims, path))?,
            None => Arc::from([]),
        };
        let (session, token) = (name(at(claims, &self.session))?, name(claims.get("jti"))?);
        Ok(Whom {
            subject: subject.to_owned(),
            roles,
            session,
            token,
        })
    }

    fn check_type(&self, token_type: Option<&str>) -> Result<(), TokenError> {
        let accepted = |known: &String| {
            token_type.is_some_and(|token_type| token_type.eq_ignore_ascii_case(known))
        };
        if self.token_types.is_empty() || self.token_types.iter().any(accepted) {
            Ok(())
        } else {
            Err(TokenError::Type)
        }
    }

    /// When it was issued, and until when it is good.
    fn check_times(
        &self,
        claims: &Map<String, Value>,
        now: UnixMicros,
    ) -> Result<(UnixMicros, UnixMicros), TokenError> {
        let (now, leeway) = (seconds_of(now), seconds(self.leeway));
        let exp = date(claims, "exp")?.ok_or(TokenError::Claim)?;
        let iat = date(claims, "iat")?.ok_or(TokenError::Claim)?;
        let nbf = date(claims, "nbf")?;
        if now >= exp.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        if iat.max(nbf.unwrap_or(iat)) > now.saturating_add(leeway) {
            return Err(TokenError::NotYetValid);
        }
        self.check_lifetime(exp, iat)?;
        Ok((micros(iat), micros(exp.saturating_add(leeway))))
    }

    fn check_lifetime(&self, exp: i64, iat: i64) -> Result<(), TokenError> {
        let lifetime = exp.saturating_sub(iat);
        if (0..=seconds(self.max_lifetime)).contains(&lifetime) {
            Ok(())
        } else {
            Err(TokenError::Lifetime)
        }
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let audiences = texts(claims.get("aud").ok_or(TokenError::Claim)?)?;
        // An empty set of ours means `insecure_any_audience`: the configuration refuses it otherwise.
        let ours = audiences
            .iter()
            .any(|audience| self.audiences.contains(*audience));
        if ours || self.audiences.is_empty() {
            Ok(())
        } else {
            Err(TokenError::Audience)
        }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

const fn seconds_of(now: UnixMicros) -> i64 {
    now.0.div_euclid(1_000_000)
}

fn micros(seconds: i64) -> UnixMicros {
    UnixMicros(seconds.saturating_mul(1_000_000))
}

/// A NumericDate of whole seconds (RFC 7519 section 2).
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .filter(|seconds| (0..=LAST_SECOND).contains(seconds))
            .map(Some)
            .ok_or(TokenError::Claim),
    }
}

/// What a revocation may name: a longer one could not be revoked.
fn name(claim: Option<&Value>) -> Result<Option<Arc<str>>, TokenError> {
    match claim {
        None => Ok(None),
        // It is shown to administrators: nothing of it may steer a terminal.
        Some(Value::String(name))
            if name.len() <= MAX_NAME_BYTES && !name.contains(char::is_control) =>
        {
            Ok(Some(name.as_str().into()))
        }
        Some(_) => Err(TokenError::Claim),
    }
}

/// The claim at a path of member names.
fn at<'c>(claims: &'c Map<String, Value>, path: &[String]) -> Option<&'c Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(claims.get(first)?, |value, name| value.get(name.as_str()))
}

/// A text or a list of texts.
fn texts(claim: &Value) -> Result<Vec<&str>, TokenError> {
    match claim {
        Value::String(one) => Ok(vec![one]),
        Value::Array(many) => many
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()
            .ok_or(TokenError::Claim),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Err(TokenError::Claim)
        }
    }
}

/// One role or a list of them; no claim is no role.
fn roles(claim: Option<&Value>) -> Result<Arc<[Arc<str>]>, TokenError> {
    let names = claim.map(texts).transpose()?.unwrap_or_default();
    let is_name = |name: &&str| {
        (1..=MAX_ROLE_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
    };
    let together: usize = names.iter().map(|name| name.len()).sum();
    if names.len() > MAX_ROLES || together > MAX_ROLES_BYTES || !names.iter().all(is_name) {
        return Err(TokenError::Claim);
    }
    Ok(names.into_iter().map(Arc::from).collect())
}
