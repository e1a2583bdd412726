//! Counting while the run goes on.
//!
//! Promises: every measured arrival that was sent is recorded once, as an answer or as one class
//! of error. Memory does not grow with connections: workers share a few tallies.
//!
//! Does not: judge. The histograms hold answers only; errors have no latency.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::connection::{Answer, ExchangeError};
use crate::plan::MAX_TIMEOUT;
use crate::report::Errors;

/// Counts and histograms of some of the workers.
#[derive(Debug)]
pub(crate) struct Tally {
    /// From the moment an arrival was due to the end of its answer, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// From the moment it was sent, in microseconds.
    pub(crate) service: Histogram<u64>,
    pub(crate) status: BTreeMap<u16, u64>,
    pub(crate) errors: Errors,
    pub(crate) bytes: u64,
    pub(crate) last_end: Option<Instant>,
}

/// One arrival's three moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) due: Instant,
    pub(crate) sent: Instant,
    pub(crate) end: Instant,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            latency: histogram(),
            service: histogram(),
            status: BTreeMap::new(),
            errors: Errors::default(),
            bytes: 0,
            last_end: None,
        }
    }

    pub(crate) fn record(&mut self, timing: Timing, outcome: &Result<Answer, ExchangeError>) {
        self.last_end = self.last_end.max(Some(timing.end));
        let errors = &mut self.errors;
        match outcome {
            Ok(answer) => {
                self.latency
                    .saturating_record(micros(timing.end - timing.due));
                self.service
                    .saturating_record(micros(timing.end - timing.sent));
                *self.status.entry(answer.status.as_u16()).or_default() += 1;
                self.bytes = self.bytes.saturating_add(answer.bytes);
            }
            Err(ExchangeError::Connect(_)) => errors.connect += 1,
            Err(ExchangeError::Timeout) => errors.timeout += 1,
            Err(ExchangeError::Protocol(_)) => errors.protocol += 1,
            Err(ExchangeError::Closed(_)) => errors.closed += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let Self {
            latency,
            service,
            status,
            errors,
            bytes,
            last_end,
        } = other;
        // Cannot fail: all histograms have the same bounds.
        let _ = self.latency.add(latency);
        let _ = self.service.add(service);
        for (code, count) in status {
            *self.status.entry(*code).or_default() += count;
        }
        self.errors.connect += errors.connect;
        self.errors.timeout += errors.timeout;
        self.errors.protocol += errors.protocol;
        self.errors.closed += errors.closed;
        self.bytes = self.bytes.saturating_add(*bytes);
        self.last_end = self.last_end.max(*last_end);
    }

    pub(crate) fn completed(&self) -> u64 {
        self.service.len()
    }
}

#[expect(
    clippy::expect_used,
    reason = "the bounds are constants: 1 to 60,000,000, 3 digits"
)]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, micros(MAX_TIMEOUT), 3).expect("valid constant bounds")
}

/// Never zero, which the histogram does not hold; the histogram cuts at its upper end.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros())
        .unwrap_or(u64::MAX)
        .max(1)
}
