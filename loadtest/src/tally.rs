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
use crate::question::Expected;
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
    /// Answers that were to be others, and those of them that let somebody in.
    pub(crate) unexpected: u64,
    pub(crate) let_in: u64,
    pub(crate) bytes: u64,
    pub(crate) last_end: Option<Instant>,
    /// By the second in which an arrival was due.
    pub(crate) seconds: Vec<Second>,
}

/// The arrivals that were due in one second.
#[derive(Debug, Clone)]
pub(crate) struct Second {
    /// As in [`Tally`], to two digits.
    pub(crate) latency: Histogram<u64>,
    pub(crate) failed: u64,
    pub(crate) unexpected: u64,
}

/// One arrival's three moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) due: Instant,
    /// From the start of the measured time until it was due.
    pub(crate) since: Duration,
    pub(crate) sent: Instant,
    pub(crate) end: Instant,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            latency: histogram(3),
            service: histogram(3),
            status: BTreeMap::new(),
            errors: Errors::default(),
            unexpected: 0,
            let_in: 0,
            bytes: 0,
            last_end: None,
            seconds: Vec::new(),
        }
    }

    pub(crate) fn record(
        &mut self,
        timing: Timing,
        expected: Expected,
        outcome: &Result<Answer, ExchangeError>,
    ) {
        self.last_end = self.last_end.max(Some(timing.end));
        let latency = micros(timing.end - timing.due);
        let unexpected = u64::from(matches!(outcome, Ok(answer) if !expected.is(answer.status)));
        self.unexpected += unexpected;
        if let Some(second) = self.second(timing.since) {
            second.unexpected += unexpected;
            match outcome {
                Ok(_) => second.latency.saturating_record(latency),
                Err(_) => second.failed += 1,
            }
        }
        let errors = &mut self.errors;
        match outcome {
            Ok(answer) => {
                let is_let_in = expected == Expected::Refusal && answer.status.is_success();
                self.let_in += u64::from(is_let_in);
                self.latency.saturating_record(latency);
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
            unexpected,
            let_in,
            bytes,
            last_end,
            seconds,
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
        self.unexpected += unexpected;
        self.let_in += let_in;
        self.bytes = self.bytes.saturating_add(*bytes);
        self.last_end = self.last_end.max(*last_end);
        for (number, second) in seconds.iter().enumerate() {
            self.reach(number);
            if let Some(own) = self.seconds.get_mut(number) {
                let _ = own.latency.add(&second.latency);
                own.failed += second.failed;
                own.unexpected += second.unexpected;
            }
        }
    }

    fn second(&mut self, since: Duration) -> Option<&mut Second> {
        let number = usize::try_from(since.as_secs()).ok()?;
        self.reach(number);
        self.seconds.get_mut(number)
    }

    /// Makes room up to second `number`; a schedule has at most as many as [`crate::MAX_SPAN`].
    fn reach(&mut self, number: usize) {
        while self.seconds.len() <= number {
            self.seconds.push(Second {
                latency: histogram(2),
                failed: 0,
                unexpected: 0,
            });
        }
    }

    pub(crate) fn completed(&self) -> u64 {
        self.service.len()
    }
}

#[expect(
    clippy::expect_used,
    reason = "the bounds are constants: 1 to 60,000,000, 2 or 3 digits"
)]
fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, micros(MAX_TIMEOUT), digits).expect("valid constant bounds")
}

/// Never zero, which the histogram does not hold; the histogram cuts at its upper end.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros())
        .unwrap_or(u64::MAX)
        .max(1)
}
