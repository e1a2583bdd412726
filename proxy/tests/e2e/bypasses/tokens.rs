//! Tokens: what they say, who has signed them, and what happens where nobody can know.
//!
//! Keys are in [`keys`]; where tokens are, and what they are for, in [`carriers`].

mod carriers;
mod keys;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Scene, by_alice};
use crate::process::{ALICE, ISSUER, MINE, SECRET, YOURS, config};
use crate::wire::{Reply, ask, request};

/// The line of the tests' configuration that names the issuer.
fn issuer_line(text: &str) -> &str {
    let mut lines = text.lines();
    lines.find(|line| line.contains("issuer:")).unwrap()
}

/// With other issuers in place of the tests' own, and files beside the configuration.
fn with_issuers(issuers: &str, more: &str, files: &[(&str, &str)]) -> Scene {
    let text = |application| {
        let plain = config(application, more);
        plain.replace(issuer_line(&plain), issuers)
    };
    Scene::configured(text, files)
}

/// Seconds since 1970.
fn now() -> u64 {
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    epoch.elapsed().unwrap().as_secs()
}

/// The claims of a good token of Alice's, with some replaced; `null` leaves one out.
fn claims(changes: Value) -> Value {
    let mut all =
        json!({ "iss": ISSUER, "aud": "api", "sub": ALICE, "iat": now(), "exp": now() + 600 });
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    all.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    all
}

