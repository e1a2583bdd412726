//! The one clock of a history.
//!
//! Promises: writers and readers of one process read the same monotonic clock (`CLOCK_MONOTONIC` on
//! Linux), so that their moments can be compared. Does not: know the time of day.

use std::time::{Duration, Instant};

/// Nanoseconds since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Moment(pub(super) u64);

/// From the first moment to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Moment,
    pub(super) until: Moment,
}

/// Made once for a history, and copied to whoever takes part in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// When it was made.
    pub(super) const fn begin(self) -> Instant {
        self.0
    }

    pub(super) fn now(self) -> Moment {
        Moment(nanos(self.0.elapsed()))
    }
}

impl Moment {
    /// After everything.
    pub(super) const END: Self = Self(u64::MAX);

    /// The moment so long before, or the clock's start.
    pub(super) fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    pub(super) fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// How long it is since an earlier moment; nothing since a later one.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
