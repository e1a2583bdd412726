//! The document as it may be shown: as it was written, without its secrets.
//!
//! Promise: it is taken before `${…}` is filled in, so it holds no value of the environment, and
//! in the place of a secret it has `***`, whatever was written there, a default included. Only the
//! name of a secret's file stays. In every other text the user information and the query of a URL
//! are `***` too; nothing else is searched for what looks secret.

mod url;

use serde_json::{Map, Value as Json};
use serde_yaml::Value;

/// The document with `***` for every secret.
pub(crate) fn redacted(document: &Value) -> Json {
    shown(document, SECRETS)
}

/// `secrets` are the places below this node, each as the keys that lead there.
fn shown(node: &Value, secrets: &[&[&str]]) -> Json {
    if secrets.iter().any(|place| place.is_empty()) {
        return hidden(node);
    }
    match node {
        Value::Mapping(entries) => {
            let mut members = Map::new();
            for (key, value) in entries {
                // Other keys are refused before anybody could look at this.
                if let Value::String(key) = key {
                    members.insert(key.clone(), shown(value, &below(secrets, key)));
                }
            }
            Json::Object(members)
        }
        Value::Sequence(items) => {
            let below = below(secrets, EACH);
            Json::Array(items.iter().map(|item| shown(item, &below)).collect())
        }
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Number(number) => serde_json::to_value(number).unwrap_or_default(),
        Value::String(text) => Json::String(url::shown(text)),
        // Refused as well.
        Value::Tagged(_) => Json::Null,
    }
}

fn below<'a>(secrets: &[&'a [&'a str]], step: &str) -> Vec<&'a [&'a str]> {
    let rest = |place: &&'a [&'a str]| match place.split_first() {
        Some((first, rest)) if *first == step => Some(rest),
        Some(_) | None => None,
    };
    secrets.iter().filter_map(rest).collect()
}

fn hidden(node: &Value) -> Json {
    match node.as_str() {
        Some(text) if text.starts_with("file:") => Json::String(text.to_owned()),
        Some(_) | None => Json::String("***".to_owned()),
    }
}

/// Every key whose value is read with `Report::secret`.
const SECRETS: &[&[&str]] = &[
    &["admin", "token"],
    &["issuers", EACH, "keys", EACH, "secret"],
    &["issuers", EACH, "introspection", "client_secret"],
    &["identity", "assertion", "key"],
    &["service_keys", "pepper"],
    &["database", "url"],
    &["database", "feed_url"],
    &["database", "migrate_url"],
    &["redis", "url"],
    &["redis", "mac_keys", EACH],
    &["links", "key"],
    &["links", "previous_keys", EACH],
    &["links", "storage", "token"],
    &["telemetry", "tracing", "headers", EACH, "value"],
];

/// Any entry of a list.
const EACH: &str = "[]";
