//! The keys of an issuer, and which algorithm each may be used with.
//!
//! Promise: a key is used only with algorithms that the configuration names for its issuer and
//! that fit the key's own type and curve; the token chooses among keys by `kid` and never chooses
//! an algorithm for a key. Private keys, symmetric keys in a key set, repeated key ids and RSA keys
//! below 2048 bits are refused when the keys are read (attacks.md T2, T4).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind, crypto};
use serde_json::Value;
use sidegate_config::{Algorithm, IssuerSettings, KeySource};

use super::jws::{self, Unverified};
use super::{TokenError, json};

/// The most keys of one issuer. Each may cost a signature check per token without `kid`.
const MAX_KEYS: usize = 32;
/// The largest key file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The bounds of an RSA modulus, in bytes (RFC 7518 section 3.3; aws-lc takes up to 8192 bits).
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why an issuer's keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read.
    #[error("issuer `{issuer}`: cannot read {}: {source}", path.display())]
    Read {
        /// The issuer.
        issuer: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or secret holds no usable key.
    #[error("issuer `{issuer}`: {place}: {message}")]
    Unusable {
        /// The issuer.
        issuer: String,
        /// Which file or secret.
        place: String,
        /// What was expected.
        message: String,
    },
}

/// Every key of one issuer.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    algorithms: BTreeSet<Algorithm>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads the keys of an issuer.
    pub(super) fn load(issuer: &IssuerSettings) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for source in &issuer.keys {
            let (place, read) = match source {
                KeySource::JwksFile(path) => {
                    let text = read(&issuer.issuer, path)?;
                    (
                        path.display().to_string(),
                        jwks(text.as_bytes(), &issuer.algorithms),
                    )
                }
                KeySource::PemFile { path, kid } => {
                    let text = read(&issuer.issuer, path)?;
                    let key = pem(&text, kid.clone(), &issuer.algorithms);
                    (path.display().to_string(), key.map(|key| vec![key]))
                }
                KeySource::Secret { secret, kid } => {
                    let key = Key {
                        kid: kid.clone(),
                        algorithms: BTreeSet::from([Algorithm::Hs256]),
                        key: DecodingKey::from_secret(secret.expose()),
                    };
                    ("secret".to_owned(), Ok(vec![key]))
                }
            };
            keys.extend(read.map_err(|message| KeyError::Unusable {
                issuer: issuer.issuer.clone(),
                place,
                message,
            })?);
        }
        check_set(&keys).map_err(|message| KeyError::Unusable {
            issuer: issuer.issuer.clone(),
            place: "keys".to_owned(),
            message,
        })?;
        Ok(Self { keys })
    }

    /// Checks the signature of a token.
    pub(super) fn verify(&self, token: &Unverified<'_>) -> Result<(), TokenError> {
        let mut seen = TokenError::AlgorithmNotAllowed;
        for key in self
            .keys
            .iter()
            .filter(|key| key.algorithms.contains(&token.algorithm))
        {
            if let (Some(wanted), Some(kid)) = (&token.kid, &key.kid)
                && wanted != kid
            {
                if seen == TokenError::AlgorithmNotAllowed {
                    seen = TokenError::UnknownKey;
                }
                continue;
            }
            seen = TokenError::Signature;
            let verified = crypto::verify(
                token.signature,
                token.message.as_bytes(),
                &key.key,
                native(token.algorithm),
            );
            if verified.unwrap_or(false) {
                return Ok(());
            }
        }
        Err(seen)
    }
}

/// The crate's name for an algorithm.
const fn native(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
    }
}

fn read(issuer: &str, path: &Path) -> Result<String, KeyError> {
    let error = |source| KeyError::Read {
        issuer: issuer.to_owned(),
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(error)?.len();
    if length > MAX_FILE_BYTES {
        return Err(error(std::io::Error::other("expected at most 1 MiB")));
    }
    std::fs::read_to_string(path).map_err(error)
}

fn check_set(keys: &[Key]) -> Result<(), String> {
    if keys.is_empty() {
        return Err("expected at least one key that can be used with `algorithms`".to_owned());
    }
    if keys.len() > MAX_KEYS {
        return Err(format!("{} keys: expected at most {MAX_KEYS}", keys.len()));
    }
    let mut kids = BTreeSet::new();
    match keys
        .iter()
        .filter_map(|key| key.kid.as_deref())
        .find(|kid| !kids.insert(*kid))
    {
        Some(kid) => Err(format!("the key id `{kid}` is there twice")),
        None => Ok(()),
    }
}

/// A key set (RFC 7517 section 5). Keys for other purposes and unknown kinds are passed over.
fn jwks(text: &[u8], allowed: &BTreeSet<Algorithm>) -> Result<Vec<Key>, String> {
    let set = json::object(text).ok_or("expected a JSON object without repeated members")?;
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or("expected a list `keys`")?;
    let mut usable = Vec::new();
    for key in keys {
        if let Some(key) = jwk(key, allowed)? {
            usable.push(key);
        }
    }
    Ok(usable)
}

fn jwk(value: &Value, allowed: &BTreeSet<Algorithm>) -> Result<Option<Key>, String> {
    let kid = value.get("kid").and_then(Value::as_str).map(str::to_owned);
    let name = kid.as_deref().unwrap_or("without kid");
    if value.get("kty").and_then(Value::as_str) == Some("oct") {
        return Err(format!(
            "the key `{name}` is symmetric: expected public keys only"
        ));
    }
    if ["d", "p", "q", "dp", "dq", "qi", "k"]
        .iter()
        .any(|member| value.get(member).is_some())
    {
        return Err(format!(
            "the key `{name}` is private: expected public keys only"
        ));
    }
    let Ok(jwk) = serde_json::from_value::<Jwk>(value.clone()) else {
        return Ok(None);
    };
    let signs = !matches!(
        &jwk.common.public_key_use,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
    );
    let operations = value.get("key_ops").and_then(Value::as_array);
    let verifies = operations.is_none_or(|operations| operations.iter().any(|one| one == "verify"));
    if !signs || !verifies {
        return Ok(None);
    }
    let mut algorithms = fitting(&jwk.algorithm);
    if let Some(alg) = value.get("alg").and_then(Value::as_str) {
        let only = jws::known_algorithm(alg);
        algorithms.retain(|algorithm| Some(*algorithm) == only);
    }
    algorithms.retain(|algorithm| allowed.contains(algorithm));
    let Some(first) = algorithms.first() else {
        return Ok(None);
    };
    let key = DecodingKey::from_jwk(&jwk).map_err(|error| format!("the key `{name}`: {error}"))?;
    check_key(&key, *first).map_err(|message| format!("the key `{name}`: {message}"))?;
    Ok(Some(Key {
        kid,
        algorithms,
        key,
    }))
}

/// The algorithms that fit a key's type and curve.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate's enum is not exhaustive; unknown fits nothing"
)]
fn fitting(parameters: &AlgorithmParameters) -> BTreeSet<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => BTreeSet::from(RSA),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => BTreeSet::from([Algorithm::Es256]),
            EllipticCurve::P384 => BTreeSet::from([Algorithm::Es384]),
            _ => BTreeSet::new(),
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            BTreeSet::from([Algorithm::EdDsa])
        }
        _ => BTreeSet::new(),
    }
}

