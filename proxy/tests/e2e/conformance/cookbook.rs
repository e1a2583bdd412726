//! `jose-cookbook`: the examples of RFC 7520, RFC 8037 and RFC 7797, every key and every form of
//! every token.
//!
//! A signature in the compact form verifies with the public half of its example's key, or is
//! refused for one of these reasons: its header asks for an unencoded payload (RFC 7797), its
//! payload is elsewhere (appendix F of RFC 7515), its algorithm is none of ours. The JSON forms and
//! everything encrypted have not the form of a token. A private key, and a symmetric key in a set,
//! are refused when they are read.

use std::path::Path;

use serde_json::Value;
use sidegate::authn::TokenError;

use super::tokens::{ALGORITHMS, algorithm_of, issuer, verified};
use super::{Tally, corpora, corpus};

/// The members of a key that are not for everybody.
const PRIVATE: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

/// The example's keys, each in its public half.
fn keys_of(input: &Value) -> Vec<Value> {
    let keys = match input.get("key") {
        Some(key) => key.as_array().cloned().unwrap_or_else(|| vec![key.clone()]),
        // A password.
        None => Vec::new(),
    };
    keys.into_iter().map(public_half).collect()
}

fn public_half(mut key: Value) -> Value {
    for member in PRIVATE {
        key.as_object_mut().unwrap().remove(member);
    }
    key
}

/// The files of a folder of the corpus, as their names there.
fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(corpora().join("jose-cookbook").join(folder)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "json"))
        .map(|name| format!("jose-cookbook/{folder}/{name}"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{folder}");
    names
}

/// Every form of an example's token, by name.
fn forms(output: &Value) -> Vec<(String, String)> {
    let forms = output.as_object().unwrap().iter();
    forms
        .map(|(form, token)| {
            let text = token
                .as_str()
                .map_or_else(|| token.to_string(), str::to_owned);
            (form.clone(), text)
        })
        .collect()
}

/// What the RFCs and our own rules say of a signed token.
fn expected(form: &str, token: &str) -> Result<(), TokenError> {
    if form != "compact" {
        return Err(TokenError::Malformed);
    }
    let algorithm = algorithm_of(token).unwrap();
    if token.contains(' ') {
        // RFC 7797: an unencoded payload, of which the header warns.
        Err(TokenError::ForbiddenHeader)
    } else if !ALGORITHMS.contains(&&*algorithm) {
        Err(TokenError::AlgorithmNotAllowed)
    } else if token.contains("..") {
        // The payload is not there: what is signed is something else.
        Err(TokenError::Signature)
    } else {
        Ok(())
    }
}

/// Puts every form of an example's token to an issuer with the example's keys.
fn run(
    tally: &mut Tally,
    (name, input, output): (&str, &Value, &Value),
    expected: impl Fn(&str, &str) -> Result<(), TokenError>,
) {
    let (symmetric, public): (Vec<Value>, Vec<Value>) = keys_of(input)
        .into_iter()
        .partition(|key| key["kty"] == "oct");
    // An octet key is a secret; in a set with others it is refused, and has no token of its own.
    let mut keys = if public.is_empty() { symmetric } else { public };
    keys.retain(|key| key["kty"] != "oct" || key["alg"] == "HS256");
    let issuer = issuer(&keys).unwrap_or_else(|error| panic!("{name}: {error}"));
    let forms = forms(output);
    assert!(!forms.is_empty(), "{name}");
    for (form, token) in forms {
        let result = verified(&issuer, &token);
        assert_eq!(result, expected(&form, &token), "{name}: {form}");
        tally.case(if result.is_ok() {
            "verified"
        } else {
            "refused"
        });
    }
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn signed_examples_verify_or_are_refused_for_a_reason() {
    let mut tally = Tally::default();
    let mut names = [files("jws"), files("rfc7797")].concat();
    names.push("jose-cookbook/curve25519/jws.json".to_owned());
    for name in &names {
        let file = corpus(name);
        run(
            &mut tally,
            (name, &file["input"], &file["output"]),
            expected,
        );
    }
    assert_eq!(tally.of("verified"), 3, "RS256, HS256 and EdDSA: {tally:?}");
    let cases = tally.outcomes.values().sum();
    tally.finish("jose-cookbook: signed", cases);
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn encrypted_and_nested_examples_are_refused() {
    let mut tally = Tally::default();
    let mut names = files("jwe");
    names.push("jose-cookbook/curve25519/ecdh-es.json".to_owned());
    let malformed = |_: &str, _: &str| Err(TokenError::Malformed);
    for name in &names {
        let file = corpus(name);
        run(
            &mut tally,
            (name, &file["input"], &file["output"]),
            malformed,
        );
    }
    let name = "jose-cookbook/6.nesting_signatures_and_encryption.json";
    let nested = corpus(name);
    let [signed, encrypted] = [&nested["sign"], &nested["encrypt"]];
    run(
        &mut tally,
        (name, &signed["input"], &signed["output"]),
        expected,
    );
    run(
        &mut tally,
        (name, &encrypted["input"], &encrypted["output"]),
        malformed,
    );
    assert_eq!(tally.of("verified"), 1, "the signature within: {tally:?}");
    let cases = tally.outcomes.values().sum();
    tally.finish("jose-cookbook: encrypted and nested", cases);
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn only_public_keys_make_a_key_set() {
    let mut tally = Tally::default();
    for name in files("jwk") {
        let mut key = corpus(&name);
        let octets = key["kty"] == "oct";
        let private = PRIVATE.iter().any(|member| key.get(member).is_some());
        if octets {
            // Else it would be configured as the secret that it is.
            key.as_object_mut().unwrap().remove("alg");
        }
        let result = issuer(&[key]).map(|_issuer| ());
        match (octets, private, result) {
            (true, _, Err(error)) if error.contains("symmetric") => tally.case("refused"),
            (false, true, Err(error)) if error.contains("private") => tally.case("refused"),
            (false, false, Ok(())) => tally.case("read"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!((tally.of("read"), tally.of("refused")), (2, 4), "{tally:?}");
    tally.finish("jose-cookbook: keys", 6);
}
