//! The small sections as they are written: listeners, store, CORS, identity.
//!
//! Promise: one struct per section, each key with its default in its description. It holds text
//! and numbers without meaning; bounds and rules are in `parse`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(
    Admin,
    Server,
    Store,
    FileStore,
    PostgresStore,
    Cors,
    Identity,
    Assertion
);

/// The admin listener.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Admin {
    /// Its address and port. Port 0 takes a free one. Default: 127.0.0.1:9901.
    pub(crate) listen: Option<String>,
    /// The bearer token that callers must present, at least 16 bytes; `file:PATH` reads it from a
    /// file. Required beyond loopback. Default: none.
    pub(crate) token: Option<String>,
    /// Accept an address beyond loopback without a token. Default: false.
    #[serde(default)]
    pub(crate) insecure_no_token: Lenient<bool>,
}

/// The process.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Server {
    /// Threads of the proxy, 1 to 256. Default: the processors that this process may use.
    pub(crate) threads: Option<Lenient<usize>>,
    /// How long a stopping process lets requests in flight end, 0s to 5m. Default: 5s.
    pub(crate) shutdown_grace: Option<DurationText>,
}

/// Where facts come from: exactly one of `file` and `postgres`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Store {
    /// The embedded store: one YAML file with users, teams, projects and resources.
    pub(crate) file: Option<FileStore>,
    /// The application's own tables in PostgreSQL; `{}` is enough. Needs `database`.
    pub(crate) postgres: Option<PostgresStore>,
}

/// The embedded store.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct FileStore {
    /// The directory file. Required.
    pub(crate) path: String,
    /// How often it is looked at for an edit, 10ms to 1s. Default: 250ms.
    pub(crate) poll_interval: Option<DurationText>,
}

/// The application's own tables.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct PostgresStore {
    /// A file with the views and watches over the application's tables, for `sidegate migrate`.
    /// Default: those of the example application.
    pub(crate) contract: Option<String>,
}

/// Cross-origin requests.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Cors {
    /// What happens to a preflight on a known route. Default: forward.
    pub(crate) preflight: Option<PreflightName>,
    /// Origins that may read Sidegate's own answers, send preflights that it answers, and use
    /// cookies with unsafe methods. Exact: `https://app.example`, no wildcard. Default: none.
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    /// Whether those origins may send cookies. Default: false.
    #[serde(default)]
    pub(crate) allow_credentials: Lenient<bool>,
    /// Request headers allowed by an answered preflight. Default: authorization, content-type.
    pub(crate) allow_headers: Option<Vec<String>>,
    /// How long a browser may keep an answered preflight, 0s to 24h. Default: 10m.
    pub(crate) max_age: Option<DurationText>,
}

/// What happens to a preflight.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PreflightName {
    /// The application answers it; it gets no identity.
    Forward,
    /// Sidegate answers it from `cors`.
    Answer,
    /// It is refused.
    Deny,
}

/// What the application is told.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Identity {
    /// The signed assertion in X-Sidegate-Assertion.
    #[serde(default)]
    pub(crate) assertion: Assertion,
}

/// The signed assertion.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Assertion {
    /// Whether it is sent. Default: true.
    pub(crate) enabled: Option<Lenient<bool>>,
    /// Its signature. Default: EdDSA.
    pub(crate) algorithm: Option<AssertionAlgorithmName>,
    /// The private key as a PKCS#8 PEM; `file:PATH` reads it from a file. Default: a fresh key at
    /// every start.
    pub(crate) key: Option<String>,
    /// Its `iss`. Default: sidegate.
    pub(crate) issuer: Option<String>,
    /// Its `aud`. Default: app.
    pub(crate) audience: Option<String>,
    /// How long it is good, 2s to 60s. Default: 60s.
    pub(crate) lifetime: Option<DurationText>,
    /// Whether it speaks for the subject (one signature serves many requests) or for this one
    /// request (it also holds the method and a hash of the target). Default: subject.
    pub(crate) bind: Option<BindName>,
}

/// The assertion's signature.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
pub(crate) enum AssertionAlgorithmName {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// What the assertion speaks for.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BindName {
    /// The subject.
    Subject,
    /// This request.
    Request,
}
