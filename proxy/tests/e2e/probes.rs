//! The probe table of the design's attack notes, line by line: what a bare proxy of this kind
//! forwards is refused here, or made canonical. (The slow header is among the limits.)

use crate::process::{ALICE, MINE, Sidegate, YOURS, config, relaxed, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

fn setup() -> (Recorder, Sidegate) {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    (recorder, sidegate)
}

fn relaxed_setup(rules: &str) -> (Recorder, Sidegate) {
    let recorder = Recorder::start();
    let config = relaxed(&config(recorder.address, ""), rules);
    let sidegate = Sidegate::run(&config);
    (recorder, sidegate)
}

/// Refused with 400, and the application never heard of it.
fn refused(setup: &(Recorder, Sidegate), raw: impl AsRef<[u8]>) {
    let shown = String::from_utf8_lossy(raw.as_ref()).into_owned();
    let reply = ask(setup.1.proxy, raw);
    assert_eq!(reply.status, 400, "{shown:?}");
    assert_eq!(setup.0.received().len(), 0, "{shown:?}");
}

#[test]
fn targets_that_are_not_in_origin_form_are_refused() {
    let setup = setup();
    for target in [
        "admin/secret",
        "foo://h/public/x",
        "http://app.test/public/x",
        "?x",
        "*",
        "//h/public/x",
    ] {
        refused(&setup, request("GET", target, &[]));
    }
}

#[test]
fn paths_with_two_readings_are_refused() {
    let setup = setup();
    for target in [
        "/public/../me",
        "/public/./../me",
        "/public/%2e%2e/me",
        "/public/.%2E/me",
        "/public/..%2fme",
        "/public/..%5cme",
        "/public\\..\\me",
        "/public//x",
        "/public/%2fme",
        "/public/x;y",
        "/public/..;/me",
        "/public/%3bx",
        "/public/%252e%252e/me",
        "/public/%00",
        "/public/%ff",
        "/public/x%23y",
        "/public/%zz",
    ] {
        refused(&setup, request("GET", target, &[]));
    }
}

#[test]
fn a_byte_that_is_not_ascii_is_refused() {
    refused(
        &setup(),
        b"GET /public/\xff HTTP/1.1\r\nHost: app.test\r\n\r\n",
    );
}

#[test]
fn a_request_needs_exactly_one_good_host() {
    let setup = setup();
    refused(&setup, "GET /a HTTP/1.1\r\n\r\n");
    refused(&setup, "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    for host in ["", "a b", "a,b", "u@a"] {
        refused(&setup, format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
}

#[test]
fn bare_line_feeds_are_refused_or_made_canonical() {
    let bare = "GET /a HTTP/1.1\nHost: app.test\nX-A: b\n\n";
    refused(&setup(), bare);
    let (recorder, sidegate) = relaxed_setup("bare_lf");
    let reply = ask(sidegate.proxy, bare);
    // The recorder stops at a line that does not end in CRLF.
    assert_eq!(
        (reply.status, recorder.only().values("x-a")),
        (200, vec!["b"])
    );
}

#[test]
fn a_method_that_no_route_can_have_is_refused() {
    let setup = setup();
    for method in ["BREW", "get", "TRACE", "PROPFIND"] {
        refused(&setup, request(method, "/a", &[]));
    }
}

#[test]
fn a_body_has_one_length() {
    let setup = setup();
    let twice = [("Content-Length", "2"), ("Content-Length", "2")];
    refused(&setup, request("POST", "/public/x", &twice) + "ab");
    for encoding in ["gzip, chunked", "chunked, chunked", ", chunked"] {
        let reply = ask(
            setup.1.proxy,
            request("POST", "/public/x", &[("Transfer-Encoding", encoding)]) + "0\r\n\r\n",
        );
        assert_eq!(
            (reply.status, setup.0.received().len()),
            (400, 0),
            "{encoding}"
        );
    }
    // Both lengths: one framing arrives, and the connection is not used again.
    let (recorder, sidegate) = setup;
    let mut wire = Wire::connect(sidegate.proxy);
    let both = [("Content-Length", "6"), ("Transfer-Encoding", "chunked")];
    wire.send(
        request("POST", "/public/x", &both) + "0\r\n\r\nGET /me HTTP/1.1\r\nHost: app.test\r\n\r\n",
    );
    let status = wire.reply().unwrap().status;
    assert!(wire.is_closed());
    let received = recorder.received();
    match status {
        400 => assert_eq!(received.len(), 0),
        200 => {
            assert_eq!(received.len(), 1);
            assert_eq!(received[0].values("content-length").len(), 0);
            assert_eq!(
                (received[0].values("transfer-encoding"), &*received[0].body),
                (vec!["chunked"], &b"0\r\n\r\n"[..])
            );
        }
        other => panic!("{other}"),
    }
}

#[test]
fn connection_names_no_header() {
    let setup = setup();
    for option in [
        "x-user-id",
        "x-sidegate-subject",
        "authorization",
        "close, x-a",
        "keep-alive, host",
    ] {
        refused(
            &setup,
            request("GET", "/a", &[("Connection", option), ("X-User-Id", "7")]),
        );
    }
}

#[test]
fn an_upgrade_is_not_passed_on() {
    let (recorder, sidegate) = setup();
    for upgrade in ["h2c", "websocket", "TLS/1.0"] {
        let headers = [
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", upgrade),
            ("HTTP2-Settings", "AAMAAABk"),
        ];
        let reply = ask(sidegate.proxy, request("GET", "/a", &headers));
        let received = recorder.only();
        assert_eq!(reply.status, 200, "{upgrade}");
        for name in ["upgrade", "http2-settings"] {
            assert_eq!(received.values(name), [""; 0], "{upgrade}");
        }
    }
}

#[test]
fn a_fragment_is_not_passed_on() {
    refused(&setup(), request("GET", "/a#b", &[]));
    let (recorder, sidegate) = relaxed_setup("fragment");
    let reply = ask(sidegate.proxy, request("GET", "/a#b", &[]));
    assert_eq!(
        (reply.status, recorder.only().request_line()),
        (200, "GET /a HTTP/1.1")
    );
}

#[test]
fn what_was_decided_on_is_what_is_sent() {
    let (recorder, sidegate) = setup();
    let authorization = format!("Bearer {}", token(ALICE));
    let upper = MINE.to_uppercase().replace('E', "%65");
    let reply = ask(
        sidegate.proxy,
        request(
            "GET",
            &format!("/%67/{upper}?q=%2e%2e/&r=;"),
            &[("Authorization", &authorization)],
        ),
    );
    let received = recorder.only();
    assert_eq!(reply.status, 200);
    let path = format!("/g/{}", MINE.to_uppercase().replace('E', "e"));
    assert_eq!(
        received.request_line(),
        format!("GET {path}?q=%2e%2e/&r=; HTTP/1.1")
    );
    assert_eq!(
        received.values("x-sidegate-authorized"),
        [format!("read generation:{MINE}")]
    );
    let denied = ask(
        sidegate.proxy,
        request(
            "GET",
            &format!("/g/{YOURS}"),
            &[("Authorization", &authorization)],
        ),
    );
    assert_eq!((denied.status, recorder.received().len()), (403, 0));
}

#[test]
fn no_spelling_of_our_headers_survives() {
    let odd = [("X_Sidegate_Subject", "forged")];
    refused(&setup(), request("GET", "/a", &odd));
    let (recorder, sidegate) = relaxed_setup("header_names");
    let authorization = format!("Bearer {}", token(ALICE));
    let forged = [
        "X-Sidegate-Subject",
        "x_sidegate_subject",
        "X-SIDEGATE_SUBJECT",
        "X--Sidegate-Subject",
        "HTTP-X-Sidegate-Subject",
        "X.Sidegate.Subject",
        "X-Sidegate-Authorized",
        "X-Sidegate-New",
        "X-Forwarded-For",
        "X_Forwarded_User",
        "Forwarded",
        "X-Real-IP",
        "X-Original-URL",
        "X-HTTP-Method-Override",
        "Proxy",
    ];
    let mut headers: Vec<(&str, &str)> = forged.iter().map(|name| (*name, "forged")).collect();
    for target in ["/a", "/me"] {
        if target == "/me" {
            headers.push(("Authorization", &authorization));
        }
        let reply = ask(sidegate.proxy, request("GET", target, &headers));
        let received = recorder.only();
        assert_eq!(reply.status, 200);
        assert!(
            !received.lines.iter().any(|line| line.contains("forged")),
            "{received:?}"
        );
        let subject: &[&str] = if target == "/me" { &[ALICE] } else { &[] };
        assert_eq!(received.values("x-sidegate-subject"), subject);
        assert_eq!(received.values("x-forwarded-for"), ["127.0.0.1"]);
        // Nor does what the application claims in its answer.
        assert_eq!(reply.header("x-sidegate-subject"), None);
        assert_eq!(reply.header("x_sidegate_forged"), None);
        assert_eq!(
            reply.header("x-sidegate-decision-id"),
            Some(received.values("x-sidegate-decision-id")[0])
        );
    }
}
