//! A token counts with the key, the algorithm and the issuer that the configuration joins, and
//! with no others.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Authenticator, HEADER, ISSUER, TokenError, authenticator, bearer, claims, issuer, jwks, merged,
    refused,
};
use crate::testing::{Pair, RSA, SECRET, base64url, decoded, token};

/// One key pair of every kind.
struct Keys {
    p256: Pair,
    p384: Pair,
    ed25519: Pair,
}

impl Keys {
    fn new() -> Self {
        Self {
            p256: Pair::p256(),
            p384: Pair::p384(),
            ed25519: Pair::ed25519(),
        }
    }

    /// Every supported algorithm, by name, with a key that fits it.
    fn all(&self) -> [(&'static str, Algorithm, EncodingKey); 8] {
        let rsa = || RSA.private.clone();
        [
            ("RS256", Algorithm::RS256, rsa()),
            ("RS384", Algorithm::RS384, rsa()),
            ("RS512", Algorithm::RS512, rsa()),
            ("PS256", Algorithm::PS256, rsa()),
            ("ES256", Algorithm::ES256, self.p256.private.clone()),
            ("ES384", Algorithm::ES384, self.p384.private.clone()),
            ("EdDSA", Algorithm::EdDSA, self.ed25519.private.clone()),
            (
                "HS256",
                Algorithm::HS256,
                EncodingKey::from_secret(SECRET.as_bytes()),
            ),
        ]
    }

    fn pairs(&self) -> [&Pair; 4] {
        [&RSA, &self.p256, &self.p384, &self.ed25519]
    }

    /// An issuer that has all of these public keys, and the secret where it may.
    fn issuer(&self, algorithms: &[&str]) -> Authenticator {
        let folder = TempDir::new().unwrap();
        let all = self.pairs().map(|pair| pair.jwk.clone());
        jwks(folder.path(), "keys.json", &all);
        let mut keys = Vec::new();
        if algorithms.iter().any(|name| *name != "HS256") {
            keys.push(json!({ "jwks_file": "keys.json" }));
        }
        if algorithms.contains(&"HS256") {
            keys.push(json!({ "secret": SECRET }));
        }
        let changes = json!({ "algorithms": algorithms, "keys": keys });
        authenticator(folder.path(), json!([issuer(changes)])).unwrap()
    }
}

fn good(name: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let header = json!({ "alg": name }).to_string();
    token(&header, &claims(json!({})).to_string(), key, algorithm)
}

/// For every pair of algorithms: the one that is configured is accepted, any other is refused,
/// though the issuer's key file holds the key that it was rightly signed with.
#[test]
fn an_algorithm_is_accepted_if_and_only_if_the_issuer_names_it() {
    let keys = Keys::new();
    let tokens = keys
        .all()
        .map(|(name, algorithm, key)| (name, good(name, algorithm, &key)));
    for (configured, _) in &tokens {
        let authenticator = keys.issuer(&[*configured]);
        for (name, token) in &tokens {
            let result = bearer(&authenticator, token);
            if name == configured {
                assert!(result.is_ok(), "{name}: {result:?}");
            } else {
                let expected = refused(TokenError::AlgorithmNotAllowed);
                assert_eq!(result, expected, "{name} where {configured} is configured");
            }
        }
    }
}

#[test]
fn a_key_of_the_same_kind_that_is_not_the_issuers_is_refused() {
    let keys = Keys::new();
    let other_rsa = Pair::rsa();
    let others = Keys::new();
    let names = keys.all().map(|(name, ..)| name);
    let authenticator = keys.issuer(&names);
    for (name, algorithm, mut key) in others.all() {
        if name.starts_with(['R', 'P']) {
            key = other_rsa.private.clone();
        } else if name == "HS256" {
            key = EncodingKey::from_secret(SECRET.to_uppercase().as_bytes());
        }
        let result = bearer(&authenticator, &good(name, algorithm, &key));
        assert_eq!(result, refused(TokenError::Signature), "{name}");
    }
}

/// The header says one algorithm, the signature was made with another one's key (T2).
#[test]
fn the_header_cannot_choose_how_a_key_is_used() {
    let keys = Keys::new();
    let names = keys.all().map(|(name, ..)| name);
    let every = keys.issuer(&names);
    let asymmetric = keys.issuer(&names[..7]);
    for (name, _, _) in keys.all() {
        for (other, algorithm, key) in keys.all() {
            if name != other {
                let token = good(name, algorithm, &key);
                let result = bearer(&every, &token);
                assert_eq!(result, refused(TokenError::Signature), "{name} by {other}");
            }
        }
    }
    // A public key as the secret of an HMAC, in every form that a verifier may hold it in.
    for pair in keys.pairs() {
        let der = pem_body(&pair.public_pem);
        let member = pair.jwk.get("n").or_else(|| pair.jwk.get("x")).unwrap();
        let raw = decoded(member.as_str().unwrap());
        for secret in [
            pair.public_pem.as_bytes(),
            pair.public_pem.trim_end().as_bytes(),
            &der,
            &raw,
            pair.jwk.to_string().as_bytes(),
            &point(pair),
        ] {
            let token = good("HS256", Algorithm::HS256, &EncodingKey::from_secret(secret));
            assert_eq!(bearer(&every, &token), refused(TokenError::Signature));
            let refused = refused(TokenError::AlgorithmNotAllowed);
            assert_eq!(bearer(&asymmetric, &token), refused);
        }
    }
}

/// What the verifier itself holds.
fn point(pair: &Pair) -> Vec<u8> {
    let jwk = serde_json::from_value(pair.jwk.clone()).unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    key.try_get_as_bytes()
        .map(<[u8]>::to_vec)
        .unwrap_or_default()
}

fn pem_body(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.contains('-')).collect();
    base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap()
}

