//! What a process tells about its requests, put together: metrics, the access log, recent decisions.
//!
//! Promise: one for a process; it goes on over a reload.

use std::sync::Arc;

use crate::access_log::AccessLog;
use crate::decisions::Decisions;
use crate::metrics::Metrics;

/// Where requests are told about.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// What the process counts.
    pub metrics: Arc<Metrics>,
    /// One line for each request.
    pub access_log: AccessLog,
    /// The decisions that were made last.
    pub decisions: Decisions,
}
