//! Redis: where it is, what it is trusted with, how long anything may take.
//!
//! Promise: every bound is checked, there is at least one key, and the URL has the form of one; the
//! client reads it in full. Nothing is connected to.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// A Redis server, a primary behind sentinels, or a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Its URL, by whose scheme the three are told apart.
    pub url: Secret,
    /// Whether the URL asks for TLS.
    pub tls: bool,
    /// The certificate authority of the servers; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// What values are sealed with, at least one, each of 32 bytes or more. The first seals, all open.
    pub mac_keys: Vec<Secret>,
    /// Connections, 1..=1,000.
    pub pool_size: usize,
    /// Bound on connecting, 1 ms..=60 s.
    pub connect_timeout: Duration,
    /// Bound on one command, 1 ms..=10 s.
    pub command_timeout: Duration,
    /// What it may cost one request, all in all, 1 ms..=10 s.
    pub total_timeout: Duration,
    /// Answers that wait to be written, 1..=1,000,000.
    pub write_queue: usize,
    /// Commands that wait for an answer on one connection, 1..=100,000.
    pub command_queue: usize,
    /// Longer answers are compressed, in bytes, 64..=65,536.
    pub compress_above: usize,
    /// When it is left alone.
    pub breaker: BreakerSettings,
}

/// When a dependency is left alone (DESIGN §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row before it is, 1..=1,000.
    pub failures: u32,
    /// For how long, 100 ms..=10 min.
    pub open: Duration,
    /// Successes in a row before it counts as well again, 1..=1,000.
    pub successes: u32,
}
