//! Redis as it is written.
//!
//! Promise: each key with its bounds and its default in its description. It does not know what a
//! URL may hold: `parse` does.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(Redis, Breaker);

/// The cache that several instances share, and that outlives them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Redis {
    /// Its address: `redis://user:password@host:port/number` for one server,
    /// `redis-sentinel://host:port?node=host:port&sentinelServiceName=NAME` for a primary that sentinels
    /// watch, `redis-cluster://host:port?node=host:port` for a cluster; with `rediss` instead of `redis`
    /// over TLS, which is required beyond loopback. `file:PATH` reads it from a file. Required.
    pub(crate) url: String,
    /// What values are sealed with, each at least 32 bytes; `file:PATH` reads it from a file. The first
    /// seals, all of them open. To change the key, add the new one at the end on every instance, then
    /// move it to the front, then drop the old one. Required.
    pub(crate) mac_keys: Vec<String>,
    /// Connections of this instance, 1 to 1000. Default: 20.
    pub(crate) pool_size: Option<Lenient<usize>>,
    /// Bound on connecting, 1ms to 60s. Default: 1s.
    pub(crate) connect_timeout: Option<DurationText>,
    /// Bound on one command, 1ms to 10s. Default: 20ms.
    pub(crate) command_timeout: Option<DurationText>,
    /// The most that Redis may cost one request, all in all, 1ms to 10s. Default: 25ms.
    pub(crate) total_timeout: Option<DurationText>,
    /// Answers that wait to be written, 1 to 1000000. More are not written. Default: 10000.
    pub(crate) write_queue: Option<Lenient<usize>>,
    /// Commands that wait for an answer on one connection, 1 to 100000. Further ones fail at once.
    /// Default: 1000.
    pub(crate) command_queue: Option<Lenient<usize>>,
    /// Answers that are longer are compressed, in bytes, 64 to 65536. Default: 1024.
    pub(crate) compress_above: Option<Lenient<usize>>,
    /// When Redis is left alone.
    #[serde(default)]
    pub(crate) breaker: Breaker,
    /// A PEM file with the certificate authority of the servers. Default: those of the system.
    pub(crate) ca_file: Option<String>,
    /// Accept servers beyond loopback without TLS: anybody on the way reads who may do what. Nobody can
    /// change it unnoticed. Default: false.
    #[serde(default)]
    pub(crate) insecure_plaintext: Lenient<bool>,
}

/// When a dependency is left alone.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Breaker {
    /// Failures in a row before it is left alone, 1 to 1000. Default: 5; of a storage or an introspection, 3.
    pub(crate) failures: Option<Lenient<usize>>,
    /// For how long, before it is tried again, 100ms to 10m. Default: 15s; of an introspection, 45s.
    pub(crate) open: Option<DurationText>,
    /// Successes in a row before it counts as well again, 1 to 1000. Default: 2.
    pub(crate) successes: Option<Lenient<usize>>,
}