#[test]
fn no_algorithm_and_unknown_ones_are_refused() {
    let keys = Keys::new();
    let authenticator = keys.issuer(&keys.all().map(|(name, ..)| name));
    let claims = base64url(claims(json!({})).to_string());
    for name in [
        "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "eddsa", "Ed25519", "HS384",
        "HS512", "PS384", "PS512", "ES512", "ES256K", "RSA1_5", "dir",
    ] {
        let header = base64url(json!({ "alg": name }).to_string());
        let unsigned = format!("{header}.{claims}.");
        let result = bearer(&authenticator, &unsigned);
        assert_eq!(result, refused(TokenError::Malformed), "{name}");
        let result = bearer(&authenticator, &format!("{unsigned}AAAA"));
        assert_eq!(result, refused(TokenError::AlgorithmNotAllowed), "{name}");
    }
    for header in [
        r#"{"alg":null}"#,
        r#"{"alg":["EdDSA"]}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"ALG":"EdDSA"}"#,
    ] {
        let token = format!("{}.{claims}.AAAA", base64url(header));
        let result = bearer(&authenticator, &token);
        assert_eq!(result, refused(TokenError::Malformed), "{header}");
    }
}

#[test]
fn a_signature_that_was_touched_is_refused() {
    let keys = Keys::new();
    let authenticator = keys.issuer(&["ES256", "EdDSA", "HS256", "RS256"]);
    for (name, algorithm, key) in keys.all() {
        if !["ES256", "EdDSA", "HS256", "RS256"].contains(&name) {
            continue;
        }
        let token = good(name, algorithm, &key);
        assert!(bearer(&authenticator, &token).is_ok(), "{name}");
        let (message, signature) = token.rsplit_once('.').unwrap();
        let bytes = decoded(signature);
        let mut flipped = bytes.clone();
        flipped[0] ^= 1;
        let zero = vec![0; bytes.len()];
        let longer = [bytes.as_slice(), &[0]].concat();
        for other in [&flipped, &zero, &longer, &bytes[1..].to_vec(), &vec![0]] {
            let token = format!("{message}.{}", base64url(other));
            let result = bearer(&authenticator, &token);
            assert_eq!(result, refused(TokenError::Signature), "{name} {other:?}");
        }
        let (header, claims) = message.split_once('.').unwrap();
        let other = base64url(super::claims(json!({ "jti": "2" })).to_string());
        let result = bearer(&authenticator, &format!("{header}.{other}.{signature}"));
        assert_eq!(result, refused(TokenError::Signature), "{name}");
        let other = base64url(json!({ "alg": name, "x": 1 }).to_string());
        let result = bearer(&authenticator, &format!("{other}.{claims}.{signature}"));
        assert_eq!(result, refused(TokenError::Signature), "{name}");
    }
}

