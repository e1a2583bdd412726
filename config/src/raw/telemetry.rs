//! What is told about requests, as it is written.
//!
//! Promise: each key with its bounds and its default in its description. Bounds are in `parse`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::scalar::Lenient;

only_mapping!(Telemetry, AccessLog);

/// What is told about requests: metrics, the access log, recent decisions.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Telemetry {
    /// Whether requests are counted by route and reason, and timed by stage. Default: true.
    pub(crate) request_metrics: Option<Lenient<bool>>,
    /// How many recent decisions `sidegate explain --decision` can find, 0 to 1048576; about 500 bytes
    /// each, and the rows that they rest on. 0 keeps none. Default: 4096.
    pub(crate) decisions: Option<Lenient<usize>>,
    /// One line of JSON for each request.
    #[serde(default)]
    pub(crate) access_log: AccessLog,
}

/// The access log.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct AccessLog {
    /// Where it goes. Default: stderr.
    pub(crate) to: Option<AccessLogName>,
    /// Which part of the requests that were allowed is written, 0 to 1; what was refused or could not be
    /// decided always is. Default: 0.01.
    pub(crate) allows: Option<Lenient<f64>>,
}

/// Where the access log goes.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccessLogName {
    /// Among the other lines of the log.
    Stderr,
    /// Alone.
    Stdout,
    /// Nowhere.
    None,
}
