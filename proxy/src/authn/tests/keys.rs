//! Reading keys: what is not a usable public key is found when Sidegate starts, and is named.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{authenticator, issuer, jwks};
use crate::testing::{Pair, RSA, SECRET, base64url, pem};

/// The message about a key file with this text, which names the issuer and the file.
fn refusal(text: &str, changes: Value) -> String {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("keys.json"), text).unwrap();
    let error = authenticator(folder.path(), json!([issuer(changes)])).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("https://id.example/"), "{message}");
    message
}

fn refused_set(keys: &[Value], expected: &str) {
    let changes = json!({ "algorithms": ["EdDSA", "ES256", "ES384", "RS256"] });
    let message = refusal(&json!({ "keys": keys }).to_string(), changes);
    assert!(message.contains("keys"), "{message}");
    assert!(message.contains(expected), "{message}");
}

fn changed(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

#[test]
fn a_file_that_is_no_key_set_is_refused() {
    let repeated = r#"{"keys":[],"keys":[]}"#;
    let inside = r#"{"keys":[{"kty":"OKP","kty":"OKP","crv":"Ed25519","x":""}]}"#;
    for (text, expected) in [
        (
            "<!doctype html><title>502</title>",
            "expected a JSON object",
        ),
        ("", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        (repeated, "without repeated members"),
        (inside, "without repeated members"),
        ("{}", "expected a list `keys`"),
        (r#"{"keys":{}}"#, "expected a list `keys`"),
        (r#"{"keys":[]}"#, "expected at least one key"),
        (r#"{"keys":[1,null,"x",{}]}"#, "expected at least one key"),
    ] {
        let message = refusal(text, json!({}));
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn secrets_in_a_key_set_are_refused() {
    let ed25519 = Pair::ed25519().jwk("ed");
    let octets = json!({ "kty": "oct", "kid": "o", "k": base64url(SECRET) });
    refused_set(std::slice::from_ref(&octets), "the key `o` is symmetric");
    // Even beside a good key, and even if it says that it is for something else.
    let encrypts = changed(octets, "use", json!("enc"));
    refused_set(&[ed25519.clone(), encrypts], "public keys only");
    for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        let private = changed(ed25519.clone(), member, json!("AAAA"));
        refused_set(&[private], "the key `ed` is private");
    }
}

#[test]
fn keys_that_cannot_be_used_are_passed_over_but_not_all_of_them() {
    let ed25519 = Pair::ed25519();
    let unusable = [
        changed(Pair::p256().jwk("1"), "use", json!("enc")),
        changed(Pair::p256().jwk("2"), "key_ops", json!(["encrypt"])),
        changed(Pair::p256().jwk("3"), "alg", json!("ECDH-ES")),
        changed(RSA.jwk("4"), "alg", json!("RSA-OAEP")),
        changed(RSA.jwk("5"), "alg", json!("HS256")),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "6" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AA", "kid": "7" }),
        json!({ "kty": "AKP", "pub": "AA", "kid": "8" }),
    ];
    refused_set(&unusable, "expected at least one key");
    let folder = TempDir::new().unwrap();
    let mut keys = unusable.to_vec();
    keys.push(changed(ed25519.jwk("ed"), "use", json!("sig")));
    jwks(folder.path(), "keys.json", &keys);
    let changes = json!({ "algorithms": ["EdDSA", "ES256", "RS256"] });
    assert!(authenticator(folder.path(), json!([issuer(changes)])).is_ok());
    // A good key that no configured algorithm fits is no key either.
    jwks(folder.path(), "keys.json", &[Pair::p256().jwk("k")]);
    assert!(authenticator(folder.path(), json!([issuer(json!({}))])).is_err());
}

#[test]
fn a_key_id_is_unique_in_all_of_an_issuers_keys() {
    let one = Pair::ed25519();
    let twice = "the key id `k` is there twice";
    refused_set(&[one.jwk("k"), Pair::ed25519().jwk("k")], twice);
    refused_set(&[one.jwk("k"), Pair::p256().jwk("k")], twice);
    let folder = TempDir::new().unwrap();
    jwks(folder.path(), "keys.json", &[one.jwk("k")]);
    std::fs::write(folder.path().join("key.pem"), &one.public_pem).unwrap();
    let with = |kid: &str| {
        let pem = json!({ "pem_file": "key.pem", "kid": kid });
        let changes = json!({ "keys": [{ "jwks_file": "keys.json" }, pem] });
        authenticator(folder.path(), json!([issuer(changes)])).map(|_| ())
    };
    assert!(with("k").unwrap_err().to_string().contains(twice));
    assert!(with("other").is_ok());
    let many: Vec<_> = (0..33).map(|kid| one.jwk(&kid.to_string())).collect();
    refused_set(&many, "33 keys: expected at most 32");
    jwks(folder.path(), "keys.json", &many[..31]);
    assert!(with("other").is_ok());
}

#[test]
fn weak_and_malformed_keys_are_refused() {
    let modulus = |bytes: usize| changed(RSA.jwk("r"), "n", json!(base64url(vec![0xc3; bytes])));
    refused_set(&[modulus(128)], "1024 bits: expected 2048 to 8192");
    refused_set(&[modulus(255)], "expected 2048 to 8192");
    refused_set(&[modulus(1025)], "expected 2048 to 8192");
    let mut padded = vec![0; 128];
    padded.extend([0xc3; 128]);
    let padded = changed(RSA.jwk("r"), "n", json!(base64url(padded)));
    refused_set(&[padded], "1024 bits: expected 2048 to 8192");
    // Keys that could never verify anything: that must not be found out request by request.
    let off_curve = changed(Pair::p256().jwk("e"), "x", json!(base64url([1; 32])));
    refused_set(&[off_curve], "the key `e`");
    let short = changed(Pair::p384().jwk("e"), "y", json!(base64url([1; 32])));
    refused_set(&[short], "the key `e`");
    let short = changed(Pair::ed25519().jwk("e"), "x", json!(base64url([1; 31])));
    refused_set(&[short], "the key `e`");
    let exponent = changed(RSA.jwk("e"), "e", json!(base64url([1])));
    refused_set(&[exponent], "the key `e`");
    refused_set(
        &[changed(Pair::ed25519().jwk("e"), "x", json!("*"))],
        "the key `e`",
    );
}

#[test]
fn a_pem_file_holds_one_public_key_that_fits() {
    let [ed25519, p256] = [Pair::ed25519(), Pair::p256()];
    let folder = TempDir::new().unwrap();
    let load = |text: &str, algorithms: Value| {
        std::fs::write(folder.path().join("key.pem"), text).unwrap();
        let changes = json!({ "algorithms": algorithms, "keys": [{ "pem_file": "key.pem" }] });
        authenticator(folder.path(), json!([issuer(changes)]))
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(load(&ed25519.public_pem, json!(["EdDSA"])), Ok(()));
    assert_eq!(load(&p256.public_pem, json!(["ES384", "ES256"])), Ok(()));
    assert_eq!(load(&RSA.public_pem, json!(["PS256"])), Ok(()));
    let private = "a private key: expected a public key";
    let both = format!("{}{}", p256.public_pem, p256.private_pem);
    let no_key = "expected an RSA, EC or Ed25519 public key";
    let garbage = pem("PUBLIC KEY", &[0x30, 0x03, 0x02, 0x01, 0x00]);
    for (text, algorithm, expected) in [
        (&*p256.private_pem, "ES256", private),
        (&*ed25519.private_pem, "EdDSA", private),
        (&*RSA.private_pem, "RS256", private),
        (&*both, "ES256", private),
        (&*p256.public_pem, "ES384", "expected a key that fits"),
        (&*p256.public_pem, "EdDSA", "expected a key that fits"),
        (&*RSA.public_pem, "ES256", "expected a key that fits"),
        (&*garbage, "ES256", no_key),
        ("", "ES256", no_key),
        (SECRET, "RS256", no_key),
        (SECP256K1, "ES256", "expected"),
    ] {
        let message = load(text, json!([algorithm])).unwrap_err();
        assert!(message.contains("key.pem"), "{message}");
        assert!(message.contains(expected), "{algorithm}: {message}");
    }
}

/// A point of the same length as those of P-256, on another curve.
const SECP256K1: &str = "-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEeb5mfvncu6xVoGKVzocLBwKb/NstzijZ
WfKBWxb4F5hIOtp3JqPEZV2k+/wOEQio/Re0SKaFVBmcR9CP+xDUuA==
-----END PUBLIC KEY-----
";

#[test]
fn a_file_that_is_missing_or_huge_is_named() {
    let folder = TempDir::new().unwrap();
    let load = || {
        authenticator(folder.path(), json!([issuer(json!({}))]))
            .unwrap_err()
            .to_string()
    };
    let message = load();
    assert!(message.contains("cannot read"), "{message}");
    assert!(message.contains("keys.json"), "{message}");
    let huge = format!("{{\"keys\":[]}}{}", " ".repeat(1 << 20));
    std::fs::write(folder.path().join("keys.json"), huge).unwrap();
    let message = load();
    assert!(message.contains("expected at most 1 MiB"), "{message}");
    std::fs::write(folder.path().join("keys.json"), [0xff, 0xfe]).unwrap();
    assert!(load().contains("cannot read"));
}
