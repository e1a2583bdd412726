//! The one door to the wall clock.
//!
//! Only what a token or a row states in wall-clock time is compared with it. Durations and leases
//! use monotonic clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use sidegate_policy::UnixMicros;

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A fixed instant, for tests.
    #[cfg(test)]
    Fixed(UnixMicros),
}

impl Clock {
    /// Now. A clock before 1970 reads as 1970, when no token is valid yet.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn now(&self) -> UnixMicros {
        match self {
            Self::System => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            #[cfg(test)]
            Self::Fixed(now) => *now,
        }
    }
}
