//! How much a client may send, how slowly, and how often wrongly.

use std::io::Write as _;
use std::net::TcpStream;

use crate::caching::sum;
use crate::process::{ALICE, Sidegate, config, eventually, relaxed, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

fn with(more: &str) -> (Recorder, Sidegate) {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, more);
    (recorder, sidegate)
}

/// How many requests have been refused for this reason.
fn refused_for(sidegate: &Sidegate, reason: &str) -> u64 {
    let series = format!("sidegate_requests_total{{outcome=\"deny\",reason=\"{reason}\",");
    sum(sidegate, &series)
}

/// Waits until so many have been: a request is counted after it was answered.
fn counts(sidegate: &Sidegate, reason: &str, expected: u64) {
    eventually(reason, || {
        (refused_for(sidegate, reason) == expected).then_some(())
    });
}

#[test]
fn a_head_arrives_whole_in_time_or_is_cut_off() {
    let (recorder, sidegate) = with("\nlimits: { header_timeout: 300ms, keepalive_timeout: 1s }");
    // A line that never ends; a head whose lines arrive and whose end does not; silence.
    let mut slow = Wire::connect(sidegate.proxy);
    slow.send("GET /a HTTP/1.1\r\nHost: app.test\r\n");
    let (mut dripping, mut drip) = (Wire::connect(sidegate.proxy), 0_u32);
    dripping.send("GET /a HTTP/1.1\r\nHost: app.test\r\n");
    let mut silent = Wire::connect(sidegate.proxy);
    // Each line comes well before a deadline that began with the last one.
    eventually("the dripping client is cut off", || {
        drip += 1;
        let sent = dripping.try_send(format!("X-{drip}: a\r\n"));
        (sent.is_err() || refused_for(&sidegate, "head_too_slow") == 2).then_some(())
    });
    assert_eq!(slow.reply().unwrap().status, 408);
    assert!(slow.is_closed());
    assert!(silent.is_closed());
    // A second head on a connection has the same time.
    let mut second = Wire::connect(sidegate.proxy);
    second.send(request("GET", "/a", &[]));
    assert_eq!(second.reply().unwrap().status, 200);
    second.send("GET /a HT");
    assert_eq!(second.reply().unwrap().status, 408);
    assert!(second.is_closed());
    assert_eq!(recorder.received().len(), 1);
    counts(&sidegate, "head_too_slow", 3);
}

#[test]
fn a_head_in_pieces_is_a_head() {
    let (recorder, sidegate) = with("");
    let mut wire = Wire::connect(sidegate.proxy);
    let whole = request("POST", "/public/x", &[("Content-Length", "5")]) + "hello";
    for byte in whole.as_bytes() {
        wire.send([*byte]);
    }
    assert_eq!(wire.reply().unwrap().status, 200);
    assert_eq!(recorder.only().body, b"hello");
}

#[test]
fn heads_and_targets_are_as_large_as_they_may_be() {
    let limits = "\nlimits: { max_headers: 3, max_header_bytes: 10000 }";
    let (recorder, sidegate) = with(limits);
    let status = |raw: String| ask(sidegate.proxy, raw).status;
    let headers = |count: usize| {
        let more: Vec<_> = (1..count).map(|_| ("X-A", "b")).collect();
        request("GET", "/a", &more)
    };
    assert_eq!(status(headers(3)), 200);
    assert_eq!(status(headers(4)), 431);
    let bare = request("GET", "/a", &[("X-A", "")]).len();
    let bytes = |length: usize| request("GET", "/a", &[("X-A", &"b".repeat(length - bare))]);
    assert_eq!(status(bytes(10_000)), 200);
    assert_eq!(status(bytes(10_001)), 431);
    let target = |length: usize| request("GET", &format!("/a?{}", "b".repeat(length - 3)), &[]);
    assert_eq!(status(target(8192)), 200);
    assert_eq!(status(target(8193)), 414);
    assert_eq!(status(format!("GET /{}", "a".repeat(9000))), 414);
    assert_eq!(status(request("GET", &"/a".repeat(65), &[])), 414);
    assert_eq!(recorder.received().len(), 3);
}

