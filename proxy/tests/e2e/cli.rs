//! The command line: exit codes, clear errors, and every shipped configuration.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::{BINARY, config, root};

pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `config/*.yaml` and `config/*/sidegate.yaml`. Kong's own file ends in `.yml`.
fn shipped() -> Vec<String> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let mut files = Vec::new();
    for entry in entries(&root().join("config")) {
        if entry.is_dir() {
            files.push(entry.join("sidegate.yaml"));
        } else if entry.extension().is_some_and(|end| end == "yaml") {
            files.push(entry);
        }
    }
    files.retain(|file| file.is_file());
    files.sort();
    let shown = |file: &PathBuf| file.strip_prefix(root()).unwrap().display().to_string();
    files.iter().map(shown).collect()
}

#[test]
fn every_shipped_configuration_is_good() {
    let files = shipped();
    for known in ["config/sidegate.yaml", "config/compose/sidegate.yaml"] {
        assert!(files.iter().any(|file| file == known), "{files:?}");
    }
    for file in files {
        let output = run(&["check", "--config", &file]);
        assert_eq!(
            text(&output.stdout),
            format!("{file}: ok\n"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn check_names_the_place_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidegate.yaml");
    let shown = file.display().to_string();
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = run(&["check", "--json", "--config", &shown]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        (
            output.status.code(),
            answer["problems"][0]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let good = config("127.0.0.1:1".parse().unwrap(), "");
    let (code, problem) = check(&good.replace("threads: 1", "threds: 1"));
    assert_eq!(code, Some(1));
    assert!(
        problem.starts_with(&format!("{shown}:5:")) && problem.contains("threds"),
        "{problem}"
    );
    let (code, problem) = check(&good);
    assert!(
        code == Some(1) && problem.contains("directory.yaml"),
        "{problem}"
    );
    std::fs::write(folder.path().join("directory.yaml"), "users: []\n").unwrap();
    assert_eq!(check(&good), (Some(0), String::new()));
    let (code, problem) = check(&good.replace("action: write", "action: fly"));
    assert!(
        code == Some(1) && problem.contains("no role of the policy grants `fly`"),
        "{problem}"
    );
}

#[test]
fn wrong_usage_exits_with_2_and_a_failure_with_1() {
    assert_eq!(run(&["run"]).status.code(), Some(2));
    assert_eq!(run(&["fly"]).status.code(), Some(2));
    assert_eq!(
        run(&["run", "--config", "nowhere.yaml"]).status.code(),
        Some(1)
    );
    let schema: Value = serde_json::from_slice(&run(&["schema"]).stdout).unwrap();
    assert!(schema["properties"]["routes"].is_object());
}

#[test]
fn a_port_in_use_is_a_clear_error() {
    // One from which the demo's three ports can be counted.
    let (_taken, port) = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").unwrap())
        .map(|taken| (taken.local_addr().unwrap().port(), taken))
        .find_map(|(port, taken)| (port <= 65_533).then_some((taken, port)))
        .unwrap();
    let output = run(&["demo", "--port", &port.to_string()]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("in use") && message.contains("--port 0"),
        "{message}"
    );
}
