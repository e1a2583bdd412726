//! The application's instances, and how they are talked to.
//!
//! Promise: the active group exists and no group is empty. Which instance serves a request, and
//! which is well, is the proxy's business.

use std::collections::BTreeMap;
use std::time::Duration;

/// The application behind Sidegate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Groups of equal instances, by name. Never empty, and no group is.
    pub groups: BTreeMap<String, Vec<Endpoint>>,
    /// The group that serves every route that names no other: one of `groups`.
    pub active: String,
    /// How instances are asked whether they are well; `None`: only connecting tells.
    pub health_check: Option<HealthCheckSettings>,
    /// Bound on connecting, 1 ms..=60 s.
    pub connect_timeout: Duration,
    /// Bound on each read from the application, 1 ms..=1 h.
    pub read_timeout: Duration,
    /// Bound on each write to the application, 1 ms..=1 h.
    pub write_timeout: Duration,
    /// How long an idle connection is kept, 0..=1 h; below the application's own.
    pub idle_timeout: Duration,
    /// Bound on silence of an upgraded connection (WebSocket), 1 s..=24 h.
    pub websocket_idle_timeout: Duration,
}

/// One instance of the application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Host name or address; an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// How instances are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheckSettings {
    /// `GET` this path and expect 200..=299; `None`: connecting is enough.
    pub path: Option<String>,
    /// How often, 100 ms..=10 min.
    pub interval: Duration,
    /// Bound on one check, 1 ms..=60 s.
    pub timeout: Duration,
    /// Good checks in a row after which an instance counts as well, 1..=10.
    pub healthy_after: usize,
    /// Failed checks in a row after which it counts as ill, 1..=10.
    pub unhealthy_after: usize,
}
