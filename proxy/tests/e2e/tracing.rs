//! Traces: what a span holds, who decides what is sampled, what the application is told, and that no collector
//! can hold up a request.

pub(crate) mod collector;
mod outages;

use std::net::{SocketAddr, TcpListener};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::process::{ALICE, MINE, Sidegate, token};
use crate::recorder::Recorder;
use crate::wire::{Reply, ask, request};
use collector::{Collector, Manner, attribute, attributes};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const TEAM: &str = "a-team-of-9f8e7d6c";
const TRUSTING: &str = "trusted_proxies: [127.0.0.1]\n";

/// Sends to a collector, with further keys of the section.
fn traced(collector: SocketAddr, keys: &str) -> String {
    format!("telemetry: {{ tracing: {{ endpoint: \"http://{collector}\", {keys} }} }}\n")
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decision(reply: &Reply) -> String {
    reply.header("x-sidegate-decision-id").unwrap().to_owned()
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

/// Nanoseconds since 1970.
fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// One trace: the request is the server's, its stages are its children, the application is asked by a client.
fn are_one_trace(spans: &[Span]) {
    let server = &spans[0];
    assert!(server.parent_span_id.is_empty());
    let kinds: Vec<_> = spans.iter().map(|span| span.kind).collect();
    assert_eq!(kinds, [2, 1, 1, 1, 1, 3, 1]);
    let mut ids: Vec<_> = spans.iter().map(|span| &span.span_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), spans.len());
    assert!(spans.iter().all(|span| span.trace_id == server.trace_id));
    assert!(
        spans
            .iter()
            .all(|span| span.flags == 0x101 && !is_error(span))
    );
}

/// One stage follows another, and all of them are the request, when it happened.
fn follow_one_another(spans: &[Span], before: u64) {
    let (server, stages) = spans.split_first().unwrap();
    let (first, last) = (stages.first().unwrap(), stages.last().unwrap());
    assert_eq!(first.start_time_unix_nano, server.start_time_unix_nano);
    assert_eq!(last.end_time_unix_nano, server.end_time_unix_nano);
    let follow = |pair: &[Span]| pair[0].end_time_unix_nano == pair[1].start_time_unix_nano;
    assert!(stages.windows(2).all(follow));
    let second = 1_000_000_000;
    assert!(server.start_time_unix_nano > before - second);
    assert!(server.end_time_unix_nano < wall() + second);
}

/// Whose it was, what for and with what is nowhere in a message, which is as the protocol wants it.
fn hold_no_secret(collector: &Collector, token: &str) {
    let secrets: Vec<&str> = token.split('.').skip(1).collect();
    let canaries = ["canary", ALICE, MINE];
    collector.find(|exports| {
        let export = exports.first()?;
        let text = String::from_utf8_lossy(&export.body);
        for secret in secrets.iter().chain(&canaries) {
            assert!(!text.contains(secret), "{secret}");
        }
        assert_eq!(export.head[0], "post /v1/traces http/1.1");
        for line in [
            "content-type: application/x-protobuf",
            &format!("x-team: {TEAM}"),
        ] {
            assert!(
                export.head.iter().any(|known| known == line),
                "{:?}",
                export.head
            );
        }
        assert_eq!(export.resource["service.name"], "edge");
        Some(())
    });
}

#[test]
fn a_request_has_a_span_and_so_has_each_of_its_stages() {
    let (collector, recorder) = (Collector::start(Manner::Takes), Recorder::start());
    let keys =
        format!("sample: 1, service_name: edge, headers: [{{ name: X-Team, value: \"{TEAM}\" }}]");
    let sidegate = Sidegate::start(recorder.address, &traced(collector.address, &keys));
    let before = wall();
    let token = token(ALICE);
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", &*bearer),
        ("Cookie", "session=canary-cookie"),
        ("X-A", "canary-header"),
        ("User-Agent", "canary-agent"),
    ];
    let target = format!("/g/{MINE}?token=canary-query");
    let reply = ask(sidegate.proxy, request("GET", &target, &headers));
    assert_eq!(reply.status, 200);
    let spans = collector.request(&decision(&reply));
    let stages = [
        "route",
        "authenticate",
        "authorize",
        "identity",
        "upstream",
        "answer",
    ];
    assert_eq!(names(&spans), [&["GET /g/{id}"], &stages[..]].concat());
    are_one_trace(&spans);
    follow_one_another(&spans, before);

    let (server, upstream) = (&spans[0], &spans[5]);
    let mut found = attributes(&server.attributes);
    let tier = found.remove("sidegate.tier").unwrap();
    assert!(["l1", "store"].contains(&&*tier), "{tier}");
    let expected = [
        ("client.address", "127.0.0.1"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/g/{id}"),
        ("sidegate.decision_id", &decision(&reply)),
        ("sidegate.outcome", "allow"),
        ("sidegate.reason", "ownership"),
        ("sidegate.route", "GET /g/{id}"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(found, expected.into());
    let port = recorder.address.port().to_string();
    assert_eq!(attribute(upstream, "server.port"), Some(port));

    // The application is told the same trace, once.
    let arrived = recorder.only();
    let (trace, parent) = (hex(&server.trace_id), hex(&upstream.span_id));
    assert_eq!(
        arrived.values("traceparent"),
        [format!("00-{trace}-{parent}-01")]
    );
    assert_eq!(arrived.values("tracestate"), [""; 0]);
    hold_no_secret(&collector, &token);
}

#[test]
fn a_trusted_peer_decides_and_nothing_else_is_sampled() {
    let (collector, recorder) = (Collector::start(Manner::Takes), Recorder::start());
    let keys = "sample: 0, continue_traces: true";
    let more = format!("{TRUSTING}{}", traced(collector.address, keys));
    let mut sidegate = Sidegate::start(recorder.address, &more);
    let said = |flags: &str| format!("00-{TRACE}-{PARENT}-{flags}");
    let asked = |headers: &[(&str, &str)]| ask(sidegate.proxy, request("GET", "/a", headers));
    let parts = |text: &str| -> Vec<String> { text.split('-').map(str::to_owned).collect() };

    // Not sampled is told, too.
    asked(&[
        ("Traceparent", &said("00")),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
    ]);
    let arrived = recorder.only();
    let [only] = arrived.values("traceparent")[..] else {
        panic!("{arrived:?}")
    };
    let told = parts(only);
    assert_eq!([&*told[0], &*told[1], &*told[3]], ["00", TRACE, "00"]);
    assert_ne!(told[2], PARENT);
    assert_eq!(arrived.values("tracestate"), ["a=1", "b=2"]);

    // What cannot be read, or is said twice, says nothing; nor does what says nothing.
    let twice = [
        ("traceparent", &*said("01")),
        ("traceparent", &*said("01")),
        ("tracestate", "a=1"),
    ];
    let malformed = [
        ("traceparent", &*said("01").to_uppercase()),
        ("tracestate", "a=1"),
    ];
    for headers in [&twice[..], &malformed[..], &[("tracestate", "a=1")]] {
        asked(headers);
        let arrived = recorder.only();
        let [only] = arrived.values("traceparent")[..] else {
            panic!("{arrived:?}")
        };
        let told = parts(only);
        assert!(told[1] != TRACE && told[3] == "00", "{told:?}");
        assert_eq!(arrived.values("tracestate"), [""; 0]);
    }

    let sampled = asked(&[("traceparent", &said("01"))]);
    let spans = collector.request(&decision(&sampled));
    assert_eq!(hex(&spans[0].trace_id), TRACE);
    assert_eq!(hex(&spans[0].parent_span_id), PARENT);
    assert_eq!(spans[0].flags, 0x301);
    assert!(
        recorder.only().values("traceparent")[0]
            .ends_with(&format!("{}-01", hex(&spans[3].span_id)))
    );
    assert_eq!(
        names(&spans),
        ["GET /a", "route", "identity", "upstream", "answer"]
    );

    sidegate.signal("TERM");
    sidegate.rest_of_log();
    let spans: usize = collector
        .all()
        .iter()
        .map(|export| export.spans.len())
        .sum();
    assert_eq!(spans, 5);
}

#[test]
fn a_stranger_forces_no_sampling_and_chooses_no_id() {
    let (collector, recorder) = (Collector::start(Manner::Takes), Recorder::start());
    let said = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", &*said), ("tracestate", "a=1")];
    // A stranger, and a trusted proxy that may pass on what its clients say.
    for (peer, keys) in [
        ("", "sample: 0, continue_traces: true"),
        (TRUSTING, "sample: 0"),
    ] {
        let more = format!("{peer}{}", traced(collector.address, keys));
        let mut sidegate = Sidegate::start(recorder.address, &more);
        for _ in 0..20 {
            ask(sidegate.proxy, request("GET", "/a", &headers));
            let arrived = recorder.only();
            let [only] = arrived.values("traceparent")[..] else {
                panic!("{arrived:?}")
            };
            assert!(!only.contains(TRACE) && !only.contains(PARENT) && only.ends_with("-00"));
            assert_eq!(arrived.values("tracestate"), [""; 0]);
        }
        sidegate.signal("TERM");
        sidegate.rest_of_log();
    }
    assert_eq!(collector.all().len(), 0);
}

#[test]
fn what_is_refused_or_fails_ends_where_it_ended() {
    let collector = Collector::start(Manner::Takes);
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let sidegate = Sidegate::start(nobody, &traced(collector.address, "sample: 1"));
    let spans = |target: &str, status: u16| {
        let reply = ask(sidegate.proxy, request("GET", target, &[]));
        assert_eq!(reply.status, status);
        collector.request(&decision(&reply))
    };
    let unknown = spans("/nowhere/canary", 404);
    assert_eq!(names(&unknown), ["GET", "route", "answer"]);
    assert_eq!(attribute(&unknown[0], "http.route"), None);
    assert_eq!(
        attribute(&unknown[0], "sidegate.reason").as_deref(),
        Some("no_route")
    );

    let refused = spans("/me", 401);
    assert_eq!(
        names(&refused),
        ["GET /me", "route", "authenticate", "answer"]
    );
    for (key, value) in [
        ("sidegate.outcome", "deny"),
        ("sidegate.reason", "missing_credential"),
        ("http.response.status_code", "401"),
    ] {
        assert_eq!(attribute(&refused[0], key).as_deref(), Some(value));
    }
    assert!(!unknown.iter().chain(&refused).any(is_error));

    let failed = spans("/a", 502);
    assert_eq!(
        names(&failed),
        ["GET /a", "route", "identity", "upstream", "answer"]
    );
    assert!(is_error(&failed[0]) && is_error(&failed[3]));
    assert_eq!(attribute(&failed[0], "error.type").as_deref(), Some("502"));
    assert_eq!(
        attribute(&failed[3], "error.type").as_deref(),
        Some("ConnectRefused")
    );
    assert_eq!(attribute(&failed[3], "http.response.status_code"), None);
}

#[test]
fn without_tracing_nothing_is_touched() {
    let recorder = Recorder::start();
    let said = format!("00-{TRACE}-{PARENT}-01");
    let headers = [
        ("traceparent", &*said),
        ("traceparent", "nonsense"),
        ("tracestate", "=,,"),
        ("tracestate", "a=1"),
    ];
    for more in ["", TRUSTING] {
        let sidegate = Sidegate::start(recorder.address, more);
        for headers in [&headers[..], &[]] {
            ask(sidegate.proxy, request("GET", "/a", headers));
            let arrived = recorder.only();
            for name in ["traceparent", "tracestate"] {
                let sent = headers.iter().filter(|(known, _)| *known == name);
                let sent: Vec<_> = sent.map(|(_, value)| *value).collect();
                assert_eq!(arrived.values(name), sent);
            }
        }
    }
}
