//! The access log: what is refused is always in it, what is allowed as often as it is configured, and each line is as
//! its schema says.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::caching::sum;
use crate::process::{
    ALICE, BINARY, MINE, Sidegate, YOURS, config, eventually, folder_with, send_signal, token,
};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

/// The lines of the access log until one of a request that was asked last.
fn lines(sidegate: &Sidegate, last: &str) -> Vec<Value> {
    let lines = sidegate.logged_until(last);
    let parsed = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|line| line["log"] == "access").collect()
}

fn telemetry(to: &str, allows: &str) -> String {
    format!("telemetry: {{ access_log: {{ to: {to}, allows: {allows} }} }}\n")
}

/// A hundred requests that are allowed, a hundred that are refused, and one that is recognised by its reason.
fn ask_for_both(sidegate: &Sidegate) {
    let authorization = format!("Bearer {}", token(ALICE));
    let headers = [("Authorization", authorization.as_str())];
    let mut wire = Wire::connect(sidegate.proxy);
    for _ in 0..100 {
        for (id, status) in [(MINE, 200), (YOURS, 403)] {
            wire.send(request("GET", &format!("/g/{id}?secret=hunter2"), &headers));
            assert_eq!(wire.reply().unwrap().status, status);
        }
    }
    assert_eq!(
        ask(sidegate.proxy, request("GET", "/nowhere", &[])).status,
        404
    );
}

fn of_outcome(lines: &[Value], outcome: &str) -> usize {
    lines
        .iter()
        .filter(|line| line["outcome"] == outcome)
        .count()
}

#[test]
fn refusals_are_never_left_out_and_allows_as_configured() {
    let recorder = Recorder::start();
    for (allows, least, most) in [("0", 0, 0), ("0.5", 25, 75), ("1", 100, 100)] {
        let sidegate = Sidegate::start(recorder.address, &telemetry("stderr", allows));
        ask_for_both(&sidegate);
        let lines = lines(&sidegate, "\"no_route\"");
        assert_eq!(of_outcome(&lines, "deny"), 101, "{allows}");
        let allowed = of_outcome(&lines, "allow");
        assert!((least..=most).contains(&allowed), "{allows}: {allowed}");
    }
    let silent = Sidegate::start(recorder.address, &telemetry("none", "1"));
    ask_for_both(&silent);
    silent.signal("HUP");
    let lines = lines(&silent, "the configuration was read");
    assert_eq!(lines, Vec::<Value>::new());
}

/// Every field is in the schema, and what the schema requires is there.
fn is_described(line: &Value, schema: &Value) {
    let known: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().collect();
    let found: BTreeSet<_> = line.as_object().unwrap().keys().collect();
    assert!(found.is_subset(&known), "{line}");
    for required in schema["required"].as_array().unwrap() {
        let required = required.as_str().unwrap().to_owned();
        assert!(found.contains(&required), "{line}");
    }
}

/// How a request of Alice's for a generation ended.
fn says(line: &Value, (outcome, reason, status, id): (&str, &str, u16, &str)) {
    assert_eq!(
        (&line["outcome"], &line["reason"]),
        (&outcome.into(), &reason.into())
    );
    assert_eq!(line["status"], status, "{line}");
    assert_eq!(
        (&line["action"], &line["kind"], &line["resource"]),
        (&"read".into(), &"generation".into(), &id.into())
    );
    assert_eq!(
        (&line["subject"], &line["method"]),
        (&ALICE.into(), &"GET".into())
    );
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["generation"], 1);
    assert!(
        line["tier"].is_string() && line["facts_age_ms"].is_number(),
        "{line}"
    );
    let (decision, total) = (&line["decision_ms"], &line["total_ms"]);
    assert!(
        decision.as_f64().unwrap() <= total.as_f64().unwrap(),
        "{line}"
    );
    assert!(line["stages_ms"]["authorize"].is_number(), "{line}");
    assert_eq!(
        line["stages_ms"]["upstream"].is_number(),
        outcome == "allow",
        "{line}"
    );
}