#[test]
fn a_body_is_as_long_as_it_may_be() {
    let limits = "limits: { max_body_bytes: 10, drain_timeout: 200ms }\n";
    let recorder = Recorder::start();
    let text = config(recorder.address, &format!("\n{limits}"));
    let text = text.replace(
        "path: \"/me\", access: authenticated }",
        "path: \"/me\", access: authenticated, max_body_bytes: 0 }",
    );
    let sidegate = Sidegate::run(&text);
    let sized = |length: usize| {
        let header = length.to_string();
        request("POST", "/public/x", &[("Content-Length", &header)]) + &"b".repeat(length)
    };
    assert_eq!(ask(sidegate.proxy, sized(10)).status, 200);
    assert_eq!(recorder.only().body.len(), 10);
    assert_eq!(ask(sidegate.proxy, sized(11)).status, 413);
    assert_eq!(recorder.received().len(), 0);
    // A route's own bound.
    let bearer = format!("Bearer {}", token(ALICE));
    let me = [("Authorization", bearer.as_str()), ("Content-Length", "1")];
    assert_eq!(
        ask(sidegate.proxy, request("POST", "/me", &me) + "b").status,
        413
    );
    assert_eq!(
        ask(sidegate.proxy, request("POST", "/me", &me[..1])).status,
        200
    );
    assert_eq!(recorder.received().len(), 1);
    // A length that is not known beforehand: the body never arrives whole.
    let chunked = [("Transfer-Encoding", "chunked")];
    let raw = request("POST", "/public/x", &chunked) + "6\r\nbbbbbb\r\n5\r\nbbbbb\r\n0\r\n\r\n";
    assert_eq!(ask(sidegate.proxy, raw).status, 413);
    assert_eq!(recorder.received().len(), 0);
    let fits = request("POST", "/public/x", &chunked) + "6\r\nbbbbbb\r\n4\r\nbbbb\r\n0\r\n\r\n";
    assert_eq!(ask(sidegate.proxy, fits).status, 200);
    assert_eq!(recorder.received().len(), 1);
    counts(&sidegate, "body_too_large", 3);
}

