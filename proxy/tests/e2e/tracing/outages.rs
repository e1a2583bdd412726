//! Collectors that are away, silent or hostile, and one that is replaced by another.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::collector::{Collector, Manner};
use super::{decision, traced};
use crate::process::{Sidegate, config, eventually};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

/// How many spans had this end.
fn counted(sidegate: &Sidegate, result: &str) -> u64 {
    let host = sidegate.admin.to_string();
    let asked = request("GET", "/metrics", &[]).replace("app.test", &host);
    let text = String::from_utf8(ask(sidegate.admin, asked).body).unwrap();
    let series = format!("sidegate_spans_total{{result=\"{result}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("no {series} in {text}"))
        .parse()
        .unwrap()
}

/// In front of this collector, with a short queue; every request is sampled.
fn overwhelmed(recorder: &Recorder, collector: SocketAddr) -> Sidegate {
    let more = traced(collector, "sample: 1, queue: 8, timeout: 60s");
    Sidegate::start(recorder.address, &more)
}

/// Sends requests, all of which are answered, until so many spans have this end.
fn go_on_until(sidegate: &Sidegate, result: &str) {
    eventually(&format!("spans are {result}"), || {
        let mut wire = Wire::connect(sidegate.proxy);
        for _ in 0..50 {
            wire.send(request("GET", "/a", &[]));
            assert_eq!(wire.reply().expect("an answer").status, 200);
        }
        (counted(sidegate, result) > 0).then_some(())
    });
}

#[test]
fn a_collector_that_is_away_or_silent_costs_a_request_nothing() {
    let recorder = Recorder::start();
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut sidegate = overwhelmed(&recorder, nobody);
    go_on_until(&sidegate, "dropped");
    go_on_until(&sidegate, "failed");
    sidegate.signal("TERM");
    let log = sidegate.rest_of_log();
    assert_eq!(log.matches("spans cannot be sent").count(), 1, "{log}");

    let silent = Collector::start(Manner::Silent);
    let mut sidegate = overwhelmed(&recorder, silent.address);
    go_on_until(&sidegate, "dropped");
    assert_eq!(counted(&sidegate, "exported"), 0);
    let told = Instant::now();
    sidegate.signal("TERM");
    sidegate.rest_of_log();
    // Not when the collector's time is over.
    assert!(told.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_hostile_collector_gets_neither_memory_nor_headers() {
    let recorder = Recorder::start();
    // An answer without an end is not read to its end, which would be in a minute.
    let endless = Collector::start(Manner::Endless);
    let sidegate = overwhelmed(&recorder, endless.address);
    go_on_until(&sidegate, "exported");

    let elsewhere = Collector::start(Manner::Takes);
    let leading = Collector::start(Manner::Redirects(elsewhere.address));
    let mut sidegate = overwhelmed(&recorder, leading.address);
    go_on_until(&sidegate, "failed");
    sidegate.signal("TERM");
    let log = sidegate.rest_of_log();
    assert!(log.contains("it answers 307"), "{log}");
    assert_eq!(elsewhere.all().len(), 0);
}

#[test]
fn another_collector_counts_from_the_next_request_on() {
    let recorder = Recorder::start();
    let (one, other) = (
        Collector::start(Manner::Takes),
        Collector::start(Manner::Takes),
    );
    let sidegate = Sidegate::start(recorder.address, &traced(one.address, "sample: 1"));
    let reply = ask(sidegate.proxy, request("GET", "/a", &[]));
    sidegate.edit(&config(
        recorder.address,
        &traced(other.address, "sample: 1"),
    ));
    sidegate.logged("the configuration was read");
    let later = ask(sidegate.proxy, request("GET", "/a", &[]));
    assert_eq!(one.request(&decision(&reply)).len(), 5);
    assert_eq!(other.request(&decision(&later)).len(), 5);
    eventually("both are counted", || {
        (counted(&sidegate, "exported") == 10).then_some(())
    });
}