/// Exactly this header and these claims, signed with HMAC-SHA-256.
fn signed(header: &str, claims: &str, secret: &[u8]) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token of the tests' issuer.
fn hs256(changes: Value) -> String {
    let claims = claims(changes).to_string();
    signed(r#"{"alg":"HS256"}"#, &claims, SECRET.as_bytes())
}

/// What needs a subject, with this token.
fn me(token: &str) -> String {
    request(
        "GET",
        "/me",
        &[("Authorization", &format!("Bearer {token}"))],
    )
}

/// Values that are neither a text nor a list of texts.
const TYPES: [&str; 8] = [
    "1",
    "1.5",
    "null",
    "true",
    "{}",
    "[1]",
    "{\"api\":1}",
    "[[\"api\"]]",
];

/// A claim of a type that nobody expected counted as one that was not there.
#[test]
fn t1_cve_2026_25537() {
    let scene = Scene::new();
    let written = |name: &str, value: &str| {
        let mut rest = claims(json!({}));
        rest.as_object_mut().unwrap().remove(name);
        let rest = rest.to_string();
        let claims = format!("{{\"{name}\":{value},{}", &rest[1..]);
        me(&signed(r#"{"alg":"HS256"}"#, &claims, SECRET.as_bytes()))
    };
    let (past, future) = (now() - 50, now() + 500);
    for name in ["exp", "iat", "nbf"] {
        for value in [
            format!("\"{future}\""),
            format!("\"{past}\""),
            format!("{future}.5"),
            format!("{past}.0"),
            format!("[{future}]"),
            format!("{{\"a\":{future}}}"),
            "-1".into(),
            "1e400".into(),
            "99999999999999999999".into(),
            "18446744073709551615".into(),
            "null".into(),
            "true".into(),
            "\"\"".into(),
            "[]".into(),
        ] {
            scene.never(written(name, &value));
        }
    }
    for name in ["iss", "aud", "sub", "jti"] {
        for value in TYPES {
            scene.never(written(name, value));
        }
    }
    for (name, value) in [
        ("iss", format!("[\"{ISSUER}\"]")),
        ("sub", format!("[\"{ALICE}\"]")),
        ("aud", "[\"api\",1]".to_owned()),
        ("aud", "[]".to_owned()),
        ("nbf", future.to_string()),
        ("exp", past.to_string()),
        ("sub", format!("\"{ALICE}\",\"sub\":\"{YOURS}\"")),
    ] {
        scene.never(written(name, &value));
    }
    for (name, value) in [
        ("nbf", past.to_string()),
        ("exp", future.to_string()),
        ("aud", "[\"other\",\"api\"]".to_owned()),
        ("jti", "\"1\"".to_owned()),
    ] {
        scene.arrives(written(name, &value));
    }
}

/// Where authentication was optional, a token of an unknown issuer made nobody of its bearer, who was let in.
#[test]
fn t3_cve_2021_21378() {
    let scene = Scene::with(
        "  - { methods: [GET], path: /new, access: authenticated, unknown_subject: allow }",
    );
    let bad = [
        hs256(json!({ "iss": "https://unknown.test/" })),
        hs256(json!({ "iss": "" })),
        hs256(json!({ "iss": null })),
        hs256(json!({ "exp": now() - 100 })),
        format!("{}x", hs256(json!({}))),
        "x.y.z".to_owned(),
    ];
    for token in &bad {
        let headers = [("Authorization", &*format!("Bearer {token}"))];
        for path in ["/me", "/new", &format!("/g/{MINE}")] {
            scene.never(request("GET", path, &headers));
        }
        // Where nothing is asked for, a bad token is nobody's.
        let arrived = scene.arrives(request("GET", "/a", &headers));
        assert_eq!(arrived.values("x-sidegate-subject"), [""; 0]);
    }
    for path in ["/me", "/new"] {
        scene.never(request("GET", path, &[]));
        let arrived = scene.arrives(by_alice("GET", path, &[]));
        assert_eq!(arrived.values("x-sidegate-subject"), [ALICE]);
    }
}

/// A token without `exp`, where nobody had configured that it needs one.
#[test]
fn t7_kong_default() {
    let scene = Scene::new();
    for name in ["exp", "iat", "aud", "iss", "sub"] {
        let mut without = json!({});
        without[name] = Value::Null;
        scene.never(me(&hs256(without)));
    }
    let year = 365 * 24 * 3600;
    scene.never(me(&hs256(json!({ "exp": now() + year }))));
    scene.never(me(&hs256(
        json!({ "iat": now() - year, "exp": now() - 60 }),
    )));
    scene.never(me(&hs256(
        json!({ "iat": now() + 600, "exp": now() + 1200 }),
    )));
    scene.arrives(me(&hs256(json!({ "nbf": null, "jti": null }))));
}

/// An address with two `@` was of one domain for the rule and of another for everybody else.
#[test]
fn t8_cve_2026_40574() {
    let scene = Scene::new();
    for subject in [
        format!("{ALICE}@evil.test"),
        format!("{ALICE}@evil.test@app.test"),
        format!("{ALICE},{YOURS}"),
        format!("{ALICE} "),
        format!(" {ALICE}"),
        format!("{ALICE}\u{0}"),
        format!("{ALICE}\n"),
        "a@evil.test@app.test".into(),
        "*".into(),
        "%".into(),
        String::new(),
    ] {
        scene.never(me(&hs256(json!({ "sub": subject }))));
    }
    let arrived = scene.arrives(me(&hs256(json!({ "sub": ALICE.to_uppercase() }))));
    assert_eq!(
        arrived.values("x-sidegate-subject"),
        [ALICE],
        "one uuid, one spelling"
    );

    // Where ids are text, they are compared whole, and written so that nobody reads two out of one.
    let directory = "users: [{ id: \"a@app.test\", active: true }, { id: \"b,c\", active: true }]";
    let texts = |application| {
        let kinds = "kinds: { generation: { id: uuid } }";
        config(application, "").replace(
            kinds,
            "subject_id: text\n  kinds: { generation: { id: text } }",
        )
    };
    let scene = Scene::configured(texts, &[("directory.yaml", directory)]);
    for subject in [
        "a@evil.test@app.test",
        "a@app.test@evil.test",
        "A@app.test",
        "a@app.test ",
        "a@APP.test",
        "a@app.test,b",
        "b",
        "c",
    ] {
        scene.never(me(&hs256(json!({ "sub": subject }))));
    }
    for subject in ["a@app.test", "b,c"] {
        let arrived = scene.arrives(me(&hs256(json!({ "sub": subject }))));
        assert_eq!(arrived.values("x-sidegate-subject"), [subject]);
    }
}

/// The time of an answer told known users from unknown ones. Also comparisons that are not in constant time.
/// That the comparison is in constant time is the library's; that the answers are the same is here.
#[test]
fn t10_cve_2026_41263() {
    let scene = Scene::new();
    let answer = |raw: &str| {
        let Reply {
            status,
            mut headers,
            body,
        } = ask(scene.sidegate.proxy, raw);
        headers.retain(|(name, _)| name != "x-sidegate-decision-id" && name != "date");
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, headers, body["title"].clone(), body["type"].clone())
    };
    let wrong = |subject: &str| {
        let claims = claims(json!({ "sub": subject })).to_string();
        signed(
            r#"{"alg":"HS256"}"#,
            &claims,
            b"another secret of no less than 32 bytes",
        )
    };
    // A known user's bad token, an unknown user's, and one that is none.
    let known = answer(&me(&wrong(ALICE)));
    assert_eq!(known.0, 401);
    assert_eq!(answer(&me(&wrong(YOURS))), known);
    assert_eq!(answer(&me(&wrong("nobody"))), known);
    assert_eq!(answer(&me("x.y.z")), known);
    // What is somebody else's, and what is not there.
    let denied = answer(&by_alice("GET", &format!("/g/{YOURS}"), &[]));
    assert_eq!(denied.0, 403);
    assert_eq!(
        answer(&by_alice(
            "GET",
            &format!("/g/{}", YOURS.replace("6e", "6f")),
            &[]
        )),
        denied
    );
    assert!(scene.recorder.received().is_empty());
    scene.arrives(by_alice("GET", &format!("/g/{MINE}"), &[]));
}
