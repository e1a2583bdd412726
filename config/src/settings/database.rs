//! The database: where it is, how many connections it gets, how long anything may take.
//!
//! Promise: every bound is checked, and TLS is decided once for all of its URLs. Each URL has the
//! form of one; the driver reads it in full. Nothing is connected to, and the certificate
//! authority's file is not opened.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// The application's own tables as the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    /// The views and watches over the application's tables, which only `sidegate migrate` reads;
    /// `None`: those of the example application.
    pub contract: Option<PathBuf>,
    /// How the database is reached.
    pub database: DatabaseSettings,
}

/// A PostgreSQL database.
///
/// The two numbers of connections are for the whole deployment: each of its `instances` takes its
/// share of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:port/name`.
    pub url: Secret,
    /// The change feed's own, past a pooler; `None`: `url`.
    pub feed_url: Option<Secret>,
    /// For `sidegate migrate`: the owner of the application's tables; `None`: `url`.
    pub migrate_url: Option<Secret>,
    /// What stands between Sidegate and the server.
    pub pooler: Pooler,
    /// Whether connections are encrypted, for all three URLs.
    pub tls: Tls,
    /// Whether writes to the change log ring, and instances listen. Only where a session is ours.
    pub doorbell: bool,
    /// The materialized view.
    pub view: ViewSettings,
    /// Connections that are opened at start and kept, over all pools and instances, 7..=1,000.
    pub pool_size: usize,
    /// Further ones under load, over all pools and instances, 0..=1,000.
    pub max_overflow: usize,
    /// How many Sidegates share the two numbers above, 1..=1,000.
    pub instances: usize,
    /// Bound on connecting, 1 ms..=60 s.
    pub connect_timeout: Duration,
    /// Bound on one question of a request, waiting for a connection included, 1 ms..=60 s.
    pub query_timeout: Duration,
    /// The server's own bound on any statement, 1 s..=10 min.
    pub statement_timeout: Duration,
    /// The server's own bound on a transaction in which nothing happens, 1 s..=1 h.
    pub idle_in_transaction_timeout: Duration,
    /// How long background work waits for a connection, 1 ms..=5 min.
    pub acquire_timeout: Duration,
    /// Connections of the overflow that are idle for longer are closed, 1 s..=1 h.
    pub idle_timeout: Duration,
    /// A connection that is older is not used again, 1 s..=24 h.
    pub max_lifetime: Duration,
}

/// The materialized view of who has access to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewSettings {
    /// When it is built anew.
    pub refresh: Refresh,
    /// Bound on building it, 1 s..=24 h.
    pub timeout: Duration,
    /// Whether questions are put to it before the tables.
    pub route: bool,
}

/// When the materialized view is built anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// There is none.
    Off,
    /// So often, 1 s..=24 h.
    Interval(Duration),
    /// So long after a change, 100 ms..=1 h.
    OnChange(Duration),
    /// When somebody says so.
    Manual,
}

/// What stands between Sidegate and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or a pooler that keeps a session to itself.
    None,
    /// A pooler that gives out a connection for one transaction (PgBouncer and the like): no
    /// prepared statements, no state of a session.
    Transaction,
}

/// Whether connections are encrypted. Where they are, the server's certificate is always verified,
/// its chain and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Never: every host is a loopback one or a unix socket, or `insecure_plaintext` is on.
    Off,
    /// Always, also with a loopback host, because a host is beyond loopback or a URL says
    /// `sslmode=require`. A unix socket has no TLS.
    Required {
        /// The certificate authority of the server; `None`: those of the system.
        ca_file: Option<PathBuf>,
    },
}
