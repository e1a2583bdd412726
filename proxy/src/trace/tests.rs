//! Who decides about a trace, what the application is told, and what it costs when nothing is traced.

mod sending;

use std::io::Write as _;
use std::path::Path;

use allocation_counter::measure;
use http::Method;
use serde_json::{Value as Json, json};

use super::parent::{TRACEPARENT, TRACESTATE};
use super::*;
use crate::testing;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn document(tracing: &Json) -> Json {
    let mut document = testing::document(json!([]));
    document["insecure_no_issuers"] = json!(true);
    document["telemetry"] = json!({ "tracing": tracing });
    document
}

fn settings(tracing: &Json) -> TracingSettings {
    let settings = testing::settings(Path::new("/"), &document(tracing));
    settings.telemetry.tracing.unwrap()
}

fn tracing(keys: &Json) -> Tracing {
    let mut section =
        json!({ "endpoint": "http://127.0.0.1:1", "sample": 0, "continue_traces": true });
    for (key, value) in keys.as_object().unwrap() {
        section[key] = value.clone();
    }
    Tracing::new(&settings(&section), None).unwrap()
}

fn said(flags: &str) -> HeaderMap {
    let traceparent = format!("00-{TRACE}-b7ad6b7169203331-{flags}");
    let pairs = [(TRACEPARENT, traceparent), (TRACESTATE, "a=1".to_owned())];
    pairs
        .map(|(name, value)| (name, value.parse().unwrap()))
        .into_iter()
        .collect()
}

/// What the application is told, of what came.
fn told(trace: &TraceContext, came: &HeaderMap) -> (Vec<String>, Vec<String>) {
    let mut request = RequestHeader::build(Method::GET, b"/", None).unwrap();
    for (name, value) in came {
        request.append_header(name.clone(), value.clone()).unwrap();
    }
    tell(Some(trace), &mut request).unwrap();
    let values = |name| {
        let values = request.headers.get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    (values(TRACEPARENT), values(TRACESTATE))
}

#[test]
fn a_stranger_names_no_trace_and_samples_none() {
    let nothing = tracing(&json!({}));
    let deaf = tracing(&json!({ "continue_traces": false }));
    for (tracing, is_trusted) in [(&nothing, false), (&deaf, true)] {
        let trace = tracing.begin(&said("01"), is_trusted);
        assert_ne!(trace.trace_id().to_string(), TRACE);
        assert!(!trace.is_sampled() && trace.parent().is_none());
        let (parents, states) = told(&trace, &said("01"));
        let expected = format!("00-{}-{}-00", trace.trace_id(), trace.upstream_id());
        assert_eq!((parents, states), (vec![expected], vec![]));
    }
    // Nor does it keep one from being sampled.
    let all = tracing(&json!({ "sample": 1 }));
    assert!(all.begin(&said("00"), false).is_sampled());
}

#[test]
fn a_trusted_peer_decides() {
    for sample in [0, 1] {
        let tracing = tracing(&json!({ "sample": sample }));
        for (flags, sampled) in [("00", false), ("01", true)] {
            let trace = tracing.begin(&said(flags), true);
            assert_eq!(trace.trace_id().to_string(), TRACE);
            assert_eq!(trace.is_sampled(), sampled);
            let (parents, states) = told(&trace, &said(flags));
            let expected = format!("00-{TRACE}-{}-{flags}", trace.upstream_id());
            assert_eq!((parents, states), (vec![expected], vec!["a=1".to_owned()]));
            assert_ne!(trace.span_id(), trace.upstream_id());
        }
        // What cannot be read decides nothing, and takes its state with it.
        let mut twice = said("01");
        twice.append(TRACEPARENT, twice[TRACEPARENT].clone());
        let trace = tracing.begin(&twice, true);
        assert_ne!(trace.trace_id().to_string(), TRACE);
        assert_eq!(trace.is_sampled(), sample == 1);
        let (parents, states) = told(&trace, &twice);
        assert_eq!((parents.len(), states.len()), (1, 0));
    }
    // A state that cannot be read goes alone.
    let mut odd = said("01");
    odd.append(TRACESTATE, "=".parse().unwrap());
    let trace = tracing(&json!({})).begin(&odd, true);
    assert_eq!(
        (
            trace.trace_id().to_string().as_str(),
            told(&trace, &odd).1.len()
        ),
        (TRACE, 0)
    );
}

#[test]
fn a_part_of_what_begins_here_is_sampled() {
    let tracing = tracing(&json!({ "sample": 0.25 }));
    let headers = HeaderMap::new();
    let sampled = (0..40_000).filter(|_| tracing.begin(&headers, true).is_sampled());
    // Ten standard deviations on either side.
    assert!((9_134..=10_866).contains(&sampled.count()));
}

#[test]
fn what_is_not_traced_allocates_nothing() {
    let headers = said("00");
    let tracing = tracing(&json!({}));
    let mut request = RequestHeader::build(Method::GET, b"/", None).unwrap();
    // A thread's random numbers are set up once.
    let _ = tracing.begin(&headers, false);

    let off = measure(|| {
        let trace = begin(None, &headers, || panic!("nobody asks for the peer"));
        assert_eq!(trace, None);
        tell(None, &mut request).unwrap();
    });
    assert_eq!(off.count_total, 0);

    let mut text = [0; 49];
    let on = measure(|| {
        for is_trusted in [false, true] {
            let trace = begin(Some(&tracing), &headers, || is_trusted).unwrap();
            write!(
                text.as_mut_slice(),
                "{} {}",
                trace.trace_id(),
                trace.span_id()
            )
            .unwrap();
        }
    });
    assert_eq!(on.count_total, 0);
    assert!(text.starts_with(TRACE.as_bytes()) && text[48].is_ascii_hexdigit());
}
