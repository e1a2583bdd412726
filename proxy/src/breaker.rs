//! A circuit breaker: a dependency that fails is left alone for a while (DESIGN §7).
//!
//! Promise: closed, it counts failures in a row, and opens at so many; open, it lets nothing through until
//! its time is over; half-open, it lets one probe through at a time, closes after so many successes in a
//! row, and opens again at the first failure. What was sent while it was closed and ends later changes
//! nothing: only a probe can close it. It is pure, but for what it tells: it reads no clock, and whoever uses it
//! says what time it is.
//!
//! Does not: judge what a failure is. A client's mistake is none.

use std::time::Duration;

use sidegate_config::BreakerSettings;

use crate::coherence::BootTime;
use crate::metrics::{Definition, Label, Needs, Scrape};

/// The state of one dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    open: Duration,
    successes: u32,
    state: State,
    openings: u64,
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

/// Where a breaker stands, for whoever looks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everything passes.
    Closed,
    /// A probe passes now and then.
    HalfOpen,
    /// Nothing passes, until its time is over.
    Open,
}

impl Phase {
    /// As the metric has it.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// Where the breakers stand.
static BREAKERS: Definition = Definition::gauge(
    "sidegate_breaker_state",
    "Whether a dependency is asked: 0 closed, it is; 1 half-open, one question at a time; 2 open, it is left alone. \
     An introspection's has its issuer",
)
.by(&[
    Label::closed("breaker", || vec!["introspection", "redis", "storage"]),
    Label::configured("issuer", "`issuers[].issuer`"),
])
.needing(Needs::Breaker);

/// How often they have opened.
static OPENINGS: Definition = Definition::counter(
    "sidegate_breaker_openings_total",
    "How often a dependency began to be left alone, since this configuration of it counts; a probe that fails counts too",
)
.by(&[
    Label::closed("breaker", || vec!["introspection", "redis", "storage"]),
    Label::configured("issuer", "`issuers[].issuer`"),
])
.needing(Needs::Breaker);

/// What is told of breakers.
pub(crate) static METRICS: [&Definition; 2] = [&BREAKERS, &OPENINGS];

impl Breaker {
    /// Reads where it stands.
    pub(crate) fn gather(&self, labels: [&str; 2], scrape: &mut Scrape) {
        let phase = self.phase(BootTime::now());
        scrape.add(&BREAKERS, &labels, phase.number());
        scrape.add(&OPENINGS, &labels, self.openings);
    }

    /// Closed.
    #[must_use]
    pub const fn new(settings: &BreakerSettings) -> Self {
        Self {
            failures: settings.failures,
            open: settings.open,
            successes: settings.successes,
            state: State::Closed(0),
            openings: 0,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self, now: BootTime) -> Phase {
        match self.state {
            State::Closed(_) => Phase::Closed,
            State::Open(until) if now < until => Phase::Open,
            State::Open(_) | State::HalfOpen(..) => Phase::HalfOpen,
        }
    }

    /// How often it has opened.
    #[must_use]
    pub const fn openings(&self) -> u64 {
        self.openings
    }

    fn open(&mut self, now: BootTime) {
        self.state = State::Open(now.after(self.open));
        self.openings = self.openings.saturating_add(1);
    }

    /// Whether everything may pass.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether anything may pass now, be it a probe. It changes nothing.
    #[must_use]
    pub fn may_pass(&self, now: BootTime) -> bool {
        match self.state {
            State::Closed(_) | State::HalfOpen(_, false) => true,
            State::Open(until) => now >= until,
            State::HalfOpen(_, true) => false,
        }
    }

    /// Whether a probe may pass now. Whoever is told so says how it ended, or that it has none.
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

    /// The probe went well.
    pub const fn probe_succeeded(&mut self) {
        if let State::HalfOpen(successes, true) = self.state {
            let successes = successes.saturating_add(1);
            self.state = if successes >= self.successes {
                State::Closed(0)
            } else {
                State::HalfOpen(successes, false)
            };
        }
    }

    /// The probe failed.
    pub fn probe_failed(&mut self, now: BootTime) {
        if let State::HalfOpen(_, true) = self.state {
            self.open(now);
        }
    }

    /// The probe was given up without an end, or says nothing: the next one may pass.
    pub const fn abandoned(&mut self) {
        if let State::HalfOpen(successes, true) = self.state {
            self.state = State::HalfOpen(successes, false);
        }
    }

    /// Something that was sent while it was closed went well.
    pub const fn succeeded(&mut self) {
        if let State::Closed(_) = self.state {
            self.state = State::Closed(0);
        }
    }

    /// Something that was sent while it was closed has failed. Once it is open, that does not keep it open
    /// for longer.
    pub fn failed(&mut self, now: BootTime) {
        if let State::Closed(failures) = self.state {
            let failures = failures.saturating_add(1);
            if failures >= self.failures {
                self.open(now);
            } else {
                self.state = State::Closed(failures);
            }
        }
    }
}

#[cfg(test)]
mod tests;
