//! What is told about requests.

use std::time::Duration;

use http::HeaderName;

use crate::secret::Secret;

/// Metrics, the access log, recent decisions, traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Whether requests are counted by route and reason, and timed by stage.
    pub request_metrics: bool,
    /// How many recent decisions are kept to be explained, 0..=1,048,576.
    pub decisions: usize,
    /// One line for each request.
    pub access_log: AccessLogSettings,
    /// Traces; `None`: there are none, and trace headers are as any others.
    pub tracing: Option<TracingSettings>,
}

/// Traces, and the OpenTelemetry collector that they are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracingSettings {
    /// Where spans are posted: http or https, with a path, without query and fragment. With `headers`: https,
    /// or http on loopback.
    pub endpoint: String,
    /// Which part of the requests is sampled whose caller did not decide.
    pub sample: Fraction,
    /// Whether the traces of peers in `trusted_proxies` are gone on with.
    pub continue_traces: bool,
    /// `service.name`, not empty.
    pub service_name: String,
    /// Further headers, none twice and none of the protocol's own; values of printable ASCII.
    pub headers: Vec<(HeaderName, Secret)>,
    /// Bound on sending once, 10 ms..=60 s.
    pub timeout: Duration,
    /// How many sampled requests may wait to be sent, 1..=65,536.
    pub queue: usize,
}

/// The access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Where it goes; `None`: nowhere.
    pub to: Option<AccessLogTarget>,
    /// Which part of the allowed requests is written.
    pub allows: Fraction,
}

/// Where the access log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

/// A part of a whole, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction(u64);

impl Fraction {
    /// None of it.
    pub const NONE: Self = Self(0);
    /// All of it.
    pub const ALL: Self = Self(u64::MAX);

    /// Of a number of 0 to 1; `None`: it is another.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "2^64 is a float, the product is in bounds, and the last bits do not matter"
    )]
    pub fn new(part: f64) -> Option<Self> {
        let bits = part * u64::MAX as f64;
        (0.0..=1.0).contains(&part).then_some(Self(bits as u64))
    }

    /// Whether what has drawn this number, of all 64-bit numbers alike, is in it.
    #[must_use]
    pub const fn takes(self, drawn: u64) -> bool {
        drawn < self.0 || self.0 == u64::MAX
    }
}
