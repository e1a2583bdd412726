//! The configuration as it is written: every key of the YAML file, and nothing else.
//!
//! Promise: an unknown key, a missing required key or a value of the wrong type is refused here,
//! with its YAML path. The doc comments are the descriptions in the JSON Schema. It does not know
//! what a value means, nor its bounds: `parse` does. This is the only file that knows serde_yaml's
//! parser and its messages.

mod cache;
mod database;
mod hardening;
mod introspection;
mod issuer;
mod link;
mod mapping;
mod policy;
mod redis;
mod route;
mod scalar;
mod section;
mod service_keys;
mod telemetry;
mod upstream;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_yaml::Value;

pub(crate) use cache::{Cache, Class, Coherence};
pub(crate) use database::{Database, PoolerName, RefreshName, View};
pub(crate) use hardening::{Hardening, Limits, ModeName, RuleName};
pub(crate) use introspection::{FallbackName, Introspection};
pub(crate) use issuer::{AlgorithmName, Claims, Issuer, Key, Source, SourceFields};
pub(crate) use link::{Links, RouteMedia, Storage};
pub(crate) use policy::{IdTypeName, Kind, Policy};
pub(crate) use redis::{Breaker, Redis};
pub(crate) use route::{Access, Route, RouteResource, UnknownSubjectName};
pub(crate) use scalar::{DurationText, Lenient};
pub(crate) use section::{
    Admin, Assertion, AssertionAlgorithmName, BindName, Cors, FileStore, Identity, PostgresStore,
    PreflightName, Server, Store,
};
pub(crate) use service_keys::ServiceKeys;
pub(crate) use telemetry::{AccessLog, AccessLogName, Telemetry, Tracing, TracingHeader};
pub(crate) use upstream::{HealthCheck, Upstream};

use crate::error::Problem;
use crate::locate::{Aim, Finding, YamlPath};

/// The configuration of Sidegate. `${NAME}` and `${NAME:-default}` in a value are replaced by an
/// environment variable; durations are written like `500ms`, `30s` or `24h`; relative paths start
/// from this file's folder.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schemars(title = "Sidegate configuration")]
pub(crate) struct Raw {
    /// Address and port where clients connect. Port 0 takes a free one. Default: 127.0.0.1:8080.
    pub(crate) listen: Option<String>,
    /// The admin listener: health, metrics, explain, the assertion's public keys.
    #[serde(default)]
    pub(crate) admin: Admin,
    /// Threads and shutdown.
    #[serde(default)]
    pub(crate) server: Server,
    /// The application behind Sidegate. Required.
    pub(crate) upstream: Upstream,
    /// Addresses (192.0.2.1) or networks (10.0.0.0/8) of peers whose X-Forwarded-* headers are
    /// believed. Default: nobody's.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<String>,
    /// Accept a network of prefix length 0 in `trusted_proxies`: any client may then name its own
    /// address. Default: false.
    #[serde(default)]
    pub(crate) insecure_trust_every_proxy: Lenient<bool>,
    /// Accept a configuration without issuers: no token is ever accepted. Default: false.
    #[serde(default)]
    pub(crate) insecure_no_issuers: Lenient<bool>,
    /// Accept a configuration without routes: every request is refused. Default: false.
    #[serde(default)]
    pub(crate) insecure_no_routes: Lenient<bool>,
    /// Accept a public route whose path is a rest at the root, such as `/{*rest}`: whatever no
    /// other route names is then public. Default: false.
    #[serde(default)]
    pub(crate) insecure_public_everything: Lenient<bool>,
    /// Accept a configuration, key or directory file to which everybody on the machine may write: they
    /// decide who gets in then. Default: false.
    #[serde(default)]
    pub(crate) insecure_writable_files: Lenient<bool>,
    /// Bounds on the time and size of one request.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// What happens to requests that break a rule of strictness.
    #[serde(default)]
    pub(crate) hardening: Hardening,
    /// Who may issue tokens. At least one, unless `insecure_no_issuers`.
    #[serde(default)]
    pub(crate) issuers: Vec<Issuer>,
    /// Keys of programs. Default: none is accepted.
    pub(crate) service_keys: Option<ServiceKeys>,
    /// Where the facts behind decisions come from. Required.
    pub(crate) store: Store,
    /// The application's database. Required with `store.postgres`.
    pub(crate) database: Option<Database>,
    /// The cache that several instances share. Only with `store.postgres`. Default: none.
    pub(crate) redis: Option<Redis>,
    /// What is kept of the database's answers.
    #[serde(default)]
    pub(crate) cache: Cache,
    /// How changes in the database are noticed.
    #[serde(default)]
    pub(crate) coherence: Coherence,
    /// Roles, kinds of resource, visibility. Required.
    pub(crate) policy: Policy,
    /// What may be asked, and what must hold; anything else is refused. Order has no meaning. At
    /// least one, unless `insecure_no_routes`.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    /// Links that carry their own credential, for routes with `links: true`. Default: none.
    pub(crate) links: Option<Links>,
    /// Cross-origin requests from browsers.
    #[serde(default)]
    pub(crate) cors: Cors,
    /// What the application is told about the subject.
    #[serde(default)]
    pub(crate) identity: Identity,
    /// What is told about requests: metrics, the access log, recent decisions, traces.
    #[serde(default)]
    pub(crate) telemetry: Telemetry,
}

mapping::only_mapping!(Raw);

/// Text to a tree of values. Syntax errors and duplicate keys end here.
pub(crate) fn document(text: &str) -> Result<Value, Problem> {
    serde_yaml::from_str(text).map_err(|error| {
        // Of some mistakes with aliases it does not say where they are.
        let start = (!text.trim().is_empty()).then_some((1, 1));
        let position = error
            .location()
            .map(|at| (at.line(), at.column()))
            .or(start);
        let mut message = error.to_string();
        if let Some((line, column)) = position {
            message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
        }
        Problem {
            path: String::new(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            message: format!("expected one valid YAML document: {message}"),
        }
    })
}

/// A tree of values to the keys that Sidegate knows.
pub(crate) fn shape(document: Value) -> Result<Raw, Finding> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let message = error.inner().to_string();
        let aim = if message.starts_with("unknown field") {
            Aim::Key
        } else {
            Aim::Value
        };
        Finding {
            path: YamlPath::from(error.path()),
            aim,
            message: without_value(&message),
        }
    })
}

/// serde quotes the value that it refuses, and that may be a secret in the wrong place. What was
/// expected comes last and is our own text.
fn without_value(message: &str) -> String {
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("expected the required key {key}");
    }
    if message.starts_with("unknown variant ")
        && let Some((_, names)) = message.rsplit_once(", expected ")
    {
        return format!("expected {names}");
    }
    let mismatch = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = mismatch.and_then(|text| text.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let kind = found.split(['"', '`']).next().unwrap_or_default().trim();
    let kind = match kind {
        "map" => "a mapping",
        "sequence" => "a list",
        "unit value" => "nothing",
        "integer" | "floating point" => "a number",
        "boolean" => "`true` or `false`",
        "string" => "a string",
        _ => "something else",
    };
    let expected = match expected {
        "a map" => "a mapping",
        "a sequence" => "a list",
        "a Value::Tagged enum" => "a name",
        other => other,
    };
    format!("expected {expected}, found {kind}")
}
