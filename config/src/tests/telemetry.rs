//! What is told about requests: its defaults, and what is refused.

use std::time::Duration;

use super::{BASE, parsed, refused};
use crate::{AccessLogTarget, Fraction, TracingSettings};

const REFERENCE: &str = include_str!("../../sidegate.yaml");

fn telling(telemetry: &str) -> String {
    format!("{BASE}telemetry: {{ {telemetry} }}\n")
}

#[test]
fn everything_is_told_and_one_allow_in_a_hundred_written() {
    let plain = parsed(BASE).unwrap().telemetry;
    assert!(plain.request_metrics);
    assert_eq!(plain.decisions, 4096);
    let log = plain.access_log;
    assert_eq!(log.to, Some(AccessLogTarget::Stderr));
    assert_eq!(Some(log.allows), Fraction::new(0.01));

    let other = "request_metrics: false, decisions: 0, access_log: { to: none, allows: '1' }";
    let other = parsed(&telling(other)).unwrap().telemetry;
    assert!(!other.request_metrics);
    assert_eq!((other.decisions, other.access_log.to), (0, None));
    assert_eq!(other.access_log.allows, Fraction::ALL);
}

#[test]
fn a_part_is_of_a_whole() {
    for part in ["1.01", "-0.1", ".nan", ".inf", "1%"] {
        let text = telling(&format!("access_log: {{ allows: {part} }}"));
        refused(&text, "telemetry.access_log.allows", "expected a number");
    }
    let half = Fraction::new(0.5).unwrap();
    assert!(half.takes(u64::MAX / 4) && !half.takes(u64::MAX / 4 * 3));
    assert!(Fraction::ALL.takes(u64::MAX) && !Fraction::NONE.takes(0));
}

const ENDPOINT: &str = "endpoint: 'http://127.0.0.1:4318'";

fn tracing(keys: &str) -> TracingSettings {
    let text = telling(&format!("tracing: {{ {keys} }}"));
    let settings = parsed(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    settings.telemetry.tracing.unwrap()
}

#[test]
fn nothing_is_traced_unless_somebody_asks_for_it_and_the_reference_shows_the_defaults() {
    assert_eq!(parsed(BASE).unwrap().telemetry.tracing, None);
    let found = tracing(ENDPOINT);
    assert_eq!(found.endpoint, "http://127.0.0.1:4318/v1/traces");
    assert_eq!(Some(found.sample), Fraction::new(0.01));
    assert!(!found.continue_traces && found.headers.is_empty());
    assert_eq!(found.service_name, "sidegate");
    assert_eq!((found.timeout, found.queue), (Duration::from_secs(5), 2048));

    let (before, section) = REFERENCE.split_once("\n  # tracing:").unwrap();
    let section = section.replace("\n  # ", "\n  ");
    let shown = parsed(&format!("{before}\n  tracing:{section}")).unwrap();
    assert_eq!(shown.telemetry.tracing, Some(found));
}

#[test]
fn an_endpoint_is_taken_as_it_is_but_for_its_path() {
    for (written, expected) in [
        ("https://t.example", "https://t.example/v1/traces"),
        ("https://t.example/", "https://t.example/v1/traces"),
        (
            "https://t.example/otlp/v1/traces",
            "https://t.example/otlp/v1/traces",
        ),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ] {
        assert_eq!(
            tracing(&format!("endpoint: '{written}'")).endpoint,
            expected
        );
    }
    let at = "telemetry.tracing.endpoint";
    for (written, words) in [
        ("t.example:4317", "expected a URL"),
        ("grpc://t.example", "expected a URL"),
        ("https://me:hunter2@t.example", "without user and password"),
        ("https://t.example/?key=hunter2", "belongs in `headers`"),
        ("https://t.example/#x", "without query and fragment"),
    ] {
        refused(
            &telling(&format!("tracing: {{ endpoint: '{written}' }}")),
            at,
            words,
        );
    }
}

#[test]
fn what_is_secret_is_sent_over_tls_or_on_this_machine() {
    let with = |url: &str, name: &str, value: &str| {
        let header = format!("headers: [{{ name: '{name}', value: '{value}' }}]");
        format!("endpoint: '{url}', {header}")
    };
    for url in ["https://t.example", "http://localhost:4318"] {
        let found = tracing(&with(url, "Authorization", "Bearer t0ken")).headers;
        let [(name, value)] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (name.as_str(), value.expose()),
            ("authorization", &b"Bearer t0ken"[..])
        );
    }
    let refuse = |keys: &str, path: &str, words: &str| {
        let text = telling(&format!("tracing: {{ {keys} }}"));
        refused(&text, &format!("telemetry.tracing.{path}"), words);
    };
    refuse(
        &with("http://t.example", "a", "b"),
        "endpoint",
        "over plain http",
    );
    let url = "https://t.example";
    for (name, words) in [
        ("x y", "a header's name"),
        ("Content-Type", "protocol's own"),
    ] {
        refuse(&with(url, name, "b"), "headers[0].name", words);
    }
    for value in ["a ", " a", "a\tb", "ä"] {
        refuse(
            &with(url, "a", value),
            "headers[0].value",
            "printable ASCII",
        );
    }
    refuse(&with(url, "a", ""), "headers[0].value", "not empty");
    let twice = with(url, "a", "b").replace("}]", "}, { name: A, value: c }]");
    refuse(&twice, "headers[1].name", "there already");
}

#[test]
fn tracing_is_bounded_and_what_is_worth_a_look_is_said() {
    for (keys, path, words) in [
        ("sample: 1.5", "sample", "0 to 1"),
        ("service_name: ''", "service_name", "not empty"),
        ("timeout: 9ms", "timeout", "10ms to 60s"),
        ("queue: 0", "queue", "1 to 65536"),
        ("queue: 65537", "queue", "1 to 65536"),
    ] {
        let text = telling(&format!("tracing: {{ {ENDPOINT}, {keys} }}"));
        refused(&text, &format!("telemetry.tracing.{path}"), words);
    }
    let notes = |endpoint: &str, more: &str| {
        let text = telling(&format!("tracing: {{ endpoint: '{endpoint}' {more} }}"));
        parsed(&format!("{text}trusted_proxies: [10.0.0.1]\n"))
            .unwrap()
            .notes
    };
    let noted = notes("http://t.example", ", continue_traces: true");
    assert_eq!(noted.len(), 2, "{noted:?}");
    assert!(noted[0].contains("can read spans") && noted[1].contains("continue_traces: a proxy"));
    assert_eq!(notes("https://t.example", "").len(), 0);
}
