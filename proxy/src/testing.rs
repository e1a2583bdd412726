//! Fixtures of the unit tests: key pairs, tokens written by hand, and configurations.
//!
//! A token is made of the bytes that a test writes, so that malformed ones can be made too. The
//! time is fixed and far in the future: what other verifiers check against the machine's clock
//! holds as well.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use sidegate_config::{DatabaseSettings, Settings, StoreSettings};
use sidegate_policy::{Document, Policy, UnixMicros};

/// The second at which every test happens: in the year 2096.
pub(crate) const NOW: i64 = 4_000_000_000;
/// A subject.
pub(crate) const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
/// A shared secret.
pub(crate) const SECRET: &str = "a secret of no fewer than 32 bytes";

/// A key pair in every form that a test needs.
pub(crate) struct Pair {
    pub(crate) private: EncodingKey,
    pub(crate) private_pem: String,
    pub(crate) public_pem: String,
    /// The public key, without `kid` and `alg`.
    pub(crate) jwk: Value,
}

/// An RSA pair: slow to make, so most tests share one.
pub(crate) static RSA: LazyLock<Pair> = LazyLock::new(Pair::rsa);

impl Pair {
    pub(crate) fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let private_pem = pem("PRIVATE KEY", document.as_ref());
        let key = EncodingKey::from_ed_pem(private_pem.as_bytes()).unwrap();
        Self::new(key, Algorithm::EdDSA, private_pem, pair.public_key())
    }

    /// Of 2048 bits.
    pub(crate) fn rsa() -> Self {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let private_pem = pem("PRIVATE KEY", private.as_ref());
        let key = EncodingKey::from_rsa_pem(private_pem.as_bytes()).unwrap();
        Self::new(key, Algorithm::RS256, private_pem, pair.public_key())
    }

    pub(crate) fn p256() -> Self {
        Self::ec(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256)
    }

    pub(crate) fn p384() -> Self {
        Self::ec(&ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384)
    }

    fn ec(curve: &'static EcdsaSigningAlgorithm, algorithm: Algorithm) -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(curve, document.as_ref()).unwrap();
        let private_pem = pem("PRIVATE KEY", document.as_ref());
        let key = EncodingKey::from_ec_pem(private_pem.as_bytes()).unwrap();
        Self::new(key, algorithm, private_pem, pair.public_key())
    }

    fn new(
        private: EncodingKey,
        algorithm: Algorithm,
        private_pem: String,
        public: &impl AsDer<PublicKeyX509Der<'static>>,
    ) -> Self {
        let jwk = Jwk::from_encoding_key(&private, algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk.as_object_mut().unwrap().remove("alg");
        Self {
            private,
            private_pem,
            public_pem: pem("PUBLIC KEY", public.as_der().unwrap().as_ref()),
            jwk,
        }
    }

    /// The public key under a key id.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(kid);
        jwk
    }
}

/// Text in PEM (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// base64url, as in a token.
pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What base64url stands for.
pub(crate) fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// A token of exactly this header and these claims.
pub(crate) fn token(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", base64url(header), base64url(claims));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// An instant of whole seconds.
pub(crate) const fn at(second: i64) -> UnixMicros {
    UnixMicros(second * 1_000_000)
}

/// A whole configuration with these issuers, to be changed by a test.
pub(crate) fn document(issuers: Value) -> Value {
    json!({
        "upstream": { "url": "http://127.0.0.1:3000" },
        "store": { "file": { "path": "directory.yaml" } },
        "policy": {
            "subject_id": "uuid",
            "roles": { "owner": ["read", "write"], "viewer": ["read"] },
            "kinds": { "document": { "id": "text" } },
        },
        "routes": [{ "methods": ["GET"], "path": "/health", "access": "public" }],
        "issuers": issuers,
    })
}

/// Parses a configuration whose relative paths start from a folder.
pub(crate) fn settings(folder: &Path, document: &Value) -> Settings {
    let text = serde_yaml::to_string(document).unwrap();
    let file = folder.join("sidegate.yaml");
    sidegate_config::parse(&text, &file, &BTreeMap::new()).unwrap()
}

/// Compiles the policy of a configuration.
pub(crate) fn policy(document: &Value) -> Policy {
    let document: Document = serde_json::from_value(document["policy"].clone()).unwrap();
    Policy::compile(&document).unwrap()
}

/// A whole configuration with a database at this URL, to be changed by a test.
pub(crate) fn over_database(url: &str) -> Value {
    let mut document = document(json!([]));
    document["store"] = json!({ "postgres": {} });
    document["database"] = json!({ "url": url });
    document["insecure_no_issuers"] = json!(true);
    document
}

/// The settings of a database at this URL, every other value its default.
pub(crate) fn database(url: &str) -> DatabaseSettings {
    match settings(Path::new("/"), &over_database(url)).store {
        StoreSettings::Postgres(settings) => settings.database,
        StoreSettings::File { .. } => panic!("the document asks for a database"),
    }
}
