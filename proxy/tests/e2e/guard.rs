//! What refuses to start, and what `check --security` says is in force.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::cli::run;
use crate::process::{DIRECTORY, Sidegate, config};
use crate::recorder::Recorder;
use crate::wire::{ask, request};

/// `check --security` of a configuration whose directory file has these permissions.
fn check(folder: &Path, text: &str, mode: u32) -> (Option<i32>, Value) {
    std::fs::write(folder.join("sidegate.yaml"), text).unwrap();
    let directory = folder.join("directory.yaml");
    std::fs::write(&directory, DIRECTORY).unwrap();
    std::fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
    let file = folder.join("sidegate.yaml").display().to_string();
    let output = run(&["check", "--security", "--json", "--config", &file]);
    let answer = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), answer)
}

fn effect(answer: &Value, about: &str) -> (String, bool) {
    let lines = answer["security"].as_array().unwrap();
    let line = lines.iter().find(|line| line["about"] == about);
    let line = line.unwrap_or_else(|| panic!("no `{about}` in {answer:#}"));
    (
        line["effect"].as_str().unwrap().to_owned(),
        line["weak"].as_bool().unwrap(),
    )
}

#[test]
fn a_file_that_everybody_may_write_to_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = config("127.0.0.1:1".parse().unwrap(), "");
    assert_eq!(check(folder.path(), &text, 0o644).0, Some(0));
    let (code, answer) = check(folder.path(), &text, 0o646);
    let problem = answer["problems"][0].as_str().unwrap();
    assert_eq!(code, Some(1));
    let named = problem.contains("directory.yaml: everybody may write");
    assert!(
        named && problem.contains("insecure_writable_files"),
        "{problem}"
    );
    let accepted = text + "\ninsecure_writable_files: true\n";
    let (code, answer) = check(folder.path(), &accepted, 0o646);
    assert_eq!(
        (code, effect(&answer, "insecure_writable_files").1),
        (Some(0), true)
    );
}

#[test]
fn a_reload_of_such_a_file_changes_nothing() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let file = sidegate.folder().join("sidegate.yaml");
    std::fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    sidegate.signal("HUP");
    let line = sidegate.logged("everybody may write");
    assert!(line.contains("sidegate.yaml"), "{line}");
    assert_eq!(ask(sidegate.proxy, request("GET", "/a", &[])).status, 200);
}

#[test]
fn the_posture_says_what_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let text = config("127.0.0.1:1".parse().unwrap(), "");
    let (code, answer) = check(folder.path(), &text, 0o644);
    assert_eq!(code, Some(0));
    assert_eq!(
        effect(&answer, "rule bare_lf"),
        ("refused".to_owned(), false)
    );
    let (open, weak) = effect(&answer, "open to everybody");
    assert!(weak && open.contains("GET /a"), "{open}");
    let (issuer, weak) = effect(&answer, "issuer https://issuer.test/");
    assert!(
        weak && issuer.contains("HS256") && issuer.contains("shared secret"),
        "{issuer}"
    );

    let relaxed = text.replace(
        "path: \"/a\", access: public }",
        "path: \"/a\", access: public, relax: [bare_lf] }",
    );
    let (_, answer) = check(folder.path(), &relaxed, 0o644);
    let but = ("refused, but for GET /a".to_owned(), true);
    assert_eq!(effect(&answer, "rule bare_lf"), but);
    let linked = text.replace(
        "path: \"/g/{id}\", action: read,",
        "path: \"/g/{id}\", links: true, media: { object: \"{id}\" }, action: read,",
    ) + "\nlinks: { key: 9f8e7d6c5b4a39281706f5e4d3c2b1a0, storage: \
         { url: \"https://s.example\", bucket: b, token: storage-token, expires_in: 60s } }\n";
    let (_, answer) = check(folder.path(), &linked, 0o644);
    let (accepting, weak) = effect(&answer, "open by a link");
    assert!(!weak && accepting.contains("15m"), "{accepting}");
    let (sent, weak) = effect(&answer, "sent to the storage");
    assert!(weak && sent.contains("1m longer than the right"), "{sent}");
    let reporting = text + "\nhardening: { mode: report_only }\n";
    let (_, answer) = check(folder.path(), &reporting, 0o644);
    let only = ("only reported".to_owned(), true);
    assert_eq!(effect(&answer, "rule bare_lf"), only);
}

#[test]
fn a_reload_into_something_weaker_is_said() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let text = config(recorder.address, "");
    sidegate.edit(&(text + "\nhardening: { mode: report_only }\n"));
    let line = sidegate.logged("only reported");
    assert!(line.contains("WARN"), "{line}");
}

#[test]
fn an_explanation_is_what_the_bytes_would_meet() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    for (path, headers, reason) in [
        ("/a", serde_json::json!({}), "public"),
        ("/a", serde_json::json!({ "X_A": "b" }), "header_names"),
        ("/a", serde_json::json!({ "X-A": "caf\u{e9}" }), "obs_text"),
        ("/a#b", serde_json::json!({}), "fragment"),
        ("/public/a;b", serde_json::json!({}), "matrix_parameters"),
        ("/a b", serde_json::json!({}), "malformed_head"),
    ] {
        let body =
            serde_json::json!({ "method": "GET", "path": path, "headers": headers }).to_string();
        let length = body.len().to_string();
        let head = [
            ("Content-Length", length.as_str()),
            ("Content-Type", "application/json"),
        ];
        let raw = request("POST", "/explain", &head).replace("app.test", "127.0.0.1") + &body;
        let answer = ask(sidegate.admin, raw).json();
        assert_eq!(answer["reason"], reason, "{path} {headers}: {answer:#}");
    }
}
