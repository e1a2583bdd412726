//! The compact form of a signed token (RFC 7515 section 7.1), before anything in it is believed.
//!
//! Promise: an [`Unverified`] has three parts of canonical base64url, strict JSON in two of them,
//! an algorithm that we know, a string `iss`, and none of the header parameters that would ask a
//! verifier to use another key, another encoding or an extension: `crit`, `b64`, `zip`, `enc`,
//! `cty`, `jwk`, `jku`, `x5u`, `x5c` are refused (the crate that checks signatures looks at none of
//! them, attacks.md F2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sidegate_config::Algorithm;

use super::TokenError;
use super::json;

/// Header parameters that no token of ours has.
const FORBIDDEN: [&str; 9] = [
    "crit", "b64", "zip", "enc", "cty", "jwk", "jku", "x5u", "x5c",
];

/// A token that was taken apart and not yet verified.
#[derive(Debug)]
pub(super) struct Unverified<'r> {
    /// What is signed.
    pub(super) message: &'r str,
    /// The signature, still encoded.
    pub(super) signature: &'r str,
    /// What the header says it is signed with.
    pub(super) algorithm: Algorithm,
    /// The header's `kid`.
    pub(super) kid: Option<String>,
    /// The header's `typ`.
    pub(super) token_type: Option<String>,
    /// The claims.
    pub(super) claims: Map<String, Value>,
}

impl Unverified<'_> {
    /// Who claims to have issued it. Only good for finding the keys that could prove it.
    pub(super) fn issuer(&self) -> &str {
        self.claims
            .get("iss")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// Whether a token is none of ours to take apart: anything but three parts of which the first is a JSON
/// object's. Whatever looks like a signed token is judged as one.
pub(super) fn is_opaque(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let looks_signed = token.bytes().filter(|byte| *byte == b'.').count() == 2
        && decode(header).is_ok_and(|header| header.trim_ascii_start().starts_with(b"{"));
    !looks_signed
}

/// Whether a token has the form of an opaque one: `b64token` (RFC 6750 section 2.1).
pub(super) fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(may_be)
}

/// Takes a token apart.
pub(super) fn parse(token: &str) -> Result<Unverified<'_>, TokenError> {
    let (mut token, payload) = signed(token)?;
    token.claims = json::object(&payload).ok_or(TokenError::Malformed)?;
    if !token.claims.get("iss").is_some_and(Value::is_string) {
        return Err(TokenError::UnknownIssuer);
    }
    Ok(token)
}

/// Takes a token apart up to its payload, which comes as it was signed, whatever it says.
pub(super) fn signed(token: &str) -> Result<(Unverified<'_>, Vec<u8>), TokenError> {
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    if payload.contains('.') || signature.is_empty() {
        return Err(TokenError::Malformed);
    }
    decode(signature)?;
    let header = json::object(&decode(header)?).ok_or(TokenError::Malformed)?;
    if FORBIDDEN.iter().any(|name| header.contains_key(*name)) {
        return Err(TokenError::ForbiddenHeader);
    }
    let text = |name: &str| match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenError::Malformed),
    };
    let algorithm = text("alg")?.ok_or(TokenError::Malformed)?;
    let payload = decode(payload)?;
    let unverified = Unverified {
        message,
        signature,
        algorithm: known_algorithm(&algorithm).ok_or(TokenError::AlgorithmNotAllowed)?,
        kid: text("kid")?,
        token_type: text("typ")?,
        claims: Map::new(),
    };
    Ok((unverified, payload))
}

/// base64url without padding, in its one canonical spelling (RFC 7515 section 2).
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_not_base64url| TokenError::Malformed)
}

/// `none` is not among them.
pub(super) fn known_algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::Rs256),
        "RS384" => Some(Algorithm::Rs384),
        "RS512" => Some(Algorithm::Rs512),
        "PS256" => Some(Algorithm::Ps256),
        "ES256" => Some(Algorithm::Es256),
        "ES384" => Some(Algorithm::Es384),
        "EdDSA" => Some(Algorithm::EdDsa),
        "HS256" => Some(Algorithm::Hs256),
        _ => None,
    }
}