const RSA: [Algorithm; 4] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
];

/// That something can be verified with a key: if not, that must not be found out request by
/// request. All algorithms of a key need the same of it.
fn check_key(key: &DecodingKey, algorithm: Algorithm) -> Result<(), String> {
    let point = |curve: &'static dyn VerificationAlgorithm| {
        key.try_get_as_bytes()
            .ok()
            .and_then(|point| ParsedPublicKey::new(curve, point).ok())
            .map(|_key| ())
            .ok_or_else(|| "expected a point on the algorithm's curve".to_owned())
    };
    match algorithm {
        Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256 => check_rsa(key),
        Algorithm::Es256 => point(&ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => point(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDsa => point(&ED25519),
        Algorithm::Hs256 => Ok(()),
    }
}

fn check_rsa(key: &DecodingKey) -> Result<(), String> {
    let components = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => RsaPublicKeyComponents {
            n: n.clone(),
            e: e.clone(),
        },
        DecodingKeyKind::SecretOrDer(der) => {
            let public = aws_lc_rs::rsa::PublicKey::from_der(der)
                .map_err(|_no_key| "expected an RSA public key of 2048 to 8192 bits".to_owned())?;
            RsaPublicKeyComponents::from(&public)
        }
    };
    let bytes = without_zeros(&components.n).len();
    if !RSA_MODULUS_BYTES.contains(&bytes) {
        return Err(format!(
            "an RSA modulus of {} bits: expected 2048 to 8192",
            bytes * 8
        ));
    }
    let exponent = without_zeros(&components.e);
    let fits = exponent != [1] && exponent.last().is_some_and(|byte| byte % 2 == 1);
    let parsed = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
    if fits && parsed.is_ok() {
        Ok(())
    } else {
        Err("expected an RSA modulus and an odd exponent above 1".to_owned())
    }
}

/// The digits of a number that count.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// A public key in PEM (`BEGIN PUBLIC KEY`, RFC 7468 section 13; PKCS#1 for RSA).
fn pem(text: &str, kid: Option<String>, allowed: &BTreeSet<Algorithm>) -> Result<Key, String> {
    if text.contains("PRIVATE KEY") {
        return Err("a private key: expected a public key".to_owned());
    }
    let key = DecodingKey::from_rsa_pem(text.as_bytes())
        .or_else(|_not_rsa| DecodingKey::from_ec_pem(text.as_bytes()))
        .or_else(|_not_ec| DecodingKey::from_ed_pem(text.as_bytes()))
        .map_err(|_no_key| "expected an RSA, EC or Ed25519 public key in PEM".to_owned())?;
    let mut algorithms = match (key.family(), key.try_get_as_bytes().map(<[u8]>::len)) {
        (AlgorithmFamily::Rsa, _) => BTreeSet::from(RSA),
        // An uncompressed point: one byte and two coordinates.
        (AlgorithmFamily::Ec, Ok(65)) => BTreeSet::from([Algorithm::Es256]),
        (AlgorithmFamily::Ec, Ok(97)) => BTreeSet::from([Algorithm::Es384]),
        (AlgorithmFamily::Ed, _) => BTreeSet::from([Algorithm::EdDsa]),
        (AlgorithmFamily::Ec | AlgorithmFamily::Hmac, _) => BTreeSet::new(),
    };
    algorithms.retain(|algorithm| allowed.contains(algorithm));
    let first = algorithms
        .first()
        .ok_or("expected a key that fits one of `algorithms`")?;
    check_key(&key, *first)?;
    Ok(Key {
        kid,
        algorithms,
        key,
    })
}
