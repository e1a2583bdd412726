//! Which tokens make a principal, and which do not (attacks.md F2, F3, T1 to T7).
//!
//! `signature` is about keys and algorithms, `form` about a token's parts before anything in them
//! is believed, `claims` about what a token says, `keys` about reading key files, `known` about tokens that
//! were verified before, `flood` about those that never were.

mod claims;
mod flood;
mod form;
mod keys;
mod known;
mod service_keys;
mod signature;

use std::path::Path;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sidegate_policy::IdType;
use tempfile::TempDir;

use super::{Authenticator, AuthnError, KeyError, Principal, TokenError};
use crate::head::Head;
use crate::testing::{self, ALICE, NOW, Pair, at, document, settings};

const ISSUER: &str = "https://id.example/";
/// A header that is good for [`World`]'s key.
const HEADER: &str = r#"{"alg":"EdDSA","kid":"k"}"#;

/// An issuer with one Ed25519 key, `k`, whose configuration a test may have changed.
struct World {
    pair: Pair,
    authenticator: Authenticator,
}

impl World {
    fn new() -> Self {
        Self::with(json!({}))
    }

    /// The members of `changes` replace those of the issuer.
    fn with(changes: Value) -> Self {
        let pair = Pair::ed25519();
        let folder = TempDir::new().unwrap();
        jwks(folder.path(), "keys.json", &[pair.jwk("k")]);
        let authenticator = authenticator(folder.path(), json!([issuer(changes)])).unwrap();
        Self {
            pair,
            authenticator,
        }
    }

    /// A token with a right signature, whatever its header and claims say.
    fn token(&self, header: &str, claims: &str) -> String {
        testing::token(header, claims, &self.pair.private, Algorithm::EdDSA)
    }

    /// What comes of the good claims with some of them replaced.
    fn claims(&self, changes: Value) -> Result<Principal, AuthnError> {
        self.at(NOW, changes)
    }

    fn at(&self, second: i64, changes: Value) -> Result<Principal, AuthnError> {
        let token = self.token(HEADER, &claims(changes).to_string());
        bearer_at(&self.authenticator, &token, second)
    }

    /// What comes of claims as they are written.
    fn raw(&self, header: &str, claims: &str) -> Result<Principal, AuthnError> {
        bearer(&self.authenticator, &self.token(header, claims))
    }
}

/// An issuer's configuration with the key file `keys.json`.
fn issuer(changes: Value) -> Value {
    let issuer = json!({
        "issuer": ISSUER,
        "audiences": ["api"],
        "algorithms": ["EdDSA"],
        "keys": [{ "jwks_file": "keys.json" }],
    });
    merged(issuer, changes)
}

/// Claims that are good at [`NOW`].
fn claims(changes: Value) -> Value {
    let claims = json!({
        "iss": ISSUER, "aud": "api", "sub": ALICE, "iat": NOW, "exp": NOW + 600,
    });
    merged(claims, changes)
}

fn merged(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    object
}

fn jwks(folder: &Path, name: &str, keys: &[Value]) {
    std::fs::write(folder.join(name), json!({ "keys": keys }).to_string()).unwrap();
}

fn authenticator(folder: &Path, issuers: Value) -> Result<Authenticator, KeyError> {
    Authenticator::new(&settings(folder, &document(issuers)), IdType::Uuid, &[])
}

fn bearer(authenticator: &Authenticator, token: &str) -> Result<Principal, AuthnError> {
    bearer_at(authenticator, token, NOW)
}

fn bearer_at(
    authenticator: &Authenticator,
    token: &str,
    second: i64,
) -> Result<Principal, AuthnError> {
    let value = format!("Bearer {token}");
    presented(authenticator, AUTHORIZATION, &value, second)
}

fn presented(
    authenticator: &Authenticator,
    name: HeaderName,
    value: &str,
    second: i64,
) -> Result<Principal, AuthnError> {
    let value = HeaderValue::try_from(value).unwrap();
    let host = HeaderValue::from_static("app.example");
    let headers = HeaderMap::from_iter([(HOST, host), (name, value)]);
    let head = Head::new(&Method::GET, b"/", &headers).unwrap();
    futures_util::FutureExt::now_or_never(authenticator.authenticate(&head, at(second)))
        .expect("keys in files are there at once")
        .map(Arc::unwrap_or_clone)
}

/// What a refused token is refused with.
fn refused(error: TokenError) -> Result<Principal, AuthnError> {
    Err(AuthnError::Token(error))
}
