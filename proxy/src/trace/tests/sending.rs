//! What is recorded of a request, and where it ends: sent, dropped or failed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{document, said, tracing};
use crate::generation::Generation;
use crate::observation::{Stage, Timeline};
use crate::outcome::Code;
use crate::testing;
use crate::trace::span::Anchor;
use crate::trace::*;

fn finished(trace: TraceContext) -> Finished {
    let mut timeline = Timeline::begin();
    for stage in [
        Stage::Route,
        Stage::Identity,
        Stage::Upstream,
        Stage::Answer,
    ] {
        timeline.end(stage);
    }
    Finished {
        trace,
        timeline,
        decision_id: Uuid::nil(),
        code: Code::Public,
        method: (&Method::GET).into(),
        route: None,
        tier: None,
        degraded: None,
        status: Some(StatusCode::OK),
        client: None,
        instance: Some("127.0.0.1:3000".parse().unwrap()),
        tries: 1,
        failure: None,
    }
}

fn spans(finished: &Finished) -> Vec<Span> {
    let mut spans = Vec::new();
    finished.spans(Anchor::now(), &mut spans);
    assert_eq!(spans.len(), finished.count());
    spans
}

fn value(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|known| known.key == key)?;
    let value = found.value.clone()?.value?;
    if let Value::IntValue(number) = value {
        return Some(number.to_string());
    }
    let Value::StringValue(text) = value else {
        panic!("{value:?}");
    };
    Some(text)
}

#[test]
fn an_error_is_the_servers_and_a_method_is_one_that_is_known() {
    let begun = || tracing(&json!({})).begin(&said("01"), true);
    let is_error = |span: &Span| span.status.as_ref().is_some_and(|status| status.code == 2);
    let last = |finished: &Finished| {
        let spans = spans(finished);
        (spans[0].clone(), spans[3].clone())
    };

    // The application answers, well or not.
    for (status, error) in [(200, None), (404, None), (503, Some("503"))] {
        let status = StatusCode::from_u16(status).unwrap();
        let mut trace = begun();
        trace.answer(status);
        let (request, upstream) = last(&Finished {
            status: Some(status),
            ..finished(trace)
        });
        for span in [request, upstream] {
            assert_eq!(value(&span, "error.type").as_deref(), error);
            assert_eq!(is_error(&span), error.is_some());
            assert_eq!(
                value(&span, "http.response.status_code").as_deref(),
                Some(status.as_str())
            );
        }
    }
    // It does not, at the second time of asking either.
    let failed = Finished {
        status: Some(StatusCode::BAD_GATEWAY),
        failure: Some("ConnectRefused"),
        tries: 2,
        method: (&Method::from_bytes(b"PROPFIND").unwrap()).into(),
        ..finished(begun())
    };
    let (request, upstream) = last(&failed);
    assert!(is_error(&request) && is_error(&upstream));
    assert_eq!(value(&request, "error.type").as_deref(), Some("502"));
    assert_eq!(
        value(&upstream, "error.type").as_deref(),
        Some("ConnectRefused")
    );
    assert_eq!(value(&upstream, "http.response.status_code"), None);
    assert_eq!(
        value(&upstream, "http.request.resend_count").as_deref(),
        Some("1")
    );
    assert_eq!(value(&upstream, "server.port").as_deref(), Some("3000"));
    assert_eq!(
        (request.name.as_str(), upstream.name.as_str()),
        ("HTTP", "upstream")
    );
    assert_eq!(
        value(&request, "http.request.method").as_deref(),
        Some("_OTHER")
    );
}

