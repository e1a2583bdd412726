//! A circuit breaker: a dependency that fails is left alone for a while (DESIGN §7).
//!
//! Promise: closed, it counts failures in a row, and opens at so many; open, it lets nothing through until
//! its time is over; half-open, it lets one probe through at a time, closes after so many successes in a
//! row, and opens again at the first failure. It is pure: it reads no clock, and whoever uses it says what
//! time it is.
//!
//! Does not: judge what a failure is. A client's mistake is none.

use std::time::Duration;

use sidegate_config::BreakerSettings;

use crate::coherence::BootTime;

/// The state of one dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    open: Duration,
    successes: u32,
    state: State,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many failures in a row.
    Closed(u32),
    /// Until this instant.
    Open(BootTime),
    /// So many successes in a row, and whether a probe is under way.
    HalfOpen(u32, bool),
}

impl Breaker {
    /// Closed.
    #[must_use]
    pub const fn new(settings: &BreakerSettings) -> Self {
        Self {
            failures: settings.failures,
            open: settings.open,
            successes: settings.successes,
            state: State::Closed(0),
        }
    }

    /// Whether everything may pass.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether a probe may pass now. Whoever is told so says how it ended.
    pub fn probe(&mut self, now: BootTime) -> bool {
        match self.state {
            State::Closed(_) | State::HalfOpen(_, true) => false,
            State::Open(until) if now < until => false,
            State::Open(_) => {
                self.state = State::HalfOpen(0, true);
                true
            }
            State::HalfOpen(successes, false) => {
                self.state = State::HalfOpen(successes, true);
                true
            }
        }
    }

    /// A probe was given up without an end: the next one may pass.
    pub const fn abandoned(&mut self) {
        if let State::HalfOpen(successes, true) = self.state {
            self.state = State::HalfOpen(successes, false);
        }
    }

    /// Something went well. One that was sent before it opened changes nothing.
    pub const fn succeeded(&mut self) {
        match self.state {
            State::Closed(_) => self.state = State::Closed(0),
            State::Open(_) => {}
            State::HalfOpen(successes, _) => {
                let successes = successes.saturating_add(1);
                self.state = if successes >= self.successes {
                    State::Closed(0)
                } else {
                    State::HalfOpen(successes, false)
                };
            }
        }
    }

    /// Something failed. One that was sent before it opened does not keep it open for longer.
    pub fn failed(&mut self, now: BootTime) {
        match self.state {
            State::Closed(failures) if failures.saturating_add(1) < self.failures => {
                self.state = State::Closed(failures.saturating_add(1));
            }
            State::Closed(_) | State::HalfOpen(..) => {
                self.state = State::Open(now.after(self.open));
            }
            State::Open(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        failures: 3,
        open: Duration::from_secs(10),
        successes: 2,
    };

    fn at(seconds: u64) -> BootTime {
        BootTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut breaker = Breaker::new(&SETTINGS);
        for _ in 0..5 {
            breaker.failed(at(0));
            breaker.failed(at(0));
            assert!(breaker.is_closed());
            breaker.succeeded();
        }
        for _ in 0..3 {
            assert!(breaker.is_closed());
            breaker.failed(at(0));
        }
        assert!(!breaker.is_closed());
        // What was under way when it opened neither closes it nor keeps it open.
        breaker.succeeded();
        breaker.failed(at(5));
        assert!(!breaker.is_closed() && !breaker.probe(at(9)));
        assert!(breaker.probe(at(10)));
    }

    #[test]
    fn one_probe_at_a_time_and_two_that_go_well_close_it() {
        let mut breaker = Breaker::new(&SETTINGS);
        (0..3).for_each(|_| breaker.failed(at(0)));
        assert!(breaker.probe(at(10)) && !breaker.probe(at(10)));
        breaker.failed(at(11));
        assert!(!breaker.probe(at(20)) && breaker.probe(at(21)));
        breaker.succeeded();
        assert!(!breaker.is_closed(), "one is not enough");
        assert!(breaker.probe(at(21)) && !breaker.probe(at(99)));
        breaker.abandoned();
        assert!(breaker.probe(at(21)));
        breaker.succeeded();
        assert!(breaker.is_closed() && !breaker.probe(at(99)));
        breaker.failed(at(99));
        assert!(breaker.is_closed(), "it counts anew");
    }
}
