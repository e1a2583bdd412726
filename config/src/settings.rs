//! The settings Sidegate runs with: every value parsed, every default filled in.
//!
//! Promise: a [`Settings`] can only be made by [`crate::load`] or [`crate::parse()`], and what it
//! holds is complete and consistent: no empty list that means "everything", no relative path, no
//! `${ENV}` left, no route without a rule. It does not know what a policy decides, nor whether a
//! key file holds a usable key: the proxy parses those when it starts and when `check` runs.

mod cache;
mod database;
mod hardening;
mod introspection;
mod issuer;
mod link;
mod redis;
mod route;
mod service_keys;
mod telemetry;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

pub use cache::{CacheSettings, ClassSettings, CoherenceSettings};
pub use database::{DatabaseSettings, Pooler, PostgresSettings, Refresh, Tls, ViewSettings};
pub use hardening::{Rule, Rules, Strictness};
pub use introspection::{IntrospectionFallback, IntrospectionSettings};
pub use issuer::{
    Algorithm, ClaimSettings, CredentialSource, IssuerSettings, KeySource, RemoteKeyKind,
    RemoteKeySettings,
};
pub use link::{LinkSettings, MediaSettings, StorageSettings};
pub use redis::{BreakerSettings, RedisSettings};
pub use route::{AccessSettings, IdSource, RouteSettings, UnknownSubject};
pub use service_keys::ServiceKeySettings;
pub use telemetry::{
    AccessLogSettings, AccessLogTarget, Fraction, TelemetrySettings, TracingSettings,
};
pub use upstream::{Endpoint, HealthCheckSettings, UpstreamSettings};

use crate::secret::Secret;

/// A whole, consistent configuration.
#[derive(Debug)]
pub struct Settings {
    /// Where clients (Kong, a load balancer) connect. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The admin listener.
    pub admin: AdminSettings,
    /// Threads, shutdown.
    pub server: ServerSettings,
    /// The application behind Sidegate.
    pub upstream: UpstreamSettings,
    /// Peers whose `X-Forwarded-*` headers are believed. Empty: nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// Bounds on time and size of one request.
    pub limits: LimitSettings,
    /// What happens to requests that break a rule of strictness.
    pub strictness: Strictness,
    /// Who may issue tokens. Empty only with `insecure_no_issuers`.
    pub issuers: Vec<IssuerSettings>,
    /// Keys of programs; `None`: none is accepted.
    pub service_keys: Option<ServiceKeySettings>,
    /// Where the facts behind decisions come from.
    pub store: StoreSettings,
    /// The cache that several instances share; `None`: there is none.
    pub redis: Option<RedisSettings>,
    /// What is kept of the database's answers.
    pub cache: CacheSettings,
    /// How changes in the database are noticed.
    pub coherence: CoherenceSettings,
    /// Roles, kinds of resource, visibility.
    pub policy: PolicySettings,
    /// What may be asked, and what each request means. Order has no meaning.
    pub routes: Vec<RouteSettings>,
    /// Links that carry their own credential; `None`: there are none.
    pub links: Option<LinkSettings>,
    /// Cross-origin requests from browsers.
    pub cors: CorsSettings,
    /// What the application is told about the subject.
    pub identity: IdentitySettings,
    /// What is told about requests.
    pub telemetry: TelemetrySettings,
    /// Whether files to which everybody may write are read all the same.
    pub writable_files: bool,
    /// Every `insecure_…` option that is on, by its YAML path, to be named in the log at start.
    pub insecure: Vec<String>,
    /// What is allowed but worth a second look, for `sidegate check`.
    pub notes: Vec<String>,
    /// Every file that these settings were read from: the configuration and its `file:` secrets.
    /// The certificate authority of the database is one of them, although it is not read here.
    pub files: Vec<PathBuf>,
    /// The document as it was written, before `${…}` was filled in, with every secret and the user
    /// information and query of every URL replaced by `***`: what may be shown.
    pub redacted: serde_json::Value,
}

/// The admin listener: health, metrics, explain, the assertion's public keys.
#[derive(Debug)]
pub struct AdminSettings {
    /// Its address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bearer token that callers must present; `None` only on loopback or with
    /// `insecure_no_token`.
    pub token: Option<Secret>,
}

/// The process.
#[derive(Debug)]
pub struct ServerSettings {
    /// Threads of the proxy, 1..=256.
    pub threads: usize,
    /// How long a stopping process lets requests in flight end, 0..=5 min.
    pub shutdown_grace: Duration,
}

