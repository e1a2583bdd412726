//! The demo's files: the shipped configuration and directory, and keys made at this start.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tempfile::TempDir;

use super::{DemoError, Token};
use crate::clock::Clock;

const CONFIG: &str = include_str!("../../../config/demo/sidegate.yaml");
const DIRECTORY: &str = include_str!("../../../config/demo/directory.yaml");
/// As the shipped configuration names them.
const ISSUER: &str = "https://issuer.demo.invalid/";
const AUDIENCE: &str = "demo-api";

/// Users of the shipped directory who have a token.
const USERS: [(&str, &str); 4] = [
    ("alice", "a11ce000-0000-4000-8000-000000000001"),
    ("bob", "b0b00000-0000-4000-8000-000000000002"),
    ("carol", "ca501000-0000-4000-8000-000000000003"),
    ("dave", "da5e0000-0000-4000-8000-000000000004"),
];
/// How long the demo's tokens live, in seconds.
const LIFETIME: i64 = 12 * 3600;

/// The files, for as long as this lives.
#[derive(Debug)]
pub(super) struct Files {
    folder: TempDir,
    tokens: Vec<Token>,
}

impl Files {
    /// Writes them. The ports go into the file itself, so that reading it again, or `explain`, finds
    /// them without the demo's help.
    pub(super) fn write(proxy: u16, admin: u16, app: u16) -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new()
            .prefix("sidegate-demo-")
            .tempdir()?;
        let (key, jwk) = key_pair()?;
        let kid = jwk.common.key_id.clone();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
        let config = CONFIG
            .replace("${SIDEGATE_DEMO_PROXY_PORT:-8080}", &proxy.to_string())
            .replace("${SIDEGATE_DEMO_ADMIN_PORT:-8081}", &admin.to_string())
            .replace("${SIDEGATE_DEMO_APP_PORT:-8082}", &app.to_string());
        write("sidegate.yaml", &config)?;
        write("directory.yaml", DIRECTORY)?;
        write("issuer.jwks.json", &json!({ "keys": [jwk] }).to_string())?;
        let tokens = tokens(&key, kid)?;
        Ok(Self { folder, tokens })
    }

    /// The configuration file.
    pub(super) fn config(&self) -> PathBuf {
        self.at("sidegate.yaml")
    }

    /// The directory file.
    pub(super) fn directory(&self) -> PathBuf {
        self.at("directory.yaml")
    }

    /// The tokens of the tour.
    pub(super) fn tokens(&self) -> Vec<Token> {
        self.tokens.clone()
    }

    fn at(&self, name: &str) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join(name)
    }
}

fn key_pair() -> Result<(EncodingKey, Jwk), DemoError> {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_no_randomness| DemoError::Keys)?;
    let key = EncodingKey::from_ec_der(document.as_ref());
    let make = || -> jsonwebtoken::errors::Result<Jwk> {
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256)?;
        jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(jwk)
    };
    let jwk = make().map_err(|_no_key| DemoError::Keys)?;
    Ok((key, jwk))
}

fn tokens(key: &EncodingKey, kid: Option<String>) -> Result<Vec<Token>, DemoError> {
    let now = Clock::System.now().0.div_euclid(1_000_000);
    let header = Header {
        kid,
        ..Header::new(Algorithm::ES256)
    };
    let sign = |name: &'static str, subject: &str, issued: i64, expires: i64| {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": issued, "exp": expires,
        });
        jsonwebtoken::encode(&header, &claims, key)
            .map(|text| Token { name, text })
            .map_err(|_no_token| DemoError::Keys)
    };
    let mut tokens = Vec::new();
    for (name, subject) in USERS {
        tokens.push(sign(name, subject, now, now + LIFETIME)?);
    }
    let [(_, alice), ..] = USERS;
    tokens.push(sign("expired", alice, now - 7200, now - 3600)?);
    Ok(tokens)
}
