//! What is told about requests, as it is written.
//!
//! Promise: each key with its bounds and its default in its description. Bounds are in `parse`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(Telemetry, AccessLog, Tracing, TracingHeader);

/// What is told about requests: metrics, the access log, recent decisions, traces.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Telemetry {
    /// Whether requests are counted by route and reason, and timed by stage. Default: true.
    pub(crate) request_metrics: Option<Lenient<bool>>,
    /// How many recent decisions `sidegate explain --decision` can find, 0 to 1048576; about 500 bytes
    /// each, and the rows that they rest on. Half of them are denials of verified subjects, a quarter what they were
    /// allowed, a quarter what nobody was verified for. 0 keeps none. Default: 4096.
    pub(crate) decisions: Option<Lenient<usize>>,
    /// One line of JSON for each request.
    #[serde(default)]
    pub(crate) access_log: AccessLog,
    /// Traces. Default: none.
    pub(crate) tracing: Option<Tracing>,
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

/// Traces: W3C Trace Context in and out, and spans to an OpenTelemetry collector.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Tracing {
    /// Where spans are sent, as OTLP over HTTP in protobuf: https or http; with `headers` http on loopback
    /// only. `/v1/traces` is appended where it has no path. Required.
    pub(crate) endpoint: String,
    /// Which part of the requests is sampled whose trace begins here, 0 to 1. Default: 0.01.
    pub(crate) sample: Option<Lenient<f64>>,
    /// Whether the traces of peers in `trusted_proxies` are gone on with: their ids, and whether they are
    /// sampled. Each of them must make its own `traceparent`, or remove its client's. Default: false.
    pub(crate) continue_traces: Option<Lenient<bool>>,
    /// What Sidegate is called there (`service.name`). Default: sidegate.
    pub(crate) service_name: Option<String>,
    /// Further headers for the collector. Default: none.
    #[serde(default)]
    pub(crate) headers: Vec<TracingHeader>,
    /// Bound on sending once, 10ms to 60s. Default: 5s.
    pub(crate) timeout: Option<DurationText>,
    /// How many sampled requests may wait to be sent, 1 to 65536; further ones are dropped. Default: 2048.
    pub(crate) queue: Option<Lenient<usize>>,
}

/// A header for the collector.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct TracingHeader {
    /// Its name. Required.
    pub(crate) name: String,
    /// Its value; `file:PATH` reads it from a file. Required.
    pub(crate) value: String,
}