#[test]
fn a_collector_that_never_answers_costs_the_end_of_the_process_a_second() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let tracing = tracing(&json!({ "endpoint": endpoint, "timeout": "60s", "queue": 2 }));
    let trace = tracing.begin(&said("01"), true);
    // Nobody sends yet, and nobody waits for that.
    for _ in 0..5 {
        tracing.record(finished(trace));
    }
    let each = u64::try_from(finished(trace).count()).unwrap();
    assert_eq!(tracing.count(SpanEnd::Dropped), 3 * each);

    tracing.start().unwrap();
    tracing.start().unwrap();
    let begun = Instant::now();
    tracing.finish();
    assert!(begun.elapsed() < FLUSH + Duration::from_secs(5));
    assert_eq!(tracing.count(SpanEnd::Exported), 0);
}

#[test]
fn what_cannot_be_sent_is_counted_and_the_thread_ends_when_nobody_is_left() {
    let tracing = tracing(&json!({ "queue": 8 }));
    let tally = Arc::clone(&tracing.tally);
    let trace = tracing.begin(&said("01"), true);
    tracing.record(finished(trace));
    tracing.start().unwrap();
    let state = std::mem::replace(&mut *tracing.thread.lock(), Thread::None);
    let Thread::Running(ended) = state else {
        panic!("{state:?}");
    };
    drop(tracing);
    // It says nothing, and goes.
    assert_eq!(
        ended.recv_timeout(Duration::from_secs(20)),
        Err(blocking::RecvTimeoutError::Disconnected)
    );
    let each = u64::try_from(finished(trace).count()).unwrap();
    assert_eq!(
        (tally.count(SpanEnd::Failed), tally.count(SpanEnd::Dropped)),
        (each, 0)
    );
}

#[test]
fn a_reload_keeps_what_the_section_still_asks_for_and_goes_on_counting() {
    let section = json!({ "endpoint": "http://127.0.0.1:1", "queue": 1 });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("directory.yaml"), "users: []").unwrap();
    let assemble = |section: &Json, previous: Option<&Generation>| {
        let mut document = document(section);
        if section.is_null() {
            document["telemetry"] = json!({});
        }
        let settings = testing::settings(folder.path(), &document);
        Generation::assemble(settings, previous).unwrap()
    };
    let first = assemble(&section, None);
    let known = first.tracing.as_ref().unwrap();
    for _ in 0..2 {
        known.record(finished(known.begin(&said("01"), true)));
    }
    let dropped = known.count(SpanEnd::Dropped);
    assert!(dropped > 0);
    let same = assemble(&section, Some(&first));
    assert!(Arc::ptr_eq(same.tracing.as_ref().unwrap(), known));

    let mut edited = section;
    edited["headers"] = json!([{ "name": "a", "value": "b" }]);
    let next = assemble(&edited, Some(&first)).tracing.unwrap();
    assert!(!Arc::ptr_eq(&next, known));
    assert_eq!(next.count(SpanEnd::Dropped), dropped);
    let mut scrape = Scrape::default();
    next.gather(&mut scrape);
    let text = scrape.text();
    for end in SpanEnd::ALL {
        assert!(text.contains(end.name()), "{text}");
    }
    assert!(assemble(&Json::Null, Some(&first)).tracing.is_none());
}

/// Answers one message with this body.
fn answering(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // One read is enough for so little.
        let _ = stream.read(&mut [0; 1 << 16]).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream
            .write_all(&[head.as_bytes(), &body].concat())
            .unwrap();
    });
    endpoint
}

#[test]
fn what_waits_is_sent_at_the_end_and_what_is_rejected_has_failed() {
    let partly = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 2,
            error_message: "canary".to_owned(),
        }),
    };
    for (answer, rejected) in [(vec![], 0), (partly.encode_to_vec(), 2), (vec![0xff; 9], 0)] {
        let tracing = tracing(&json!({ "endpoint": answering(answer) }));
        tracing.record(finished(tracing.begin(&said("01"), true)));
        tracing.start().unwrap();
        tracing.finish();
        let each = u64::try_from(finished(tracing.begin(&said("01"), true)).count()).unwrap();
        let counts = [SpanEnd::Exported, SpanEnd::Failed].map(|end| tracing.count(end));
        assert_eq!(counts, [each - rejected, rejected]);
    }
}
