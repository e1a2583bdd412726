//! The demo, as a program sees it.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::process::{BINARY, PATIENCE, eventually, lines_of};
use crate::wire::{Reply, ask, request};

pub(crate) struct Demo {
    child: Child,
    pub(crate) line: Value,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(BINARY)
            .args(["demo", "--json", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let line = serde_json::from_str(&lines.recv_timeout(PATIENCE).unwrap()).unwrap();
        Self { child, line }
    }

    pub(crate) fn address(&self, name: &str) -> String {
        self.line[name]
            .as_str()
            .unwrap()
            .strip_prefix("http://")
            .unwrap()
            .to_owned()
    }

    pub(crate) fn ask(&self, method: &str, path: &str, token: Option<&str>) -> Reply {
        let token =
            token.map(|name| format!("Bearer {}", self.line["tokens"][name].as_str().unwrap()));
        let headers: Vec<_> = token
            .iter()
            .map(|token| ("Authorization", token.as_str()))
            .collect();
        ask(
            self.address("proxy").parse().unwrap(),
            request(method, path, &headers),
        )
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // It was killed, so it could not tidy up itself.
        let config = std::path::Path::new(self.line["config"].as_str().unwrap());
        let _ = std::fs::remove_dir_all(config.parent().unwrap());
    }
}

#[test]
fn the_tour_is_true() {
    let demo = Demo::start();
    let tour = demo.line["tour"].as_array().unwrap();
    let mut statuses = std::collections::BTreeSet::new();
    for stop in tour {
        let text = |name: &str| stop[name].as_str();
        let reply = demo.ask(
            text("method").unwrap(),
            text("path").unwrap(),
            text("token"),
        );
        assert_eq!(
            u64::from(reply.status),
            stop["expect"].as_u64().unwrap(),
            "{stop}"
        );
        statuses.insert(reply.status);
    }
    assert_eq!(
        statuses.into_iter().collect::<Vec<_>>(),
        [200, 400, 401, 403, 404]
    );
}

#[test]
fn the_tour_ends_with_why_somebody_was_refused() {
    let mut child = Command::new(BINARY)
        .args(["demo", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    let mut tour: Vec<String> = Vec::new();
    while !tour.last().is_some_and(|line| line.contains("--decision")) {
        tour.push(lines.recv_timeout(PATIENCE).unwrap().trim().to_owned());
    }
    let binaries = std::path::Path::new(BINARY).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let is_token = |line: &&String| {
        line.split_once('=')
            .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    let tokens = tour.iter().filter(is_token).cloned();
    // The last two lines, with the tokens as a visitor has pasted them.
    let script = tokens.chain(tour[tour.len() - 2..].iter().cloned());
    let script = script.collect::<Vec<_>>().join("\n");
    let output = eventually("an explanation", || {
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &script]).env("PATH", &path).output();
        Some(output.unwrap()).filter(|output| output.status.success())
    });
    let _ = child.kill();
    let _ = child.wait();
    let config = tour.iter().find_map(|line| line.strip_prefix("config "));
    let config = std::path::Path::new(config.unwrap().trim());
    let _ = std::fs::remove_dir_all(config.parent().unwrap());
    let said = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "DENY (no_role)",
        "-> 403",
        "to be allowed, one of:",
        "(now: no member)",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_right_taken_away_in_the_directory_is_gone() {
    let demo = Demo::start();
    let path = "/api/generations/6e000000-0000-4000-8000-000000000002";
    assert_eq!(demo.ask("PATCH", path, Some("bob")).status, 200);
    let file = demo.line["directory"].as_str().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace("role: editor", "role: viewer")).unwrap();
    eventually("bob may not write", || {
        (demo.ask("PATCH", path, Some("bob")).status == 403).then_some(())
    });
    assert_eq!(demo.ask("GET", path, Some("bob")).status, 200);
}
