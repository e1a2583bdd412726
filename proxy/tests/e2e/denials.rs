//! Refusals: cheap for the client's connection, silent about reasons, and never a way in.

use crate::process::{ALICE, Sidegate, YOURS, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

#[test]
fn a_thousand_denials_use_one_connection() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let authorization = format!("Bearer {}", token(ALICE));
    let denied = request(
        "GET",
        &format!("/g/{YOURS}"),
        &[("Authorization", &authorization)],
    );
    let mut wire = Wire::connect(sidegate.proxy);
    for round in 0..1000 {
        wire.send(&denied);
        assert_eq!(
            wire.reply().map(|reply| reply.status),
            Some(403),
            "round {round}"
        );
    }
    // And it still serves what is allowed.
    wire.send(request("GET", "/a", &[]));
    assert_eq!(wire.reply().unwrap().status, 200);
    assert_eq!(recorder.received().len(), 1);
}

#[test]
fn a_refusal_says_nothing_but_the_decisions_id() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(
        recorder.address,
        "cors: { origins: [\"https://app.test\"] }",
    );
    let authorization = format!("Bearer {}", token(ALICE));
    for (status, target, headers, challenge) in [
        (401, "/me", vec![], Some("Bearer realm=\"sidegate\"")),
        (
            401,
            "/me",
            vec![("Authorization", "Bearer x.y.z")],
            Some("Bearer realm=\"sidegate\", error=\"invalid_token\""),
        ),
        (
            400,
            "/me",
            vec![("Authorization", "Bearer x"), ("Authorization", "Bearer y")],
            Some("Bearer realm=\"sidegate\", error=\"invalid_request\""),
        ),
        (
            403,
            "/g/6e000000-0000-4000-8000-000000000002",
            vec![("Authorization", &authorization)],
            None,
        ),
        (404, "/nowhere", vec![], None),
    ] {
        let reply = ask(sidegate.proxy, request("GET", target, &headers));
        assert_eq!(
            (reply.status, reply.header("www-authenticate")),
            (status, challenge),
            "{target}"
        );
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let problem = reply.json();
        assert_eq!(problem["status"], status);
        assert_eq!(
            problem["decision_id"],
            reply.header("x-sidegate-decision-id").unwrap()
        );
        assert_eq!(
            problem.as_object().unwrap().len(),
            4,
            "type, title, status, decision_id: {problem}"
        );
    }
}

#[test]
fn a_refusal_of_head_has_no_body_and_origins_may_read_refusals() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(
        recorder.address,
        "cors: { origins: [\"https://app.test\"] }",
    );
    let head = {
        let mut wire = Wire::connect(sidegate.proxy);
        wire.send(request("HEAD", "/me", &[]));
        wire.reply_to("HEAD").unwrap()
    };
    assert_eq!(head.status, 401);
    let origin = |origin: &str| {
        let reply = ask(sidegate.proxy, request("GET", "/me", &[("Origin", origin)]));
        assert_eq!(reply.header("vary"), Some("Origin"));
        reply
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(
        origin("https://app.test").as_deref(),
        Some("https://app.test")
    );
    assert_eq!(origin("https://evil.test"), None);
}

#[test]
fn the_body_of_a_refused_request_is_no_request() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let mut wire = Wire::connect(sidegate.proxy);
    let length = smuggled.len().to_string();
    wire.send(request("POST", "/me", &[("Content-Length", &length)]));
    assert_eq!(wire.reply().unwrap().status, 401);
    wire.send(smuggled);
    wire.send(request("GET", "/a", &[]));
    assert_eq!(wire.reply().unwrap().status, 200);
    assert_eq!(recorder.only().request_line(), "GET /a HTTP/1.1");
}

#[test]
fn a_body_that_never_comes_does_not_hold_the_connection() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let mut wire = Wire::connect(sidegate.proxy);
    wire.send(request("POST", "/me", &[("Content-Length", "100")]));
    assert_eq!(wire.reply().unwrap().status, 401);
    assert!(wire.is_closed());
    // Nor does one that the client was never told to send: what follows is not taken for it.
    let mut wire = Wire::connect(sidegate.proxy);
    wire.send(request(
        "POST",
        "/me",
        &[("Content-Length", "100"), ("Expect", "100-continue")],
    ));
    assert_eq!(wire.reply().unwrap().status, 401);
    assert!(wire.is_closed());
}

#[test]
fn an_application_that_is_down_or_slow_is_502_and_504() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    // The recorder closes the connection without an answer.
    let reply = ask(sidegate.proxy, request("GET", "/public/late", &[]));
    assert_eq!(reply.status, 502);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = Sidegate::start(silent.local_addr().unwrap(), "");
    assert_eq!(ask(slow.proxy, request("GET", "/a", &[])).status, 504);
    drop(silent);
    let reply = ask(slow.proxy, request("GET", "/a", &[]));
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (502, Some("application/problem+json"))
    );
}
