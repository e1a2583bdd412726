//! What the change feed measures of itself, for whoever exports it.
//!
//! Promise: counting and observing look nothing up by label and allocate nothing; the age of xmin takes a lock
//! that nobody holds for longer than a copy. None of it is on a request's way. It begins anew with each
//! [`Coherence`]. Times are of the boot-time clock, so a suspended machine counts.
//!
//! Does not: decide anything. A feed that is measured to be late is stopped by its lease (R1), not by this.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::Histogram;

use super::snapshot::Snapshot;
use super::{BootTime, Coherence, gauges};
use crate::metrics::{Definition, histogram};

/// How a poll ended. Closed, as it is a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// Its answer is applied; and published, unless caching is off.
    Applied,
    /// No answer in time or none that can be understood, or no connection to ask over.
    Failed,
}

/// What the feed was told of. Closed, as it is a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A fact that may have changed.
    Tag,
    /// A canary, of this instance or of another one.
    Canary,
    /// Everything became void: the log said so (`*`), more was told than is read one by one, the log no longer
    /// had all of it, another life of the database began, or the feed itself did.
    Everything,
}

/// What became of a canary. Closed, as it is a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    /// It counted, and its lag is in [`Tally::revocation_lag`].
    Seen,
    /// It was committed and did not count within ten seconds.
    Lost,
    /// It could not be written, or not in time.
    Failed,
}

/// Everything that is measured.
#[derive(Debug)]
pub struct Tally {
    applied: AtomicU64,
    failed: AtomicU64,
    tags: AtomicU64,
    canaries: AtomicU64,
    everything: AtomicU64,
    seen: AtomicU64,
    lost: AtomicU64,
    unwritten: AtomicU64,
    poll_time: Histogram,
    invalidation: Histogram,
    revocation_lag: Histogram,
    horizon: Mutex<Option<Horizon>>,
}

/// The xmin of the snapshot that was applied last.
#[derive(Debug, Clone, Copy)]
struct Horizon {
    xmin: u64,
    /// When it was first seen.
    since: BootTime,
    /// When that snapshot was asked for.
    last: BootTime,
}

const POLL_TIME: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];
const INVALIDATION: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.5,
];
/// Fine around the pause between two polls, and at the bound.
const REVOCATION_LAG: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.06, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 2.5,
    5.0, 10.0,
];

impl Polled {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Applied, Self::Failed];

    /// The name used in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed => "failed",
        }
    }
}

impl Told {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Tag, Self::Canary, Self::Everything];

    /// The name used in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Canary => "canary",
            Self::Everything => "everything",
        }
    }
}

