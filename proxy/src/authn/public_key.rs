//! One public key as it is written: in a key set (RFC 7517) or as PEM (RFC 7468).
//!
//! Promise: a [`Key`] can verify something, with the algorithms that it lists and no other. What is
//! private, symmetric, too weak or no point of its curve is refused here, not request by request.

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde_json::Value;
use sidegate_config::Algorithm;

use super::{json, jws};

/// The bounds of an RSA modulus, in bytes (RFC 7518 section 3.3; aws-lc takes up to 8192 bits).
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key, and what it may be used with.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// As it stands in its set; `None` for a key that is in none.
    pub(super) written: Option<Value>,
    pub(super) kid: Option<String>,
    pub(super) algorithms: BTreeSet<Algorithm>,
    pub(super) key: DecodingKey,
    pub(super) mark: Mark,
}

/// What tells a key from others, wherever and however often it is read: a SHA-256 of its name and what it
/// verifies with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u8; 32]);

impl Mark {
    pub(super) fn of(kid: Option<&str>, key: &DecodingKey) -> Self {
        let (first, second): (&[u8], &[u8]) = match key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => (bytes, &[]),
            DecodingKeyKind::RsaModulusExponent { n, e } => (n, e),
        };
        let named = [u8::from(kid.is_some())];
        let mut context = Context::new(&SHA256);
        for part in [&named, kid.unwrap_or_default().as_bytes(), first, second] {
            // With its length, so that no two lists of parts are one text.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut mark = [0; 32];
        for (to, from) in mark.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(mark)
    }
}

impl fmt::Debug for Mark {
    /// Nothing: a shared secret can be guessed by its hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

/// The keys of a set as they are written; `None` if this is no set at all.
pub(super) fn members(text: &[u8]) -> Option<Vec<Value>> {
    let set = json::object(text)?;
    set.get("keys").and_then(Value::as_array).cloned()
}

/// A key set (RFC 7517 section 5). Keys for other purposes and unknown kinds are passed over.
pub(super) fn jwks(text: &[u8], allowed: &BTreeSet<Algorithm>) -> Result<Vec<Key>, String> {
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
        written: Some(value.clone()),
        mark: Mark::of(kid.as_deref(), &key),
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
    if is_roca(&components.n) {
        return Err("an RSA modulus that can be factored (ROCA, CVE-2017-15361)".to_owned());
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

/// Whether a modulus has the fingerprint of keys made by Infineon's library: modulo each of these
/// primes it is a power of 65537. A good key looks so once in 10^8.
fn is_roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|prime| {
        let rest = modulus
            .iter()
            .fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * (65537 % prime) % prime));
        powers.take(*prime as usize).any(|power| power == rest)
    })
}

/// The digits of a number that count.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// A public key in PEM (`BEGIN PUBLIC KEY`, RFC 7468 section 13; PKCS#1 for RSA).
pub(super) fn pem(
    text: &str,
    kid: Option<String>,
    allowed: &BTreeSet<Algorithm>,
) -> Result<Key, String> {
    if text.contains("PRIVATE KEY") {
        return Err("a private key: expected a public key".to_owned());
    }
    // It would be used without a look at its dates and issuer.
    if text.contains("CERTIFICATE") {
        return Err("a certificate: expected a public key".to_owned());
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
        written: None,
        mark: Mark::of(kid.as_deref(), &key),
        kid,
        algorithms,
        key,
    })
}
