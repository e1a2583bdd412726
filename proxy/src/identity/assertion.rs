//! `X-Sidegate-Assertion`: a short-lived signed statement about the subject (RFC 7515, RFC 7519).
//!
//! Promise: an assertion lives at most 60 s and never longer than the token it stands for. With
//! `bind: subject` it speaks for the subject alone, and one signature serves its requests for half
//! its life; with `bind: request` it also holds the method, a hash of the path and what was
//! authorized, and is signed for each request. Private keys stay in this module.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Method};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use serde_json::{Map, Value, json};
use sidegate_config::{AssertionAlgorithm, AssertionSettings, Bind};
use sidegate_policy::{Id, UnixMicros};

use crate::authn::SubjectType;
use crate::authz::Subject;
use crate::target::Target;

/// How many subjects' assertions are kept: about 1 KiB each.
const MAX_KEPT: usize = 10_000;
/// The `typ` of our assertions, which no other token has (RFC 8725 section 3.11).
const TYPE: &str = "authz-assertion+jwt";

/// Signs assertions.
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    header: String,
    jwks: Value,
    issuer: String,
    audience: String,
    lifetime: Duration,
    bind: Bind,
    /// The SHA-256 of the configured key; `None` for one that was made here.
    configured: Option<[u8; 32]>,
    kept: Cache<Speaker, Arc<Signed>>,
}

/// What a request-bound assertion speaks for.
#[derive(Debug)]
pub(super) struct Bound<'a> {
    pub(super) method: &'a Method,
    pub(super) target: &'a Target,
    pub(super) authorized: Option<String>,
}

/// Why there is no assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// The configured key is not a PKCS#8 PEM of the configured algorithm.
    #[error(
        "identity.assertion.key: expected a PKCS#8 PEM private key for the configured algorithm"
    )]
    Key,
    /// Signing failed.
    #[error("the assertion cannot be signed")]
    Sign,
}

/// Whose statement it is: everything that a subject-bound assertion says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Speaker {
    subject: Id,
    kind: SubjectType,
    roles: Vec<Arc<str>>,
}

/// The same, borrowed. The fields hash as [`Speaker`]'s do.
#[derive(Hash)]
struct SpeakerRef<'a> {
    subject: &'a Id,
    kind: SubjectType,
    roles: &'a [Arc<str>],
}

impl Equivalent<Speaker> for SpeakerRef<'_> {
    fn equivalent(&self, key: &Speaker) -> bool {
        *self.subject == key.subject && self.kind == key.kind && *self.roles == *key.roles
    }
}

