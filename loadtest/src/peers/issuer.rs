//! Whose tokens everybody accepts: RS256, with a key of the comparison's own.
//!
//! Promises: a token is like those of a real provider in size and claims, and good for a few hours; the refused ones
//! differ from it in one thing each. Does not: keep the key.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::PeersError;

/// A key pair.
pub(super) struct Issuer {
    key: EncodingKey,
    /// The public key in PEM.
    pub(super) pem: String,
    /// A key set with it.
    pub(super) jwks: String,
}

/// What must not get through.
#[derive(Debug, Clone)]
pub(super) struct BadToken {
    pub(super) what: &'static str,
    /// None at all.
    pub(super) token: Option<String>,
}

impl Issuer {
    pub(super) fn new() -> Result<Self, PeersError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|error| failed(&error))?;
        let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|error| failed(&error))?;
        let public: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(|error| failed(&error))?;
        let private = pem("PRIVATE KEY", private.as_ref());
        let key = EncodingKey::from_rsa_pem(private.as_bytes()).map_err(|error| failed(&error))?;
        let mut jwk =
            Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(|error| failed(&error))?;
        jwk.common.key_id = Some(KEY_ID.to_owned());
        Ok(Self {
            key,
            pem: pem("PUBLIC KEY", public.as_ref()),
            jwks: json!({ "keys": [jwk] }).to_string(),
        })
    }

    /// A good one.
    pub(super) fn token(&self, subject: Uuid) -> Result<String, PeersError> {
        self.sign(&claims(subject))
    }

    /// Bad ones.
    pub(super) fn bad_tokens(&self, subject: Uuid) -> Result<Vec<BadToken>, PeersError> {
        let good = self.token(subject)?;
        let (mut expired, mut foreign) = (claims(subject), claims(subject));
        let now = now();
        replace(&mut expired, "iat", json!(now.saturating_sub(LIFETIME)));
        replace(&mut expired, "exp", json!(now.saturating_sub(3600)));
        replace(&mut foreign, "aud", json!("another"));
        let bad = [
            ("no token", None),
            ("a token with a bad signature", Some(forged(&good))),
            ("a token that has ended", Some(self.sign(&expired)?)),
            ("a token for somebody else", Some(self.sign(&foreign)?)),
        ];
        let bad = bad.map(|(what, token)| BadToken { what, token });
        Ok(bad.to_vec())
    }

    fn sign(&self, claims: &Value) -> Result<String, PeersError> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(KEY_ID.to_owned());
        encode(&header, claims, &self.key).map_err(|error| failed(&error))
    }
}

fn claims(subject: Uuid) -> Value {
    let now = now();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + LIFETIME,
        "email": "owner@example.invalid", "phone": "", "role": "authenticated", "aal": "aal1",
        "session_id": "b1f5a2c4-6d0e-4b7a-9f39-2f1f1d0c7e55", "is_anonymous": false,
        "app_metadata": { "provider": "email", "providers": ["email"] },
        "user_metadata": { "name": "The Owner" },
        "amr": [{ "method": "password", "timestamp": now }],
    })
}

/// The first character of the signature is another one: all bits of it count.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let rest = signature.get(1..).unwrap_or_default();
    format!("{signed}.{first}{rest}")
}

fn replace(claims: &mut Value, name: &str, value: Value) {
    if let Some(claims) = claims.as_object_mut() {
        claims.insert(name.to_owned(), value);
    }
}

fn now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "tokens are about the time of day, and nothing else here is"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// Text in PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let encoded = STANDARD.encode(der);
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn failed(error: &dyn std::fmt::Display) -> PeersError {
    PeersError::Issuer(error.to_string())
}

pub(super) const ISSUER: &str = "https://peers.invalid/";
pub(super) const AUDIENCE: &str = "peers";
const KEY_ID: &str = "peers-1";
/// Seconds; longer than any comparison.
const LIFETIME: u64 = 4 * 3600;
