//! How much time processes spend on processors, from one look to the next.
//!
//! Promises: user and kernel time of all threads and children, in microseconds, as the scheduler counts it.
//!
//! Does not: count what has ended meanwhile, such as a connection that the server has closed.

use std::io;
use std::time::{Duration, Instant};

use super::quantity::number;
use crate::usage::Usage;

/// Begun at some moment, for these processes.
pub(super) struct Meter {
    begun: Instant,
    processes: Vec<(u32, Usage)>,
}

/// What was spent since.
#[derive(Debug, Clone)]
pub(super) struct Spent {
    pub(super) span: Duration,
    /// By each process, in the order in which they were named, in microseconds.
    pub(super) each: Vec<f64>,
}

impl Meter {
    pub(super) fn begin(processes: &[u32]) -> io::Result<Self> {
        let used = |process: &u32| Ok((*process, Usage::of(*process)?));
        let processes = processes.iter().map(used).collect::<io::Result<_>>()?;
        Ok(Self {
            begun: Instant::now(),
            processes,
        })
    }

    pub(super) fn read(&self) -> io::Result<Spent> {
        let span = self.begun.elapsed();
        let since = |(process, before): &(u32, Usage)| {
            Ok(number(Usage::of(*process)?.since(before)) / NANOS)
        };
        let each = self
            .processes
            .iter()
            .map(since)
            .collect::<io::Result<_>>()?;
        Ok(Spent { span, each })
    }
}

impl Spent {
    /// By process `place`, in microseconds.
    pub(super) fn of(&self, place: usize) -> f64 {
        self.each.get(place).copied().unwrap_or_default()
    }

    /// By process `place`: of one processor, 1 is all of it.
    pub(super) fn share(&self, place: usize) -> f64 {
        self.of(place) / (self.span.as_secs_f64() * 1e6)
    }

    /// The same without what another look has found for idle processes, for each second.
    pub(super) fn beyond(&self, idle: &Self, place: usize) -> f64 {
        let idle = idle.share(place) * self.span.as_secs_f64() * 1e6;
        (self.of(place) - idle).max(0.0)
    }
}

const NANOS: f64 = 1e3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_idle_is_taken_off_by_time() {
        let idle = Spent {
            span: Duration::from_secs(10),
            each: vec![100_000.0],
        };
        let busy = Spent {
            span: Duration::from_secs(2),
            each: vec![520_000.0],
        };
        assert!((idle.share(0) - 0.01).abs() < 1e-9);
        assert!((busy.beyond(&idle, 0) - 500_000.0).abs() < 1e-6);
        assert!(idle.beyond(&busy, 0).abs() < 1e-9, "never negative");
        assert!(idle.of(1).abs() < 1e-9);
    }
}