struct Signed {
    value: HeaderValue,
    signed_at: i64,
    expires_at: i64,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads or makes the key, and proves that it signs.
    ///
    /// # Errors
    /// When the key does not fit the algorithm.
    pub fn new(settings: &AssertionSettings) -> Result<Self, AssertionError> {
        let algorithm = algorithm(settings.algorithm);
        let key = match (&settings.key, settings.algorithm) {
            (Some(pem), AssertionAlgorithm::Es256) => EncodingKey::from_ec_pem(pem.expose()),
            (Some(pem), AssertionAlgorithm::EdDsa) => EncodingKey::from_ed_pem(pem.expose()),
            (None, algorithm) => Ok(generate(algorithm)?),
        }
        .map_err(|_no_key| AssertionError::Key)?;
        let mut jwk =
            Jwk::from_encoding_key(&key, algorithm).map_err(|_no_key| AssertionError::Key)?;
        let kid = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_no_key| AssertionError::Key)?;
        let header = json!({ "alg": algorithm_name(settings.algorithm), "typ": TYPE, "kid": kid });
        jwk.common.key_id = Some(kid);
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        crypto::sign(b"proof", &key, algorithm).map_err(|_no_key| AssertionError::Key)?;
        Ok(Self {
            key,
            algorithm,
            header: encode(&header),
            jwks: json!({ "keys": [jwk] }),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            lifetime: settings.lifetime,
            bind: settings.bind,
            configured: configured(settings),
            kept: Cache::new(MAX_KEPT),
        })
    }

    /// Whether other settings ask for just this signer. A key that was made here serves on.
    #[must_use]
    pub fn serves(&self, settings: &AssertionSettings) -> bool {
        self.algorithm == algorithm(settings.algorithm)
            && self.configured == configured(settings)
            && self.issuer == settings.issuer
            && self.audience == settings.audience
            && self.lifetime == settings.lifetime
            && self.bind == settings.bind
    }

    /// The public key set (RFC 7517 section 5).
    #[must_use]
    pub const fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// The assertion for a subject and, if so configured, this request.
    pub(super) fn assertion(
        &self,
        subject: &Subject,
        bound: &Bound<'_>,
        now: UnixMicros,
    ) -> Result<HeaderValue, AssertionError> {
        let now = now.0.div_euclid(1_000_000);
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(60);
        let token_end = subject
            .principal
            .expires_at
            .map_or(i64::MAX, |end| end.0.div_euclid(1_000_000));
        let expires_at = now.saturating_add(lifetime).min(token_end);
        let mut claims = Map::from_iter([
            ("iss".to_owned(), json!(self.issuer)),
            ("aud".to_owned(), json!(self.audience)),
            ("sub".to_owned(), json!(subject.principal.subject.as_str())),
            ("sub_type".to_owned(), json!(subject.principal.kind.name())),
            ("roles".to_owned(), json!(subject.roles)),
            ("iat".to_owned(), json!(now)),
            ("exp".to_owned(), json!(expires_at)),
        ]);
        match self.bind {
            Bind::Request => {
                claims.insert("htm".to_owned(), json!(bound.method.as_str()));
                claims.insert("htp".to_owned(), json!(path_hash(bound.target)));
                claims.insert("authorized".to_owned(), json!(bound.authorized));
                self.sign(claims)
            }
            Bind::Subject => {
                let speaker = SpeakerRef {
                    subject: &subject.principal.subject,
                    kind: subject.principal.kind,
                    roles: &subject.roles,
                };
                // One that an earlier token cut short ends before its half life is over.
                let fresh = |signed: &Arc<Signed>| {
                    let left = signed.expires_at.saturating_sub(now);
                    signed.signed_at <= now
                        && signed.expires_at <= token_end
                        && (left > lifetime / 2 || signed.expires_at == token_end)
                };
                if let Some(signed) = self.kept.get(&speaker).filter(fresh) {
                    return Ok(signed.value.clone());
                }
                let value = self.sign(claims)?;
                let signed = Signed {
                    value: value.clone(),
                    signed_at: now,
                    expires_at,
                };
                let speaker = Speaker {
                    subject: speaker.subject.clone(),
                    kind: speaker.kind,
                    roles: subject.roles.clone(),
                };
                self.kept.insert(speaker, Arc::new(signed));
                Ok(value)
            }
        }
    }

    fn sign(&self, claims: Map<String, Value>) -> Result<HeaderValue, AssertionError> {
        let message = format!("{}.{}", self.header, encode(&Value::Object(claims)));
        let signature = crypto::sign(message.as_bytes(), &self.key, self.algorithm)
            .map_err(|_no_signature| AssertionError::Sign)?;
        HeaderValue::try_from(format!("{message}.{signature}"))
            .map_err(|_not_ascii| AssertionError::Sign)
    }
}

/// base64url of the SHA-256 of the canonical path, without the query.
fn path_hash(target: &Target) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, target.path().as_bytes()))
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

const fn algorithm(algorithm: AssertionAlgorithm) -> Algorithm {
    match algorithm {
        AssertionAlgorithm::Es256 => Algorithm::ES256,
        AssertionAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

fn configured(settings: &AssertionSettings) -> Option<[u8; 32]> {
    digest(&SHA256, settings.key.as_ref()?.expose())
        .as_ref()
        .try_into()
        .ok()
}

const fn algorithm_name(algorithm: AssertionAlgorithm) -> &'static str {
    match algorithm {
        AssertionAlgorithm::Es256 => "ES256",
        AssertionAlgorithm::EdDsa => "EdDSA",
    }
}

fn generate(algorithm: AssertionAlgorithm) -> Result<EncodingKey, AssertionError> {
    let random = SystemRandom::new();
    match algorithm {
        AssertionAlgorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .map(|document| EncodingKey::from_ec_der(document.as_ref()))
        }
        // Version 1: without the public key, which jsonwebtoken's key set does not expect.
        AssertionAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&random)
            .map(|document| EncodingKey::from_ed_der(document.as_ref())),
    }
    .map_err(|_no_randomness| AssertionError::Key)
}
