//! When each arrival is due: pure arithmetic on a rate and a span.
//!
//! Promises: arrival `i` is due exactly `i / rate` after the start, rounded down to a nanosecond; in bursts, all of
//! one burst when its first is. Every due time is computed from `i` alone, so rounding never adds up and nothing drifts.
//!
//! Does not: read a clock or sleep.

use std::time::Duration;

use thiserror::Error;

/// Above this a single generator measures itself and not the server.
pub const MAX_RATE: u32 = 1_000_000;

/// A forgotten load ends by itself: warm-up and duration together.
pub const MAX_SPAN: Duration = Duration::from_secs(600);

/// A constant arrival rate for a warm-up and a measured duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    rate: u32,
    /// Arrivals that come at once.
    burst: u32,
    warmup: Duration,
    duration: Duration,
}

/// Why there is no such schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Zero, or above [`MAX_RATE`].
    #[error("the rate must be from 1 to {MAX_RATE} per second")]
    Rate,
    /// Nothing to measure.
    #[error("the duration must be longer than zero")]
    Empty,
    /// Above [`MAX_SPAN`].
    #[error("warm-up and duration together must not be longer than {} s", MAX_SPAN.as_secs())]
    Span,
}

impl Schedule {
    /// `rate` arrivals a second, for `warmup` unmeasured and then `duration` measured.
    ///
    /// # Errors
    ///
    /// When a bound is crossed.
    pub fn new(rate: u32, warmup: Duration, duration: Duration) -> Result<Self, ScheduleError> {
        if !(1..=MAX_RATE).contains(&rate) {
            return Err(ScheduleError::Rate);
        }
        if duration.is_zero() {
            return Err(ScheduleError::Empty);
        }
        match warmup.checked_add(duration) {
            Some(span) if span <= MAX_SPAN => Ok(Self {
                rate,
                burst: 1,
                warmup,
                duration,
            }),
            Some(_) | None => Err(ScheduleError::Span),
        }
    }

    /// The same rate, but so many arrivals at once each time; 0 is as 1.
    #[must_use]
    pub fn in_bursts(self, burst: u32) -> Self {
        Self {
            burst: burst.max(1),
            ..self
        }
    }

    /// How long after the start arrival `index` is due.
    #[must_use]
    pub fn due(&self, index: u64) -> Duration {
        let first = index - index % u64::from(self.burst);
        let nanos = u128::from(first) * NANOS / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many arrivals are due `elapsed` after the start.
    #[must_use]
    pub fn released(&self, elapsed: Duration) -> u64 {
        self.before(elapsed.saturating_add(Duration::from_nanos(1)))
            .next_multiple_of(u64::from(self.burst))
            .min(self.count())
    }

    /// All arrivals, those of the warm-up included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.before(self.span())
    }

    /// The arrivals of the warm-up: those with a smaller index are not measured.
    #[must_use]
    pub fn warmup_count(&self) -> u64 {
        self.before(self.warmup)
    }

    /// From the start to the end of the last arrival's interval.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.warmup.saturating_add(self.duration)
    }

    /// Arrivals a second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The unmeasured time at the start.
    #[must_use]
    pub fn warmup(&self) -> Duration {
        self.warmup
    }

    /// The measured time.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Arrivals due strictly before `elapsed`. The due time is rounded down to a nanosecond, and
    /// for a whole number n, floor(x) < n exactly when x < n: hence the ceiling of n * rate.
    fn before(&self, elapsed: Duration) -> u64 {
        let arrivals = (elapsed.as_nanos() * u128::from(self.rate)).div_ceil(NANOS);
        u64::try_from(arrivals).unwrap_or(u64::MAX)
    }
}

const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: u32, warmup_ms: u64, duration_ms: u64) -> Schedule {
        let (warmup, duration) = (
            Duration::from_millis(warmup_ms),
            Duration::from_millis(duration_ms),
        );
        Schedule::new(rate, warmup, duration).expect("within bounds")
    }

    #[test]
    fn due_times_are_exact_and_do_not_drift() {
        // A third of a second is no whole number of nanoseconds: adding it up would drift.
        let thirds = schedule(3, 0, 600_000);
        assert_eq!(thirds.due(1), Duration::from_nanos(333_333_333));
        assert_eq!(thirds.due(3), Duration::from_secs(1));
        assert_eq!(thirds.due(1_797), Duration::from_secs(599));
        assert_eq!(
            schedule(1_000_000, 0, 600_000).due(599_999_999).as_nanos(),
            599_999_999_000
        );
    }

    #[test]
    fn an_arrival_is_released_when_due_and_not_a_nanosecond_before() {
        for rate in [1, 3, 7, 500, 999_983, MAX_RATE] {
            let schedule = schedule(rate, 1_000, 9_000);
            for index in (1..schedule.count()).step_by(9_973).take(500) {
                let due = schedule.due(index);
                assert_eq!(
                    schedule.released(due),
                    index + 1,
                    "{rate}/s, arrival {index}"
                );
                let before = due - Duration::from_nanos(1);
                assert_eq!(
                    schedule.released(before),
                    index,
                    "{rate}/s, arrival {index}"
                );
            }
        }
    }

    #[test]
    fn the_count_is_rate_times_time_and_nothing_is_released_beyond_it() {
        let schedule = schedule(500, 1_000, 10_000);
        assert_eq!((schedule.warmup_count(), schedule.count()), (500, 5_500));
        assert_eq!(schedule.due(schedule.warmup_count()), schedule.warmup());
        assert_eq!(schedule.released(Duration::MAX), 5_500);
    }

    #[test]
    fn bounds_are_held() {
        let second = Duration::from_secs(1);
        assert!(Schedule::new(MAX_RATE, Duration::ZERO, MAX_SPAN).is_ok());
        assert_eq!(Schedule::new(0, second, second), Err(ScheduleError::Rate));
        assert_eq!(
            Schedule::new(MAX_RATE + 1, second, second),
            Err(ScheduleError::Rate)
        );
        assert_eq!(
            Schedule::new(1, second, Duration::ZERO),
            Err(ScheduleError::Empty)
        );
        assert_eq!(Schedule::new(1, second, MAX_SPAN), Err(ScheduleError::Span));
        assert_eq!(
            Schedule::new(1, second, Duration::MAX),
            Err(ScheduleError::Span)
        );
    }
}
