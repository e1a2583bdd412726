//! `${NAME}` and `${NAME:-default}` in the strings of a parsed document.
//!
//! Promise: expansion happens after the YAML is parsed, so the value of a variable is always one
//! string and can never add a key, a list entry or a comment. All problems are collected. A
//! message names the variable and never shows a value or a default.
//!
//! As in a shell, `:-` also applies to a variable that is set and empty; `$${` is a plain `${`.
//! It does not expand mapping keys, and a default holds no further `${…}`.
//!
//! Because it sees every node, it also refuses what has no meaning here: YAML tags, and keys
//! without a value (`statuses:` must not silently mean "any status"). Only `store.postgres` says
//! all that it has to by being there.

use serde_yaml::{Mapping, Value};

use crate::env::Env;
use crate::locate::{Aim, Finding, YamlPath};

/// Expands every string in place, or says what is wrong with each that cannot be.
pub(crate) fn expand(document: &mut Value, env: &dyn Env) -> Result<(), Vec<Finding>> {
    let mut walk = Walk {
        env,
        findings: Vec::new(),
    };
    walk.node(document, &YamlPath::default());
    if walk.findings.is_empty() {
        Ok(())
    } else {
        Err(walk.findings)
    }
}

struct Walk<'a> {
    env: &'a dyn Env,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Value, path: &YamlPath) {
        match node {
            Value::String(text) => match expand_text(text, self.env) {
                Ok(expanded) => *text = expanded,
                Err(message) => self.refuse(path, message),
            },
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &path.index(index));
                }
            }
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    match key {
                        Value::String(key) => self.node(value, &path.key(key)),
                        // The shape is checked next, and refuses a key that is not a string.
                        Value::Null
                        | Value::Bool(_)
                        | Value::Number(_)
                        | Value::Sequence(_)
                        | Value::Mapping(_)
                        | Value::Tagged(_) => {}
                    }
                }
            }
            // An empty document lacks its required keys, which says more.
            Value::Null if *path == YamlPath::default() => {}
            Value::Null if *path == YamlPath::default().key("store").key("postgres") => {
                *node = Value::Mapping(Mapping::new());
            }
            Value::Null => self.refuse(
                path,
                "expected a value; leave the key out to take its default".to_owned(),
            ),
            Value::Tagged(_) => {
                self.refuse(path, "expected a plain value, found a YAML tag".to_owned());
            }
            Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn refuse(&mut self, path: &YamlPath, message: String) {
        self.findings.push(Finding {
            path: path.clone(),
            aim: Aim::Value,
            message,
        });
    }
}

fn expand_text(text: &str, env: &dyn Env) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            expanded.push_str(escaped);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let Some((reference, after)) = after.split_once('}') else {
            return Err("expected a `}` after `${` (write `$${` for a plain `${`)".to_owned());
        };
        expanded.push_str(&resolve(reference, env)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn resolve(reference: &str, env: &dyn Env) -> Result<String, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_variable(name) {
        return Err(
            "expected `${NAME}` or `${NAME:-default}`, the name of letters, digits and `_` \
             (write `$${` for a plain `${`)"
                .to_owned(),
        );
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!(
            "expected a plain default for `{name}`: a default cannot hold another `${{…}}`"
        ));
    }
    match (env.var(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "expected the environment variable `{name}` to be set, or a default: \
             `${{{name}:-default}}`"
        )),
    }
}

fn is_variable(name: &str) -> bool {
    let head = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(head) && name.chars().all(|c| head(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let env = BTreeMap::from([
            ("PORT".to_owned(), "9000".to_owned()),
            ("EMPTY".to_owned(), String::new()),
            ("TRICK".to_owned(), "${PORT}".to_owned()),
        ]);
        expand_text(text, &env)
    }

    #[test]
    fn references_are_replaced_once() {
        for (text, result) in [
            ("plain $5 {x}", "plain $5 {x}"),
            ("127.0.0.1:${PORT}", "127.0.0.1:9000"),
            ("${PORT}${PORT:-1}", "90009000"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${NONE:-}|${EMPTY:-x}|${EMPTY}", "|x|"),
            ("$${PORT} $${", "${PORT} ${"),
            ("${TRICK}", "${PORT}"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn broken_references_are_refused() {
        for (text, needle) in [
            ("${NONE}", "`NONE` to be set"),
            ("${PORT", "expected a `}`"),
            ("${}", "${NAME}"),
            ("${1A}", "${NAME}"),
            ("${PORT-x}", "${NAME}"),
            ("${NONE:-${PORT}}", "plain default for `NONE`"),
        ] {
            let message = expanded(text).unwrap_err();
            assert!(message.contains(needle), "{text}: {message}");
        }
    }
}