/// A request that breaks one rule, for each rule that a head can break.
fn rule_breakers() -> [(&'static str, String); 7] {
    let trailers = [("Trailer", "X-A"), ("Transfer-Encoding", "chunked")];
    let trailing = request("POST", "/public/x", &trailers) + "0\r\nX-A: b\r\n\r\n";
    let get = |target: &str, headers: &[(&str, &str)]| request("GET", target, headers);
    [
        ("bare_lf", "GET /a HTTP/1.1\nHost: app.test\n\n".to_owned()),
        ("obs_text", get("/a", &[("X-A", "caf\u{e9}")])),
        ("fragment", get("/a#b", &[])),
        ("header_names", get("/a", &[("X_A", "b")])),
        ("trailers", trailing),
        (
            "unexpected_body",
            get("/a", &[("Content-Length", "1")]) + "b",
        ),
        ("matrix_parameters", get("/public/x;y=1", &[])),
    ]
}

#[test]
fn a_rule_is_broken_counted_or_relaxed() {
    let recorder = Recorder::start();
    let text = config(recorder.address, "");
    let strict = Sidegate::run(&text);
    let reporting = Sidegate::run(&(text.clone() + "\nhardening: { mode: report_only }\n"));
    for (rule, raw) in rule_breakers() {
        let reply = ask(strict.proxy, &raw);
        assert_eq!(
            (reply.status, recorder.received().len()),
            (400, 0),
            "{rule}"
        );
        counts(&strict, rule, 1);

        let lenient = Sidegate::run(&relaxed(&text, rule));
        assert_eq!(ask(lenient.proxy, &raw).status, 200, "{rule}");
        let received = recorder.only();
        for gone in ["X_A", "#", "Trailer"] {
            let holds = |line: &String| line.contains(gone);
            assert!(!received.lines.iter().any(holds), "{rule}: {received:?}");
        }
        let trailer = received.body.windows(3).any(|part| part == b"X-A");
        assert!(!trailer, "{rule}: {received:?}");

        let would = format!("sidegate_would_refuse_total{{rule=\"{rule}\"}}");
        let before = (sum(&lenient, &would), sum(&reporting, &would));
        assert_eq!(before, (0, 0), "{rule}");
        assert_eq!(ask(reporting.proxy, &raw).status, 200, "{rule}");
        let after = (recorder.received().len(), sum(&reporting, &would));
        assert_eq!(after, (1, 1), "{rule}");
    }
}

#[test]
fn a_matrix_parameter_never_leads_to_another_rule() {
    let recorder = Recorder::start();
    let more = r#"
  - { methods: [GET], path: "/open/{*rest}", access: public, relax: [matrix_parameters] }
  - { methods: [GET], path: "/open/admin", access: authenticated }
  - { methods: [GET], path: "/t/{id}", action: read, relax: [matrix_parameters], resource: { kind: note, id: { path: id } } }
"#;
    let text = config(recorder.address, more).replace("kinds: {", "kinds: { note: { id: text },")
        + "\nhardening: { mode: report_only }\n";
    let sidegate = Sidegate::run(&text);
    let bearer = format!("Bearer {}", token(ALICE));
    for target in [
        "/open/admin;x",
        "/open/admin;",
        "/open/x;/../admin",
        "/t/a;b",
    ] {
        let raw = request("GET", target, &[("Authorization", &bearer)]);
        let reply = ask(sidegate.proxy, raw);
        assert_eq!(
            (reply.status, recorder.received().len()),
            (400, 0),
            "{target}"
        );
    }
    let reply = ask(sidegate.proxy, request("GET", "/open/x;admin/y", &[]));
    assert_eq!(reply.status, 200);
    assert_eq!(
        recorder.only().request_line(),
        "GET /open/x;admin/y HTTP/1.1"
    );
}

#[test]
fn a_connection_whose_framing_is_doubtful_is_closed() {
    let (recorder, sidegate) = with("");
    for headers in [
        &[("Content-Length", "1"), ("Content-Length", "1")][..],
        &[("Transfer-Encoding", "chunked"), ("Content-Length", "1")],
        &[("Connection", "x-a")],
    ] {
        let mut wire = Wire::connect(sidegate.proxy);
        let hidden = request("GET", "/a", &[]);
        wire.send(request("POST", "/public/x", headers) + "0\r\n\r\n" + &hidden);
        assert_eq!(wire.reply().unwrap().status, 400, "{headers:?}");
        assert!(wire.is_closed(), "{headers:?}");
    }
    assert_eq!(recorder.received().len(), 0);
}

#[test]
fn a_body_that_falls_silent_or_apart_is_the_clients_fault() {
    let recorder = Recorder::start();
    let limits = "\nlimits: { read_timeout: 1s, drain_timeout: 200ms }";
    let text = config(recorder.address, limits).replace("read_timeout: 500ms", "read_timeout: 20s");
    let sidegate = Sidegate::run(&text);
    let post = |headers: &[(&str, &str)], body: &str| {
        ask(sidegate.proxy, request("POST", "/public/x", headers) + body).status
    };
    assert_eq!(post(&[("Content-Length", "10")], "abc"), 408);
    counts(&sidegate, "body_timed_out", 1);
    let chunked = [("Transfer-Encoding", "chunked")];
    assert_eq!(post(&chunked, "zz\r\nabc\r\n"), 400);
    counts(&sidegate, "malformed_body", 1);
    assert_eq!(post(&chunked, "3\r\nabc\r\n0\r\n\r\n"), 200);
    // Whatever began to arrive never was a whole request.
    let whole = recorder.received();
    assert_eq!(whole.len(), 1, "{whole:?}");
}

#[test]
fn whatever_is_refused_for_its_form_is_ours_to_answer() {
    let (recorder, sidegate) = with("");
    let with_header =
        |header: &str| format!("POST /public/x HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
    for raw in [
        with_header("Content-Length: abc"),
        with_header("Content-Length: 5, 6"),
        with_header("Content-Length: 5\r\nContent-Length: 6"),
        with_header("Transfer-Encoding: gzip"),
        with_header("Transfer-Encoding: chunked, gzip"),
        with_header("Host: b"),
        "POST /public/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n\r\n".to_owned(),
    ] {
        let reply = ask(sidegate.proxy, &raw);
        assert_eq!(reply.status, 400, "{raw:?}");
        assert!(
            reply.header("x-sidegate-decision-id").is_some(),
            "{raw:?}: {reply:?}"
        );
    }
    counts(&sidegate, "malformed_head", 10);
    assert_eq!(recorder.received().len(), 0);
    let line = sidegate.logged("CONNECT is not served");
    assert!(
        line.contains("127.0.0.1") && line.contains("malformed_head"),
        "{line}"
    );
}

#[test]
fn an_answer_is_not_lost_to_a_client_that_goes_on_sending() {
    let (recorder, sidegate) = with("");
    let mut stream = TcpStream::connect(sidegate.proxy).unwrap();
    stream
        .write_all(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    stream.write_all(&[b'x'; 100_000]).unwrap();
    let reply = Wire::over(stream).reply().unwrap();
    assert_eq!(
        (reply.status, reply.header("connection")),
        (400, Some("close"))
    );
    assert!(reply.json()["decision_id"].is_string());
    assert_eq!(recorder.received().len(), 0);
}