#[test]
fn a_line_says_what_happened_as_its_schema_has_it() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, &telemetry("stderr", "1"));
    let bearer = token(ALICE);
    let authorization = format!("Bearer {bearer}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("X-Private", "hunter2"),
    ];
    let path = |id| format!("/g/{id}?secret=hunter2");
    let allowed = ask(sidegate.proxy, request("GET", &path(MINE), &headers));
    let denied = ask(sidegate.proxy, request("GET", &path(YOURS), &headers));
    // One whose head is refused before anything reads it.
    ask(sidegate.proxy, "GET /a HTTP/1.1\nHost: a\n\n");
    ask(sidegate.proxy, request("GET", "/nowhere", &[]));
    let lines = lines(&sidegate, "\"no_route\"");
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/access-log.schema.json")).unwrap();
    for line in &lines {
        is_described(line, &schema);
        let text = line.to_string();
        assert!(
            !text.contains("hunter2") && !text.contains("/g/6e"),
            "{text}"
        );
        for part in bearer.split('.') {
            assert!(!text.contains(part), "{text}");
        }
    }
    let of = |reply: &crate::wire::Reply| {
        let id = reply.header("x-sidegate-decision-id").unwrap();
        lines.iter().find(|line| line["decision_id"] == id).unwrap()
    };
    for (line, outcome, reason, status, id) in [
        (of(&allowed), "allow", "ownership", 200, MINE),
        (of(&denied), "deny", "no_role", 403, YOURS),
    ] {
        says(line, (outcome, reason, status, id));
    }
    assert!(of(&denied)["detail"].is_string());
    let malformed = lines
        .iter()
        .find(|line| line["reason"] == "bare_lf" || line["reason"] == "malformed_head");
    assert_eq!(malformed.unwrap()["client"], "127.0.0.1");
}

/// Its log is a pipe that nobody reads.
struct Unread {
    child: Child,
    proxy: SocketAddr,
    _folder: TempDir,
}

impl Unread {
    fn start(upstream: SocketAddr, more: &str) -> Self {
        let proxy = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let config = config(upstream, more).replacen("127.0.0.1:0", &proxy.to_string(), 1);
        let folder = folder_with(&config);
        let child = Command::new(BINARY)
            .args(["run", "--config"])
            .arg(folder.path().join("sidegate.yaml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("a listener", || TcpStream::connect(proxy).ok());
        Self {
            child,
            proxy,
            _folder: folder,
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_request_and_no_end() {
    let recorder = Recorder::start();
    // Rules that are only reported are lines of the other log.
    let mut unread = Unread::start(recorder.address, "hardening: { mode: report_only }\n");
    let mut wire = Wire::connect(unread.proxy);
    for round in 0..3000 {
        wire.send(request("GET", "/nowhere", &[("X_Odd", "1")]));
        assert_eq!(wire.reply().unwrap().status, 404, "{round}");
    }
    wire.send(request("GET", "/a", &[("X_Odd", "1")]));
    assert_eq!(wire.reply().unwrap().status, 200);
    send_signal("TERM", unread.child.id());
    eventually("it ends", || unread.child.try_wait().unwrap());
}

#[test]
fn what_was_not_answered_always_has_its_line() {
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let sidegate = Sidegate::start(dead, &telemetry("stderr", "0"));
    let headers = [("Authorization", format!("Bearer {}", token(ALICE)))];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let reply = ask(
        sidegate.proxy,
        request("GET", &format!("/g/{MINE}"), &headers),
    );
    assert_eq!(reply.status, 502);
    let lines = lines(&sidegate, "\"status\":502,\"method\"");
    let line = lines.last().unwrap();
    assert_eq!(
        (&line["outcome"], &line["reason"]),
        (&"allow".into(), &"ownership".into())
    );
    assert_eq!(
        (&line["subject"], &line["resource"]),
        (&ALICE.into(), &MINE.into())
    );
    assert!(
        line["detail"].as_str().unwrap().contains("not answered"),
        "{line}"
    );
    let count = || {
        sum(
            &sidegate,
            "sidegate_responses_total{by=\"sidegate\",class=\"5xx\"}",
        )
    };
    eventually("an answer of ours is counted", || {
        (count() == 1).then_some(())
    });
}
