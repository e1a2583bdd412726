//! Every command of the README does what the README says, and its small configuration is good.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::demo::Demo;
use crate::process::{BINARY, root};

/// The lines of the README's fenced blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = Vec::new();
    for block in readme.split("```").skip(1).step_by(2) {
        if let Some(text) = block.strip_prefix(&format!("{language}\n")) {
            blocks.push(text.to_owned());
        }
    }
    blocks
}

#[test]
fn every_command_works() {
    let demo = Demo::start();
    let tokens = demo.line["tokens"].as_object().unwrap();
    let path = format!(
        "{}:{}",
        Path::new(BINARY).parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let blocks = blocks("sh");
    let mut ran = BTreeMap::new();
    for line in blocks
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| !line.starts_with('#'))
    {
        // These two contain this test; that they can be run is looked at below.
        if ["scripts/demo", "scripts/test"].contains(&line) {
            assert!(root().join(line).is_file());
            continue;
        }
        let command = line
            .replace("127.0.0.1:8080", &demo.address("proxy"))
            .replace("127.0.0.1:8081", &demo.address("admin"));
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &command])
            .current_dir(root())
            .env("PATH", &path);
        for (name, token) in tokens {
            shell.env(name.to_uppercase(), token.as_str().unwrap());
        }
        let output = shell.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && !shown.is_empty(),
            "{line}\n{output:?}"
        );
        ran.insert(line.to_owned(), shown);
    }
    let printed = |part: &str| {
        let (_, text) = ran.iter().find(|(line, _)| line.contains(part)).unwrap();
        text.clone()
    };
    assert!(printed("$ALICE").starts_with("HTTP/1.1 200"));
    assert!(printed("curl -i -H \"Authorization: Bearer $CAROL\"").starts_with("HTTP/1.1 403"));
    assert!(printed("/explain").contains("\"reason\":\"no_role\""));
    assert!(printed("sidegate explain").starts_with("DENY (no_role)"));
    assert!(printed("/readyz").contains("\"ready\":true"));
    assert!(printed("check --config config/sidegate.yaml").contains(": ok"));
}

#[test]
fn the_demo_is_what_the_script_runs_and_the_tests_are_what_ci_runs() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    assert!(read("scripts/demo").contains("/demo/sidegate\" demo \"$@\""));
    assert!(read(".ci/run").contains("scripts/test"));
    assert!(read("scripts/test").contains("cargo nextest run --locked --workspace"));
}

#[test]
fn the_small_configuration_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidegate.yaml");
    std::fs::write(&file, blocks("yaml").remove(0)).unwrap();
    for name in ["issuer.jwks.json", "directory.yaml"] {
        std::fs::copy(
            root().join("config/demo").join(name),
            folder.path().join(name),
        )
        .unwrap();
    }
    let output = Command::new(BINARY)
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, format!("{}: ok\n", file.display()));
}

#[test]
fn no_placeholder_is_left() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let is_placeholder =
        |word: &str| word.len() > 2 && word.starts_with('@') && word.ends_with('@');
    assert!(!readme.split_whitespace().any(is_placeholder));
}

/// Every Rust file below a folder, as one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

#[test]
fn what_security_promises_is_proved_by_tests_that_exist() {
    let text = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let sources = sources(&root().join("proxy"));
    let codes: Vec<_> = sidegate::outcome::Code::all();
    let quoted = text.split('`').skip(1).step_by(2);
    let mut tests = 0;
    for name in quoted {
        if let Some((_, test)) = name.rsplit_once("::") {
            assert!(sources.contains(&format!("fn {test}(")), "no test {name}");
            tests += 1;
        }
        if let Some(script) = name.strip_prefix("scripts/") {
            let script = script.split(' ').next().unwrap();
            assert!(root().join("scripts").join(script).is_file(), "{name}");
        }
    }
    assert!(tests > 30, "{tests}");
    // The table of refusals: every reason is one.
    let (_, table) = text.split_once("| reason | status |").unwrap();
    let reasons = table
        .lines()
        .skip(2)
        .filter_map(|line| line.split('|').nth(1));
    for reason in reasons.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
        assert!(codes.iter().any(|code| code.name() == reason), "{reason}");
    }
}