#[test]
fn kid_chooses_among_keys_and_its_absence_tries_them() {
    let (one, two, stranger) = (Pair::p256(), Pair::p256(), Pair::p256());
    let folder = TempDir::new().unwrap();
    jwks(
        folder.path(),
        "keys.json",
        &[one.jwk("one"), two.jwk("two")],
    );
    let changes = json!({ "algorithms": ["ES256"] });
    let both = authenticator(folder.path(), json!([issuer(changes)])).unwrap();
    let ask = |kid: Value, key: &Pair| {
        let mut header = json!({ "alg": "ES256", "kid": kid });
        if kid.is_null() {
            header = json!({ "alg": "ES256" });
        }
        let claims = claims(json!({})).to_string();
        let token = token(&header.to_string(), &claims, &key.private, Algorithm::ES256);
        bearer(&both, &token)
    };
    assert!(ask(json!("one"), &one).is_ok());
    assert!(ask(json!("two"), &two).is_ok());
    assert_eq!(ask(json!("one"), &two), refused(TokenError::Signature));
    assert_eq!(ask(json!("One"), &one), refused(TokenError::UnknownKey));
    assert_eq!(ask(json!(""), &one), refused(TokenError::UnknownKey));
    assert_eq!(ask(json!(1), &one), refused(TokenError::Malformed));
    assert!(ask(Value::Null, &one).is_ok());
    assert!(ask(Value::Null, &two).is_ok());
    assert_eq!(ask(Value::Null, &stranger), refused(TokenError::Signature));
}

#[test]
fn a_pem_key_answers_to_its_kid_or_to_any() {
    let keys = Keys::new();
    let folder = TempDir::new().unwrap();
    for (pair, name, algorithm) in [
        (&*RSA, "RS256", Algorithm::RS256),
        (&keys.p256, "ES256", Algorithm::ES256),
        (&keys.p384, "ES384", Algorithm::ES384),
        (&keys.ed25519, "EdDSA", Algorithm::EdDSA),
    ] {
        std::fs::write(folder.path().join("key.pem"), &pair.public_pem).unwrap();
        let ask = |key: Value, kid: &str| {
            let changes = json!({ "algorithms": [name], "keys": [key] });
            let authenticator = authenticator(folder.path(), json!([issuer(changes)])).unwrap();
            let header = json!({ "alg": name, "kid": kid }).to_string();
            let claims = claims(json!({})).to_string();
            bearer(
                &authenticator,
                &token(&header, &claims, &pair.private, algorithm),
            )
        };
        let named = json!({ "pem_file": "key.pem", "kid": "k" });
        assert!(ask(named.clone(), "k").is_ok(), "{name}");
        assert_eq!(ask(named, "other"), refused(TokenError::UnknownKey));
        assert!(ask(json!({ "pem_file": "key.pem" }), "other").is_ok());
    }
}

#[test]
fn an_issuers_keys_sign_for_that_issuer_alone() {
    let (ours, theirs) = (Pair::ed25519(), Pair::ed25519());
    let folder = TempDir::new().unwrap();
    jwks(folder.path(), "keys.json", &[ours.jwk("k")]);
    jwks(folder.path(), "their.json", &[theirs.jwk("k")]);
    let other =
        json!({ "issuer": "https://other.example/", "keys": [{ "jwks_file": "their.json" }] });
    let issuers = json!([issuer(json!({})), issuer(other)]);
    let both = authenticator(folder.path(), issuers).unwrap();
    let ask = |name: &str, pair: &Pair| {
        let claims = merged(claims(json!({})), json!({ "iss": name })).to_string();
        bearer(
            &both,
            &token(HEADER, &claims, &pair.private, Algorithm::EdDSA),
        )
    };
    assert!(ask(ISSUER, &ours).is_ok());
    let principal = ask("https://other.example/", &theirs).unwrap();
    assert_eq!(principal.issuer.as_deref(), Some("https://other.example/"));
    assert_eq!(ask(ISSUER, &theirs), refused(TokenError::Signature));
    assert_eq!(
        ask("https://other.example/", &ours),
        refused(TokenError::Signature)
    );
    for name in ["https://id.example", "HTTPS://id.example/", "", "*"] {
        assert_eq!(
            ask(name, &ours),
            refused(TokenError::UnknownIssuer),
            "{name}"
        );
    }
}

#[test]
fn an_algorithm_of_the_key_set_narrows_what_a_key_is_for() {
    let folder = TempDir::new().unwrap();
    let mut jwk = RSA.jwk("k");
    jwk["alg"] = json!("RS512");
    jwks(folder.path(), "keys.json", &[jwk]);
    let changes = json!({ "algorithms": ["RS256", "RS512"] });
    let narrow = authenticator(folder.path(), json!([issuer(changes)])).unwrap();
    let ask = |name, algorithm| bearer(&narrow, &good(name, algorithm, &RSA.private));
    assert!(ask("RS512", Algorithm::RS512).is_ok());
    let refused = refused(TokenError::AlgorithmNotAllowed);
    assert_eq!(ask("RS256", Algorithm::RS256), refused);
}
