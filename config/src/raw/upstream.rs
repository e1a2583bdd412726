//! The application as it is written.
//!
//! Promise: the three spellings of its instances, the health check and the bounds, each key with
//! its default in its description. It does not know which spellings go together, nor what a URL
//! may hold: `parse` does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(Upstream, HealthCheck);

/// The application behind Sidegate: exactly one of `url`, `urls`, `groups`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Upstream {
    /// Its address: `http://host:port`, port 80 if left out, no path. Short for one group,
    /// `default`, of one instance.
    pub(crate) url: Option<String>,
    /// The addresses of its equal instances. Short for one group, `default`.
    pub(crate) urls: Option<Vec<String>>,
    /// Group to the addresses of its equal instances, for versions that run side by side.
    pub(crate) groups: Option<BTreeMap<String, Vec<String>>>,
    /// The group that serves every route that names no other. Required with `groups`.
    pub(crate) active: Option<String>,
    /// How instances are asked whether they are well. Default: only connecting tells.
    pub(crate) health_check: Option<HealthCheck>,
    /// Bound on connecting, 1ms to 60s. Default: 1s.
    pub(crate) connect_timeout: Option<DurationText>,
    /// Bound on each read from the application, 1ms to 1h. Default: 60s.
    pub(crate) read_timeout: Option<DurationText>,
    /// Bound on each write to the application, 1ms to 1h. Default: 15s.
    pub(crate) write_timeout: Option<DurationText>,
    /// How long an idle connection is kept, 0s to 1h. Keep it below the application's own, or a
    /// request may meet a closing connection. Default: 4s.
    pub(crate) idle_timeout: Option<DurationText>,
    /// Bound on silence of an upgraded connection (WebSocket), 1s to 24h. Default: 1h.
    pub(crate) websocket_idle_timeout: Option<DurationText>,
}

/// How instances are asked whether they are well.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct HealthCheck {
    /// `GET` this path and expect a status of 200 to 299. Default: connecting is enough.
    pub(crate) path: Option<String>,
    /// How often, 100ms to 10m. Default: 5s.
    pub(crate) interval: Option<DurationText>,
    /// Bound on one check, 1ms to 60s. Default: 1s.
    pub(crate) timeout: Option<DurationText>,
    /// Good checks in a row after which an instance counts as well, 1 to 10. Default: 1.
    pub(crate) healthy_after: Option<Lenient<usize>>,
    /// Failed checks in a row after which it counts as ill, 1 to 10. Default: 2.
    pub(crate) unhealthy_after: Option<Lenient<usize>>,
}
