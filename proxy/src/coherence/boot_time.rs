//! The clock of leases: how long the machine has been up, sleep included.
//!
//! Promise: it never goes back, whoever sets the wall clock, and it goes on while the machine is
//! suspended, which `std::time::Instant` does not. Outside of the promise: a hypervisor that stops
//! the machine and hides it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// An instant of the clock: nanoseconds since the machine was started, below 2^64 (584 years).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// The instant at which the machine was started.
    pub const START: Self = Self(0);

    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        // Neither is ever negative; if one were, a lease would be as old as it can be.
        let seconds = u64::try_from(now.tv_sec).unwrap_or(u64::MAX);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(u64::MAX);
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// An instant by its nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Its nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// How long before this instant the other one was; none if it was later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_and_its_spans_are_never_negative() {
        let earlier = BootTime::now();
        let later = BootTime::now();
        assert!(earlier > BootTime::START && later >= earlier);
        assert_eq!(
            earlier.since(later.after(Duration::from_secs(1))),
            Duration::ZERO
        );
        assert_eq!(earlier.after(Duration::MAX), BootTime::from_nanos(u64::MAX));
        let second = Duration::from_secs(1);
        assert_eq!(earlier.after(second).since(earlier), second);
    }
}
