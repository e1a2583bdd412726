//! The database as it is written.
//!
//! Promise: each key with its bounds and its default in its description. It does not know what a
//! URL may hold: `parse` does.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(Database, View);

/// The application's database. The two numbers of connections are for all instances together.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Database {
    /// Its address, `postgres://user:password@host:port/name`; `file:PATH` reads it from a file.
    /// Beyond loopback TLS is used and verified, unless `insecure_plaintext`; `?sslmode=require`
    /// asks for it on loopback too. Required.
    pub(crate) url: String,
    /// The change feed's own address, past a pooler; `file:PATH` reads it from a file. Default:
    /// `url`.
    pub(crate) feed_url: Option<String>,
    /// The address for `sidegate migrate`, as the owner of the application's tables;
    /// `file:PATH` reads it from a file. Default: `url`.
    pub(crate) migrate_url: Option<String>,
    /// What stands between Sidegate and the server. Default: none.
    pub(crate) pooler: Option<PoolerName>,
    /// Connections that are opened at start and kept, 7 to 1000. Default: 20.
    pub(crate) pool_size: Option<Lenient<usize>>,
    /// Further connections under load, 0 to 1000. Default: 30.
    pub(crate) max_overflow: Option<Lenient<usize>>,
    /// How many Sidegates share these numbers, 1 to 1000. Default: 1.
    pub(crate) instances: Option<Lenient<usize>>,
    /// Bound on connecting, 1ms to 60s. Default: 2s.
    pub(crate) connect_timeout: Option<DurationText>,
    /// Bound on one question of a request, waiting for a connection included, 1ms to 60s.
    /// Default: 1s.
    pub(crate) query_timeout: Option<DurationText>,
    /// The server's own bound on any statement, 1s to 10m. Default: 30s.
    pub(crate) statement_timeout: Option<DurationText>,
    /// The server's own bound on a transaction in which nothing happens, 1s to 1h. Default: 60s.
    pub(crate) idle_in_transaction_timeout: Option<DurationText>,
    /// How long background work waits for a connection, 1ms to 5m. Default: 30s.
    pub(crate) acquire_timeout: Option<DurationText>,
    /// Further connections that are idle for longer are closed, 1s to 1h. Default: 60s.
    pub(crate) idle_timeout: Option<DurationText>,
    /// A connection that is older is not used again, 1s to 24h. Default: 1h.
    pub(crate) max_lifetime: Option<DurationText>,
    /// Whether writes to the change log ring a doorbell (NOTIFY), so that a change is known after
    /// milliseconds instead of a poll's interval. It makes transactions that write to the log commit
    /// one after the other. Takes effect with `sidegate migrate`. Default: false.
    #[serde(default)]
    pub(crate) doorbell: Lenient<bool>,
    /// The materialized view of who has access to what.
    #[serde(default)]
    pub(crate) view: View,
    /// A PEM file with the certificate authority of the server. Default: those of the system.
    pub(crate) ca_file: Option<String>,
    /// Accept a server beyond loopback without TLS: anybody on the way reads the password and can
    /// change the answers. Default: false.
    #[serde(default)]
    pub(crate) insecure_plaintext: Lenient<bool>,
}

/// The materialized view `sidegate.mv_user_authorization_context`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct View {
    /// When it is built anew. Whether there is one takes effect with `sidegate migrate`. Default: off.
    pub(crate) refresh: Option<RefreshName>,
    /// With `interval`: how often, 1s to 24h. Default: 60s.
    pub(crate) interval: Option<DurationText>,
    /// With `on_change`: how long after a change, 100ms to 1h; what changes meanwhile goes with it.
    /// Default: 5s.
    pub(crate) debounce: Option<DurationText>,
    /// Bound on building it, 1s to 24h; what changes a table of the application waits for it. Default: 1m.
    pub(crate) timeout: Option<DurationText>,
    /// Whether questions that neither memory nor Redis can answer are put to it before the tables. It
    /// answers only what has not changed since it was built, and only grants. Default: false.
    #[serde(default)]
    pub(crate) route: Lenient<bool>,
}

/// When the materialized view is built anew.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefreshName {
    /// There is none.
    Off,
    /// Every `interval`.
    Interval,
    /// `debounce` after a change.
    OnChange,
    /// By `sidegate view refresh`.
    Manual,
}

/// What stands between Sidegate and the server.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PoolerName {
    /// Nothing, or a pooler that keeps a session to itself.
    None,
    /// A pooler that gives out a connection for one transaction, such as PgBouncer: no prepared
    /// statements, no state of a session.
    Transaction,
}
