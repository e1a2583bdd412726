//! Whether the database answers: for readiness, and for a log that an outage does not fill.
//!
//! Promise: the first failure and the recovery are said, with the server's own words; the failures
//! in between are counted elsewhere. Answers that cannot be understood are about some rows and no
//! outage; they too are said at most once a minute.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::trouble::Trouble;
use crate::store::StoreError;

/// The least time between two lines about the same kind of failure: one that comes and goes must
/// not fill the log either.
const PAUSE: Duration = Duration::from_secs(60);

/// What is known of the database.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// It has answered once.
    answered: AtomicBool,
    /// It fails now. Written under the lock.
    failing: AtomicBool,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// The outage that goes on, if it was said.
    outage: Option<StoreError>,
    /// When each kind of failure was said.
    last: Vec<(StoreError, Instant)>,
}

impl Health {
    /// Whether it has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    /// Whether its last question that says something about it failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// It answered.
    pub(super) fn answered(&self) {
        if !self.answered.load(Ordering::Relaxed) {
            self.answered.store(true, Ordering::Release);
        }
        // Every request comes by here: only the first after an outage takes the lock.
        if self.failing.load(Ordering::Relaxed) {
            let mut said = self.said.lock();
            self.failing.store(false, Ordering::Release);
            if let Some(kind) = said.outage.take() {
                tracing::info!(%kind, "the database answers again");
            }
        }
    }

    /// It did not.
    pub(super) fn failed(&self, trouble: &Trouble) {
        if self.note(trouble.error, Instant::now()) {
            let Trouble { error, detail, .. } = trouble;
            tracing::error!(kind = %error, detail, "the database has no answer");
        }
    }

    /// Takes note of a failure. Whether it is to be said.
    fn note(&self, error: StoreError, now: Instant) -> bool {
        let outage = match error {
            StoreError::Unavailable | StoreError::TimedOut | StoreError::Refused => true,
            StoreError::Malformed => false,
        };
        let mut said = self.said.lock();
        if outage {
            self.failing.store(true, Ordering::Release);
        }
        if said.outage == Some(error) {
            return false;
        }
        match said.last.iter_mut().find(|(kind, _)| *kind == error) {
            Some((_, at)) if now.duration_since(*at) < PAUSE => return false,
            Some((_, at)) => *at = now,
            None => said.last.push((error, now)),
        }
        if outage {
            said.outage = Some(error);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_once_and_one_that_comes_and_goes_once_a_minute() {
        let (health, start) = (Health::default(), Instant::now());
        let fails = |kind, second| health.note(kind, start + Duration::from_secs(second));
        assert!(fails(StoreError::Unavailable, 0) && health.is_failing());
        assert!(!fails(StoreError::Unavailable, 1));
        assert!(!fails(StoreError::Unavailable, 90), "the same outage");
        assert!(fails(StoreError::TimedOut, 90), "another kind");
        health.answered();
        assert!(!health.is_failing() && health.has_answered());
        assert!(!fails(StoreError::TimedOut, 100) && health.is_failing());
        assert!(
            fails(StoreError::TimedOut, 151),
            "it lasts, and was not said"
        );
    }

    #[test]
    fn rows_that_cannot_be_understood_are_no_outage() {
        let (health, start) = (Health::default(), Instant::now());
        assert!(health.note(StoreError::Malformed, start));
        assert!(!health.note(StoreError::Malformed, start + PAUSE / 2));
        assert!(health.note(StoreError::Malformed, start + PAUSE));
        assert!(!health.is_failing());
    }
}
