//! `sidegate stats`, of a running Sidegate.

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::process::{ALICE, BINARY, MINE, PATIENCE, Sidegate, YOURS, eventually, lines_of, token};
use crate::recorder::Recorder;
use crate::wire::{ask, request};

fn command(sidegate: &Sidegate, with_config: bool, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .arg("stats")
        .args(["--admin", &format!("http://{}", sidegate.admin)])
        .args(arguments)
        // Nobody is asked but the Sidegate.
        .env("http_proxy", "http://127.0.0.1:9");
    if with_config {
        let config = sidegate.folder().join("sidegate.yaml");
        command.arg("--config").arg(config);
    }
    command
}

fn stats(sidegate: &Sidegate, with_config: bool, arguments: &[&str]) -> Output {
    command(sidegate, with_config, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asks for two things that ALICE may read, and one that she may not.
fn ask_thrice(sidegate: &Sidegate) {
    let authorization = format!("Bearer {}", token(ALICE));
    for (id, expected) in [(MINE, 200), (MINE, 200), (YOURS, 403)] {
        let path = format!("/g/{id}");
        let asked = request("GET", &path, &[("Authorization", &authorization)]);
        assert_eq!(ask(sidegate.proxy, asked).status, expected);
    }
}

fn total(json: &Value, reason: &str) -> Option<u64> {
    let reasons = json["reasons"].as_array().unwrap();
    let row = reasons.iter().find(|row| row["reason"] == reason).unwrap();
    row["total"].as_u64()
}

#[test]
fn its_figures_are_what_was_asked() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    ask_thrice(&sidegate);
    // Counted when the request ends, which is after its answer.
    let json = eventually("all are counted", || {
        let output = stats(&sidegate, true, &["--json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        (total(&json, "ownership") == Some(2) && total(&json, "no_role") == Some(1)).then_some(json)
    });
    assert_eq!(json["instance"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(total(&json, "no_route"), Some(0));
    assert!(json.get("pools").is_none(), "there is no database: {json}");

    let output = stats(&sidegate, false, &[]);
    let shown = text(&output.stdout);
    let has = |words: &[&str]| {
        let mut lines = shown.lines();
        lines.any(|line| line.split_whitespace().eq(words.iter().copied()))
    };
    assert!(has(&["allow", "ownership", "2", "66.7%"]), "{shown}");
    assert!(has(&["deny", "1", "33.3%"]), "{shown}");
    assert!(
        shown.starts_with(&format!("http://{}/ at 20", sidegate.admin)),
        "{shown}"
    );
}

/// Ended when it is dropped.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn watching_shows_rates_until_it_is_interrupted() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let mut child = command(&sidegate, true, &["--watch", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    let mut watching = Watching(child);
    let next = || serde_json::from_str::<Value>(&lines.recv_timeout(PATIENCE).unwrap()).unwrap();
    let first = next();
    assert!(first.get("interval_seconds").is_none(), "{first}");
    ask_thrice(&sidegate);
    let mut seen = 0.0;
    while seen < 2.0 {
        let json = next();
        let reasons = json["reasons"].as_array().unwrap();
        let row = reasons.iter().find(|row| row["reason"] == "ownership");
        let rate = row.unwrap()["per_second"].as_f64().unwrap();
        seen += (rate * json["interval_seconds"].as_f64().unwrap()).round();
    }
    assert!(seen == 2.0, "each request is in one interval: {seen}");
    let pid = watching.0.id().to_string();
    let sent = Command::new("kill").args(["-s", "INT", &pid]).status();
    assert!(sent.unwrap().success());
    assert_eq!(watching.0.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let recorder = Recorder::start();
    let secret = "0123456789abcdefg";
    let admin = format!("\nadmin: {{ listen: \"127.0.0.1:0\", token: {secret} }}");
    let sidegate = Sidegate::start(recorder.address, &admin);
    assert!(
        stats(&sidegate, true, &[]).status.success(),
        "with the token"
    );
    let refused = |output: Output, expected: &str| {
        let said = text(&output.stderr);
        assert!(said.contains(expected) && !said.contains(secret), "{said}");
        assert!(output.stdout.is_empty());
        output.status.code()
    };
    assert_eq!(
        refused(stats(&sidegate, false, &[]), "--config FILE"),
        Some(1)
    );

    let mut alone = Command::new(BINARY);
    let config = sidegate.folder().join("sidegate.yaml");
    alone.args(["stats", "--config"]).arg(config);
    assert_eq!(
        refused(alone.output().unwrap(), "say which it is with --admin"),
        Some(1)
    );

    let run = |arguments: &[&str]| {
        Command::new(BINARY)
            .arg("stats")
            .args(arguments)
            .output()
            .unwrap()
    };
    let other = format!("http://{}", recorder.address);
    assert_eq!(refused(run(&["--admin", &other]), "metric"), Some(1));
    let nobody = "http://127.0.0.1:9";
    assert_eq!(
        refused(run(&["--admin", nobody]), "A Sidegate must be running"),
        Some(1)
    );
    for wrong in [
        &[][..],
        &["--admin", "127.0.0.1"],
        &["--admin", nobody, "--watch", "0"],
    ] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