/// Bounds on one request.
#[derive(Debug, Clone, Copy)]
pub struct LimitSettings {
    /// The whole decision, from the parsed header to the verdict, 1 ms..=60 s.
    pub decision_timeout: Duration,
    /// How long an idle client connection is kept, 1 s..=1 h, whole seconds.
    pub keepalive_timeout: Duration,
    /// How long the unread body of a refused request is drained before the connection is closed,
    /// 0..=60 s.
    pub drain_timeout: Duration,
    /// Bound on each read of a request's body, 1 s..=1 h.
    pub read_timeout: Duration,
    /// Bound on each write of an answer to a client that does not read, 1 s..=1 h.
    pub write_timeout: Duration,
    /// The longest token that is looked at, in bytes, 64..=65,536.
    pub max_token_bytes: usize,
    /// How long a request's head may take, from its first byte to its last, 100 ms..=5 min.
    pub header_timeout: Duration,
    /// The longest head, request line included, in bytes, 1,024..=262,144.
    pub max_header_bytes: usize,
    /// The most header lines, 1..=256.
    pub max_headers: usize,
    /// The longest body of a request, in bytes, where its route names no other.
    pub max_body_bytes: u64,
    /// The pace at which a body must arrive, after the first seconds, in bytes per second; 0: any.
    pub min_body_rate: u64,
    /// How many credentials that are not good a client may present within the window; 0: any number.
    pub max_failed_authentications: usize,
    /// The window for them, 1 s..=1 h.
    pub failed_authentication_window: Duration,
    /// How long one request may last, from its decision on, 1 s..=24 h.
    pub max_stream_age: Duration,
}

/// Where facts come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it in a configuration"
)]
pub enum StoreSettings {
    /// The embedded store: a YAML directory in one file.
    File {
        /// The file.
        path: PathBuf,
        /// How often it is looked at for an edit, 10 ms..=1 s.
        poll_interval: Duration,
    },
    /// The application's own tables.
    Postgres(PostgresSettings),
}

/// How ids of a kind are written in the application's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdType {
    /// A uuid, in any spelling Postgres accepts.
    Uuid,
    /// A 64-bit integer.
    Bigint,
    /// Text, compared byte by byte.
    Text,
}

/// Roles, kinds and visibility, as names. The policy crate gives them meaning.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicySettings {
    /// How subjects' ids are written.
    pub subject_id: IdType,
    /// role -> actions, for every kind that has no roles of its own.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// visibility -> the role it gives to everybody who has a subject row.
    pub visibility_roles: BTreeMap<String, String>,
    /// subject role -> kind (or `*`) -> actions, on every resource of the kind.
    pub subject_roles: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// The kinds of resource.
    pub kinds: BTreeMap<String, KindSettings>,
}

/// A kind of resource.
#[derive(Debug, PartialEq, Eq)]
pub struct KindSettings {
    /// How its ids are written.
    pub id: IdType,
    /// role -> actions for this kind, instead of the policy's `roles`.
    pub roles: Option<BTreeMap<String, BTreeSet<String>>>,
    /// If given, a resource in any other status is refused to everybody.
    pub statuses: Option<BTreeSet<String>>,
}

/// Cross-origin requests (Fetch standard, "CORS protocol").
#[derive(Debug)]
pub struct CorsSettings {
    /// What happens to a preflight on a known route.
    pub preflight: Preflight,
    /// Origins that may read our own answers, send preflights that we answer, and use cookies
    /// with unsafe methods. Exact, serialized origins.
    pub origins: BTreeSet<String>,
    /// Whether `Access-Control-Allow-Credentials: true` is sent.
    pub allow_credentials: bool,
    /// Request headers allowed by an answered preflight.
    pub allow_headers: Vec<HeaderName>,
    /// How long a browser may keep our answer, 0..=24 h.
    pub max_age: Duration,
}

/// What happens to a preflight on a known route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preflight {
    /// The application answers it; it gets no identity.
    Forward,
    /// Sidegate answers it from `cors`.
    Answer,
    /// It is refused.
    Deny,
}

/// What the application is told.
#[derive(Debug)]
pub struct IdentitySettings {
    /// The signed assertion.
    pub assertion: AssertionSettings,
}

/// `X-Sidegate-Assertion`.
#[derive(Debug)]
pub struct AssertionSettings {
    /// Whether it is sent.
    pub enabled: bool,
    /// ES256 or EdDSA.
    pub algorithm: AssertionAlgorithm,
    /// A PKCS#8 PEM; `None`: a fresh key at every start.
    pub key: Option<Secret>,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// `exp - iat`, 2..=60 s.
    pub lifetime: Duration,
    /// What it speaks for.
    pub bind: Bind,
}

/// The assertion's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// What an assertion speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// The subject: one signature serves many requests.
    Subject,
    /// This request: the assertion also holds the method and a hash of the target.
    Request,
}
