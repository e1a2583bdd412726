//! The client's credentials: the application sees them only where its issuer says so.

use std::sync::Arc;

use serde_json::json;

use super::{World, alice, all, issuer, principal, request, wire};
use crate::authn::Carrier;
use crate::clearance::Clearance;
use crate::testing::ALICE;

/// Tokens of one issuer in a cookie, a WebSocket protocol and a header of its own.
fn world(forward: bool) -> World {
    let issuer = issuer(json!({
        "forward": forward,
        "sources": [
            "bearer",
            { "header": "X-Token" },
            { "cookie": "session" },
            { "websocket_protocol": "bearer." },
        ],
    }));
    World::with(json!({ "issuers": [issuer] }))
}

const SENT: [(&str, &str); 7] = [
    ("Authorization", "Bearer tok"),
    ("X-Token", "tok"),
    ("Cookie", "theme=dark; session=tok; lang=en"),
    ("Cookie", "session=\"tok\""),
    ("Cookie", "consent=yes"),
    ("Sec-WebSocket-Protocol", "chat, bearer.tok"),
    ("X-Unrelated", "kept"),
];

#[test]
fn credentials_of_an_issuer_that_does_not_forward_are_taken_out() {
    let world = world(false);
    for (name, clearance) in world.clearances() {
        let mut request = request(&SENT);
        world.rewrite(&mut request, &clearance, "192.0.2.1");
        assert!(!wire(&request).iter().any(|line| line.contains("tok\"")));
        assert!(!wire(&request).iter().any(|line| line.ends_with("tok")));
        assert_eq!(all(&request, "authorization"), [""; 0], "{name}");
        assert_eq!(all(&request, "x-token"), [""; 0], "{name}");
        let cookies = all(&request, "cookie");
        assert_eq!(cookies, ["theme=dark; lang=en", "consent=yes"], "{name}");
        assert_eq!(all(&request, "sec-websocket-protocol"), ["chat"], "{name}");
        assert_eq!(all(&request, "x-unrelated"), ["kept"], "{name}");
    }
}

#[test]
fn credentials_of_an_issuer_that_forwards_are_left_as_they_came() {
    let world = world(true);
    for (name, clearance) in world.clearances() {
        let mut request = request(&SENT);
        world.rewrite(&mut request, &clearance, "192.0.2.1");
        for (header, value) in SENT {
            assert!(all(&request, header).contains(&value), "{name}: {header}");
        }
    }
}

/// Two issuers share the header; only one of them forwards.
#[test]
fn the_issuer_of_the_verified_token_says_what_is_forwarded() {
    let issuers = json!([
        issuer(json!({ "forward": false })),
        issuer(json!({ "issuer": "https://other.example/" })),
        issuer(json!({
            "issuer": "https://third.example/", "forward": false, "sources": [{ "cookie": "session" }],
        })),
    ]);
    let world = World::with(json!({ "issuers": issuers }));
    let sees = |clearance: &Clearance| {
        let mut request = request(&[("Authorization", "Bearer tok"), ("Cookie", "session=tok")]);
        world.rewrite(&mut request, clearance, "192.0.2.1");
        let seen = |name: &str| !all(&request, name).is_empty();
        (seen("authorization"), seen("cookie"))
    };
    let by = |carrier: Carrier, forward: bool| {
        let mut principal = principal(ALICE, &[]);
        principal.carrier = Some((carrier, forward));
        world.clearance("/me", &Arc::new(principal))
    };
    assert_eq!(sees(&by(Carrier::Bearer, true)), (true, false));
    assert_eq!(sees(&by(Carrier::Bearer, false)), (false, false));
    // Nobody verified what is there: it may be a token of the issuer that forwards.
    let cookie = Carrier::Cookie("session".to_owned());
    assert_eq!(sees(&by(cookie, false)), (true, false));
    assert_eq!(
        sees(&world.clearance("/public", &alice(&[]))),
        (true, false)
    );
}

/// An application that folds names takes another spelling for the credential that was verified.
#[test]
fn other_spellings_of_a_credentials_header_are_taken_out() {
    for forward in [true, false] {
        let world = world(forward);
        for (name, clearance) in world.clearances() {
            for spelling in ["X_Token", "x.token", "Http-X-Token", "HTTP_AUTHORIZATION"] {
                let mut request = request(&[(spelling, "other"), ("X-Tokens", "kept")]);
                world.rewrite(&mut request, &clearance, "192.0.2.1");
                let text = wire(&request).join("\n");
                assert!(!text.contains("other"), "{name}: {spelling}: {text}");
                assert_eq!(all(&request, "x-tokens"), ["kept"]);
            }
        }
    }
}

#[test]
fn a_cookie_header_that_is_no_text_is_taken_out_as_a_whole() {
    let world = world(false);
    let clearance = world.clearance("/public", &alice(&[]));
    let mut request = request(&[]);
    let value = http::HeaderValue::from_bytes(b"session=tok; a=\xff").unwrap();
    request.append_header("Cookie", value).unwrap();
    world.rewrite(&mut request, &clearance, "192.0.2.1");
    assert_eq!(all(&request, "cookie"), [""; 0]);
}
