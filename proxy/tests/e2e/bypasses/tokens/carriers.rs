//! Where tokens are and what they are for: one place, one purpose.

use super::*;
use crate::bypasses::send;
use crate::process::token;

/// Of several tokens in header, query and cookie each reader took another one.
#[test]
fn t6_kong_9946() {
    let scene = with_issuers(
        &format!(
            "  - {{ issuer: \"{ISSUER}\", audiences: [api], algorithms: [HS256], keys: [{{ secret: \"{SECRET}\" }}], sources: [bearer, {{ header: X-Token }}, {{ cookie: session }}, {{ websocket_protocol: \"bearer.\" }}] }}"
        ),
        "",
        &[],
    );
    let good = token(ALICE);
    let carriers = [
        ("Authorization", format!("Bearer {good}")),
        ("X-Token", good.clone()),
        ("Cookie", format!("session={good}")),
        ("Sec-WebSocket-Protocol", format!("bearer.{good}")),
    ];
    for (name, value) in &carriers {
        let one = (*name, &**value);
        scene.arrives(request("GET", "/me", &[one]));
        for (name, value) in &carriers {
            // The same twice, and two of which one is good, in either order.
            for second in [
                value.clone(),
                value.replace(&good, "x.y.z"),
                value.replace(&good, &hs256(json!({ "sub": YOURS }))),
            ] {
                scene.never(request("GET", "/me", &[one, (*name, &second)]));
                scene.never(request("GET", "/me", &[(*name, &second), one]));
            }
        }
    }
    scene.never(request(
        "GET",
        "/me",
        &[("Cookie", &format!("session={good}; session=x.y.z"))],
    ));
    scene.never(request(
        "GET",
        "/me",
        &[("Authorization", "Basic YTpi"), ("X-Token", &good)],
    ));
    // The query is no place for one.
    for name in ["jwt", "access_token", "token", "session"] {
        scene.never(request("GET", &format!("/me?{name}={good}"), &[]));
        let arrived = scene.arrives(by_alice("GET", &format!("/me?{name}=x.y.z"), &[]));
        assert_eq!(arrived.values("x-sidegate-subject"), [ALICE]);
    }
}

/// A service's token was accepted by an interface that it was not made for.
#[test]
fn t9_cve_2024_47616() {
    let admin = "a token of whoever administers";
    let scene = with_issuers(
        &format!(
            "  - {{ issuer: \"{ISSUER}\", audiences: [api], algorithms: [HS256], keys: [{{ secret: \"{SECRET}\" }}], token_types: [at+jwt] }}"
        ),
        &format!("\nadmin: {{ listen: \"127.0.0.1:0\", token: \"{admin}\" }}"),
        &[],
    );
    let typed = |typ: &str, changes: Value| {
        signed(
            &format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#),
            &claims(changes).to_string(),
            SECRET.as_bytes(),
        )
    };
    let good = typed("at+jwt", json!({}));
    let arrived = scene.arrives(me(&good));
    let assertion = arrived.values("x-sidegate-assertion")[0].to_owned();
    for other in [
        // What we tell the application, who may administer, an id token, a token for somebody else.
        &*assertion,
        admin,
        &hs256(json!({})),
        &typed("JWT", json!({})),
        &typed("authz-assertion+jwt", json!({})),
        &typed("at+jwt", json!({ "aud": "app" })),
        &typed("at+jwt", json!({ "aud": "sidegate" })),
        &typed("at+jwt", json!({ "iss": "sidegate" })),
    ] {
        scene.never(me(other));
    }
    let asks = |token: &str| {
        let head = format!(
            "GET /metrics HTTP/1.1\r\nHost: {}\r\n",
            scene.sidegate.admin
        );
        let raw = format!("{head}Authorization: Bearer {token}\r\nConnection: close\r\n\r\n");
        send(scene.sidegate.admin, raw.as_bytes())
    };
    for user in [&good, &assertion, SECRET, ""] {
        assert_eq!(asks(user), Some(401));
    }
    assert_eq!(asks(admin), Some(200));
    scene.arrives(me(&good));
}
