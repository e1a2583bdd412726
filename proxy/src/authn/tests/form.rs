//! A token's parts before anything in them is believed, and where it may be.

use http::HeaderName;
use http::header::COOKIE;
use serde_json::json;

use super::{HEADER, TokenError, World, bearer, claims, issuer, jwks, merged, presented, refused};
use crate::authn::{Authenticator, Carrier};
use crate::testing::{NOW, document, settings};

const MALFORMED: TokenError = TokenError::Malformed;

#[test]
fn a_token_has_three_parts_of_canonical_base64url() {
    let world = World::new();
    let good = world.token(HEADER, &claims(json!({})).to_string());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts")
    };
    assert!(bearer(&world.authenticator, &good).is_ok());
    // 64 bytes of signature leave four bits of the last character without a meaning.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    assert_eq!(at % 16, 0, "canonical");
    let other = &alphabet[at + 1..at + 2];
    let trailing_bits = format!("{}{other}", &signature[..signature.len() - 1]);
    for token in [
        format!("{header}.{claims}.{trailing_bits}"),
        format!("{header}.{claims}.{signature}=="),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}.{}", signature.replace(['-', '_'], "+")) + "/",
        format!("{header}.{claims}.{}", &signature[..signature.len() - 1]),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}.{claims}.{signature}."),
        format!(".{header}.{claims}.{signature}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{claims}.{claims}.{signature}.{signature}"),
        "..".to_owned(),
        ".".to_owned(),
        "token".to_owned(),
    ] {
        let result = bearer(&world.authenticator, &token);
        assert_eq!(result, refused(MALFORMED), "{token}");
    }
}

#[test]
fn header_and_claims_are_objects_without_repeated_members() {
    let world = World::new();
    let good = claims(json!({})).to_string();
    let plus = |member: &str| format!("{{{member},{}", &good[1..]);
    assert!(world.raw(HEADER, &plus(r#""jti":"1""#)).is_ok());
    for header in [
        r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
        r#"{"alg":"none","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","\u0061lg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","kid":"k","kid":"k"}"#,
        r#"{"alg":"EdDSA","x":{"y":1,"y":2}}"#,
        r#"{"alg":"EdDSA"} "x""#,
        r#"["alg"]"#,
        "\u{feff}{\"alg\":\"EdDSA\"}",
        "",
    ] {
        assert_eq!(world.raw(header, &good), refused(MALFORMED), "{header}");
    }
    for claims in [
        plus(r#""sub":"b""#),
        plus(r#""exp":9"#),
        plus(r#""\u0061ud":"api""#),
        plus(r#""x":[{"y":1,"y":1}]"#),
        format!("{good}{good}"),
        format!("[{good}]"),
        "null".to_owned(),
        good.replace(':', "="),
    ] {
        assert_eq!(world.raw(HEADER, &claims), refused(MALFORMED), "{claims}");
    }
}

#[test]
fn parameters_that_change_how_a_token_is_verified_are_refused() {
    let world = World::new();
    let good = claims(json!({})).to_string();
    let with = |member: &str, value: serde_json::Value| {
        let header = json!({ "alg": "EdDSA", "kid": "k", member: value }).to_string();
        world.raw(&header, &good)
    };
    let key = world.pair.jwk("k");
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(true)),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("cty", json!("JWT")),
        ("jwk", key),
        ("jku", json!("https://id.example/keys")),
        ("x5u", json!("https://id.example/cert")),
        ("x5c", json!([])),
        ("x5c", json!(null)),
    ] {
        let result = with(member, value);
        assert_eq!(result, refused(TokenError::ForbiddenHeader), "{member}");
    }
    for (member, value) in [
        ("x5t", json!("abc")),
        ("typ", json!("JWT")),
        ("nonce", json!(1)),
    ] {
        assert!(with(member, value).is_ok(), "{member}");
    }
    assert_eq!(with("typ", json!(1)), refused(MALFORMED));
}

#[test]
fn a_type_is_asked_for_only_where_it_is_configured() {
    let good = claims(json!({})).to_string();
    let header = |typ: &str| format!(r#"{{"alg":"EdDSA","typ":"{typ}"}}"#);
    let any = World::new();
    for header in [HEADER.to_owned(), header("at+jwt"), header("x")] {
        assert!(any.raw(&header, &good).is_ok(), "{header}");
    }
    let typed = World::with(json!({ "token_types": ["at+jwt"] }));
    assert!(typed.raw(&header("at+jwt"), &good).is_ok());
    assert!(typed.raw(&header("AT+JWT"), &good).is_ok());
    for header in [HEADER.to_owned(), header("JWT"), header("")] {
        let result = typed.raw(&header, &good);
        assert_eq!(result, refused(TokenError::Type), "{header}");
    }
}

#[test]
fn a_token_is_looked_at_up_to_the_configured_length() {
    let world = World::new();
    let good = world.token(HEADER, &claims(json!({})).to_string());
    let folder = tempfile::TempDir::new().unwrap();
    jwks(folder.path(), "keys.json", &[world.pair.jwk("k")]);
    let ask = |max: usize| {
        let document = merged(
            document(json!([issuer(json!({}))])),
            json!({ "limits": { "max_token_bytes": max } }),
        );
        let settings = settings(folder.path(), &document);
        let authenticator =
            Authenticator::new(&settings, sidegate_policy::IdType::Uuid, &[]).unwrap();
        bearer(&authenticator, &good)
    };
    assert!(ask(good.len()).is_ok());
    assert_eq!(ask(good.len() - 1), refused(TokenError::TooLong));
}

#[test]
fn a_token_counts_only_where_its_issuer_puts_tokens() {
    let world = World::new();
    let folder = tempfile::TempDir::new().unwrap();
    jwks(folder.path(), "keys.json", &[world.pair.jwk("k")]);
    let in_cookie = json!({ "sources": [{ "cookie": "session" }], "forward": false });
    let in_header = json!({
        "issuer": "https://other.example/", "sources": [{ "header": "X-Token" }, "bearer"],
    });
    let issuers = json!([issuer(in_cookie), issuer(in_header)]);
    let both = super::authenticator(folder.path(), issuers).unwrap();
    let token = |issuer: &str| {
        let claims = claims(json!({ "iss": issuer })).to_string();
        world.token(HEADER, &claims)
    };
    let (one, other) = (token(super::ISSUER), token("https://other.example/"));
    let x_token = HeaderName::from_static("x-token");

    let principal = presented(&both, COOKIE, &format!("session={one}"), NOW).unwrap();
    let carrier = Carrier::Cookie("session".to_owned());
    assert_eq!(principal.carrier, Some((carrier, false)));
    let principal = presented(&both, x_token.clone(), &other, NOW).unwrap();
    let carrier = Carrier::Header(x_token.clone());
    assert_eq!(principal.carrier, Some((carrier, true)));
    assert!(bearer(&both, &other).is_ok());

    let elsewhere = refused(TokenError::UnknownIssuer);
    assert_eq!(bearer(&both, &one), elsewhere);
    assert_eq!(presented(&both, x_token, &one, NOW), elsewhere);
    let cookie = format!("session={other}");
    assert_eq!(presented(&both, COOKIE, &cookie, NOW), elsewhere);
}
