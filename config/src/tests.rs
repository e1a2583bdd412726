//! Whole configurations: what is refused, where, and what is accepted.
//!
//! Every test changes one piece of the same small configuration. The files below differ in what
//! they are about: the document, what is kept of it, or the rules of its sections.

mod cache;
mod database;
mod document;
mod hardening;
mod introspection;
mod kept;
mod keys;
mod links;
mod redis;
mod rules;
mod telemetry;
mod upstream;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{ConfigError, Problem, Settings, parse};

const BASE: &str = "\
upstream: { url: http://127.0.0.1:3000 }
store: { file: { path: directory.yaml } }
issuers:
  - issuer: https://id.example/
    audiences: [api]
    algorithms: [ES256]
    keys: [{ jwks_file: keys.json }]
policy:
  roles: { owner: [read], viewer: [read] }
  kinds: { generation: {} }
routes:
  - { methods: [GET], path: /health, access: public }
";

fn file() -> PathBuf {
    PathBuf::from("/etc/sidegate/sidegate.yaml")
}

fn parsed(text: &str) -> Result<Settings, ConfigError> {
    parse(text, &file(), &BTreeMap::new())
}

fn problems(text: &str) -> Vec<Problem> {
    match parsed(text) {
        Err(ConfigError::Invalid { problems, .. }) => problems,
        other => panic!("expected problems in:\n{text}\nfound {other:?}"),
    }
}

/// `BASE` with one piece of it replaced.
fn with(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    BASE.replacen(from, to, 1)
}

/// Refused with one problem at this path; the message has these words.
fn refused(text: &str, path: &str, words: &str) {
    let problems = problems(text);
    let [problem] = problems.as_slice() else {
        panic!("expected one problem in:\n{text}\nfound {problems:#?}");
    };
    assert_eq!(problem.path, path, "{problem}\n{text}");
    assert!(problem.message.contains(words), "{problem}\n{text}");
    assert!(
        problem.line.is_some() && problem.column.is_some(),
        "{problem}"
    );
}