impl Flight {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Seen, Self::Lost, Self::Failed];

    /// The name used in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            applied: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            tags: AtomicU64::new(0),
            canaries: AtomicU64::new(0),
            everything: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            poll_time: unregistered(&gauges::POLL_TIME, POLL_TIME),
            invalidation: unregistered(&gauges::INVALIDATION, INVALIDATION),
            revocation_lag: unregistered(&gauges::REVOCATION_LAG, REVOCATION_LAG),
            horizon: Mutex::new(None),
        }
    }

    /// How many polls ended so. Nearly [`Coherence::polls`] together, where flushes
    /// are counted and polls for which there was no connection are not.
    #[must_use]
    pub fn polls(&self, polled: Polled) -> u64 {
        let counter = match polled {
            Polled::Applied => &self.applied,
            Polled::Failed => &self.failed,
        };
        counter.load(Ordering::Relaxed)
    }

    /// How often this was told of.
    #[must_use]
    pub fn changes(&self, told: Told) -> u64 {
        self.told(told).load(Ordering::Relaxed)
    }

    /// Of how many canaries this became.
    #[must_use]
    pub fn canaries(&self, flight: Flight) -> u64 {
        self.flown(flight).load(Ordering::Relaxed)
    }

    /// From the start of a poll to its answer applied, in seconds.
    #[must_use]
    pub const fn poll_time(&self) -> &Histogram {
        &self.poll_time
    }

    /// From the receipt of an answer that told of changes to the lease published, in seconds (DESIGN §11: below
    /// 5 ms). Only while answers may come from memory.
    #[must_use]
    pub const fn invalidation(&self) -> &Histogram {
        &self.invalidation
    }

    /// From the acknowledged commit of a canary to the lease published that counts with it, in seconds.
    #[must_use]
    pub const fn revocation_lag(&self) -> &Histogram {
        &self.revocation_lag
    }

    /// How long the oldest transaction that has written and not ended has held back the snapshot's xmin, as far as the
    /// feed has seen it and up to the last poll that was applied; zero while there is none. `None` while
    /// no life of the database is followed.
    #[must_use]
    pub fn xmin_age(&self) -> Option<Duration> {
        let horizon = *self.horizon.lock();
        horizon.map(|horizon| horizon.last.since(horizon.since))
    }

    /// An answer that came then to a poll that was started at `start` is applied. `told`: of changes, and they count now.
    pub(super) fn poll_applied(&self, start: BootTime, received: BootTime, told: bool) {
        let now = BootTime::now();
        self.applied.fetch_add(1, Ordering::Relaxed);
        self.poll_time.observe(now.since(start).as_secs_f64());
        if told {
            self.invalidation.observe(now.since(received).as_secs_f64());
        }
    }

    /// A poll has failed.
    pub(super) fn poll_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The feed was told of this so often.
    pub(super) fn count(&self, told: Told, times: u64) {
        self.told(told).fetch_add(times, Ordering::Relaxed);
    }

    /// This became of a canary.
    pub(super) fn flew(&self, flight: Flight) {
        self.flown(flight).fetch_add(1, Ordering::Relaxed);
    }

    /// The poll that was started then has shown this snapshot; `None`: of nothing that is followed.
    pub(super) fn snapshot(&self, snapshot: Option<&Snapshot>, start: BootTime) {
        let mut horizon = self.horizon.lock();
        let former = *horizon;
        *horizon = snapshot.map(|snapshot| {
            let xmin = snapshot.xmin();
            // With nothing in progress xmin stays as it is on a server to which nobody writes.
            let held = former.filter(|former| former.xmin == xmin && xmin < snapshot.xmax());
            Horizon {
                xmin,
                since: held.map_or(start, |held| held.since),
                last: start,
            }
        });
    }

    const fn told(&self, told: Told) -> &AtomicU64 {
        match told {
            Told::Tag => &self.tags,
            Told::Canary => &self.canaries,
            Told::Everything => &self.everything,
        }
    }

    const fn flown(&self, flight: Flight) -> &AtomicU64 {
        match flight {
            Flight::Seen => &self.seen,
            Flight::Lost => &self.lost,
            Flight::Failed => &self.unwritten,
        }
    }
}

impl Coherence {
    /// What the feed measures of itself.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// In no registry.
#[expect(
    clippy::expect_used,
    reason = "fails on buckets that are not in order, and these are constants that every test makes"
)]
fn unregistered(definition: &'static Definition, buckets: &[f64]) -> Histogram {
    histogram(definition, buckets).expect("buckets in order")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xmin_has_an_age_while_a_transaction_holds_it_back() {
        let tally = Tally::new();
        let second = |second: u64| BootTime::from_nanos(second * 1_000_000_000);
        assert_eq!(tally.xmin_age(), None);
        for (at, snapshot, age) in [
            (10, "7:7:", 0),
            // Nobody writes.
            (20, "7:7:", 0),
            (30, "7:8:7", 10),
            (35, "7:20:7,9", 15),
            // The next one was not the oldest until now.
            (36, "9:20:9", 0),
            (40, "9:21:9,20", 4),
            (41, "21:21:", 0),
        ] {
            tally.snapshot(Some(&snapshot.parse().unwrap()), second(at));
            assert_eq!(tally.xmin_age(), Some(Duration::from_secs(age)), "{at}");
        }
        tally.snapshot(None, second(50));
        assert_eq!(tally.xmin_age(), None);
    }
}
