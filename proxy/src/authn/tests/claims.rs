//! What a token must claim: of exactly its type, now, and for us.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{HEADER, ISSUER, TokenError, World, claims, refused};
use crate::testing::{ALICE, NOW, at};

/// Values that no registered claim may have, as they are written.
const WRONG: [&str; 10] = [
    "1.5",
    "4000000000.0",
    "-1",
    "253402300800",
    "18446744073709551615",
    "99999999999999999999",
    "null",
    "true",
    "{}",
    "[]",
];

/// The good claims with one written otherwise; `None` leaves it out.
fn with(name: &str, value: Option<&str>) -> String {
    let mut claims = claims(json!({}));
    claims.as_object_mut().unwrap().remove(name);
    let rest = claims.to_string();
    match value {
        Some(value) => format!("{{{}:{value},{}", json!(name), &rest[1..]),
        None => rest,
    }
}

/// A claim of another type is a bad token, never an absent claim (F3, CVE-2026-25537).
#[test]
fn a_registered_claim_of_another_type_is_refused() {
    let world = World::new();
    let now = NOW.to_string();
    let texts = [
        format!("\"{now}\""),
        format!("[\"{now}\"]"),
        format!("[{now}]"),
        r#""2096-10-02T07:06:40Z""#.to_owned(),
        r#""""#.to_owned(),
    ];
    for name in ["exp", "iat", "nbf"] {
        assert!(
            world
                .raw(HEADER, &with(name, Some(&(NOW + 1).to_string())))
                .is_ok()
        );
        for value in WRONG.into_iter().chain(texts.iter().map(String::as_str)) {
            let result = world.raw(HEADER, &with(name, Some(value)));
            assert_eq!(result, refused(TokenError::Claim), "{name}: {value}");
        }
    }
    for (name, error) in [
        ("iss", TokenError::UnknownIssuer),
        ("aud", TokenError::Claim),
        ("sub", TokenError::Claim),
        ("jti", TokenError::Claim),
    ] {
        for value in WRONG.into_iter().chain(["0", r#"["a", 1]"#]) {
            // The empty list is a list of strings, with none of ours among them.
            let error = match (name, value) {
                ("aud", "[]") => TokenError::Audience,
                _ => error,
            };
            let result = world.raw(HEADER, &with(name, Some(value)));
            assert_eq!(result, refused(error), "{name}: {value}");
        }
    }
    let issuers = format!(r#"["{ISSUER}"]"#);
    let result = world.raw(HEADER, &with("iss", Some(&issuers)));
    assert_eq!(result, refused(TokenError::UnknownIssuer));
    let subjects = format!(r#"["{ALICE}"]"#);
    let result = world.raw(HEADER, &with("sub", Some(&subjects)));
    assert_eq!(result, refused(TokenError::Claim));
    // Not JSON: beyond what a number can be.
    let result = world.raw(HEADER, &with("exp", Some("1e400")));
    assert_eq!(result, refused(TokenError::Malformed));
}

#[test]
fn required_claims_are_required_and_optional_ones_are_not() {
    let world = World::new();
    for name in ["exp", "iat", "aud", "sub"] {
        let result = world.raw(HEADER, &with(name, None));
        assert_eq!(result, refused(TokenError::Claim), "{name}");
    }
    let result = world.raw(HEADER, &with("iss", None));
    assert_eq!(result, refused(TokenError::UnknownIssuer));
    for name in ["nbf", "jti"] {
        assert!(world.raw(HEADER, &with(name, None)).is_ok(), "{name}");
    }
    assert!(world.claims(json!({ "jti": "1", "nbf": NOW })).is_ok());
}

#[test]
fn times_hold_to_the_second_with_the_configured_tolerance() {
    for (written, leeway) in [("0s", 0), ("30s", 30)] {
        let world = World::with(json!({ "leeway": written }));
        let ask = |second: i64, changes: Value| world.at(second, changes).map(|_| ());
        let (from, until) = (NOW - 100, NOW + 100);
        let times = json!({ "iat": from, "exp": until });
        assert_eq!(ask(until + leeway - 1, times.clone()), Ok(()));
        let expired = Err(TokenError::Expired.into());
        assert_eq!(ask(until + leeway, times.clone()), expired);
        assert_eq!(ask(from - leeway, times.clone()), Ok(()));
        let early = Err(TokenError::NotYetValid.into());
        assert_eq!(ask(from - leeway - 1, times), early);
        let times = json!({ "iat": from, "nbf": NOW, "exp": until });
        assert_eq!(ask(NOW - leeway, times.clone()), Ok(()));
        assert_eq!(ask(NOW - leeway - 1, times), early);
        // An early `nbf` does not make up for a late `iat`.
        let times = json!({ "iat": NOW + leeway + 1, "nbf": from, "exp": until });
        assert_eq!(ask(NOW, times), early);
    }
}

#[test]
fn a_principal_is_good_until_the_last_second_that_its_token_is_accepted() {
    let world = World::with(json!({ "leeway": "30s" }));
    let principal = world.claims(json!({ "exp": NOW + 100 })).unwrap();
    assert_eq!(principal.expires_at, Some(at(NOW + 130)));
}

#[test]
fn a_token_may_live_as_long_as_configured_and_no_longer() {
    let world = World::with(json!({ "max_lifetime": "1h" }));
    let ask = |iat: i64, exp: i64| world.claims(json!({ "iat": iat, "exp": exp })).map(|_| ());
    assert_eq!(ask(NOW, NOW + 3600), Ok(()));
    let long = Err(TokenError::Lifetime.into());
    assert_eq!(ask(NOW, NOW + 3601), long);
    assert_eq!(ask(NOW - 3000, NOW + 601), long);
    assert_eq!(ask(0, NOW + 600), long);
    // Issued after its end: accepted by neither clock, whatever the tolerance.
    assert_eq!(ask(NOW + 20, NOW + 10), long);
}

#[test]
fn one_of_the_audiences_is_ours() {
    let world = World::with(json!({ "audiences": ["api", "app"] }));
    for audience in [
        json!("api"),
        json!("app"),
        json!(["other", "api"]),
        json!(["api", "api"]),
    ] {
        assert!(
            world.claims(json!({ "aud": audience })).is_ok(),
            "{audience}"
        );
    }
    for audience in [
        json!("other"),
        json!("API"),
        json!("api "),
        json!(""),
        json!("api app"),
        json!("*"),
        json!(["other"]),
        json!([]),
    ] {
        let result = world.claims(json!({ "aud": audience }));
        assert_eq!(result, refused(TokenError::Audience), "{audience}");
    }
    for audience in [json!(["api", 1]), json!(["api", null]), json!({ "api": 1 })] {
        let result = world.claims(json!({ "aud": audience }));
        assert_eq!(result, refused(TokenError::Claim), "{audience}");
    }
    let any = World::with(json!({ "audiences": [], "insecure_any_audience": true }));
    assert!(any.claims(json!({ "aud": "other" })).is_ok());
    assert_eq!(any.claims(json!({ "aud": 1 })), refused(TokenError::Claim));
}

#[test]
fn a_subject_is_an_id_in_its_canonical_spelling() {
    let world = World::new();
    for subject in [
        ALICE.to_owned(),
        ALICE.to_uppercase(),
        format!("{{{ALICE}}}"),
        ALICE.replace('-', ""),
    ] {
        let principal = world.claims(json!({ "sub": subject })).unwrap();
        assert_eq!(principal.subject.as_str(), ALICE, "{subject}");
    }
    for subject in [
        "alice",
        "*",
        "urn:uuid:a11ce000-0000-4000-8000-000000000001",
        "a11ce000-0000-4000-8000-000000000001 ",
        "a11ce000-0000-4000-8000-00000000000",
        "a11ce000-0000-4000-8000-000000000001\u{0}",
    ] {
        let result = world.claims(json!({ "sub": subject }));
        assert_eq!(result, refused(TokenError::Subject), "{subject:?}");
    }
    assert_eq!(
        world.claims(json!({ "sub": "" })),
        refused(TokenError::Claim)
    );
}

#[test]
fn a_subject_can_be_in_another_claim() {
    let world = World::with(json!({ "claims": { "subject": "user.id" } }));
    let ask = |user: Value| world.claims(json!({ "sub": "auth0|1", "user": user }));
    assert_eq!(ask(json!({ "id": ALICE })).unwrap().subject.as_str(), ALICE);
    for user in [
        json!({}),
        json!({ "id": 1 }),
        json!({ "id": null }),
        json!(ALICE),
        json!([{ "id": ALICE }]),
    ] {
        assert_eq!(ask(user.clone()), refused(TokenError::Claim), "{user}");
    }
    let dotted = world.claims(json!({ "user.id": ALICE }));
    assert_eq!(dotted, refused(TokenError::Claim));
}

#[test]
fn roles_come_from_their_claim_and_from_nowhere_else() {
    let world = World::with(json!({ "claims": { "roles": "app_metadata.roles" } }));
    let ask = |roles: Value| {
        let claims = json!({ "app_metadata": { "roles": roles }, "roles": ["root"] });
        world.claims(claims).map(|principal| principal.roles)
    };
    let roles = |names: &[&str]| Ok(names.iter().map(|name| Arc::from(*name)).collect());
    let many = |count: usize| json!(vec!["r"; count]);
    assert_eq!(ask(json!("a,b")), roles(&["a,b"]));
    assert_eq!(ask(json!(["a", "b c"])), roles(&["a", "b c"]));
    assert_eq!(ask(json!([])), roles(&[]));
    assert_eq!(ask(many(64)), roles(&["r"; 64]));
    assert!(ask(json!("r".repeat(128))).is_ok());
    for wrong in [
        json!(1),
        json!(null),
        json!(true),
        json!({ "a": true }),
        json!(["a", 1]),
        json!([["a"]]),
        json!(""),
        json!(["a", ""]),
        json!("a\r\nX-Sidegate-Roles: root"),
        json!("a\u{0}"),
        json!("r".repeat(129)),
        many(65),
    ] {
        let result = ask(wrong.clone());
        assert_eq!(result, Err(TokenError::Claim.into()), "{wrong}");
    }
    for absent in [json!({}), json!({ "app_metadata": {} })] {
        let claims = super::merged(json!({ "roles": ["root"] }), absent);
        assert!(world.claims(claims).unwrap().roles.is_empty());
    }
    let none = World::new();
    let claims = json!({ "roles": ["root"], "app_metadata": { "roles": ["root"] } });
    assert!(none.claims(claims).unwrap().roles.is_empty());
}
