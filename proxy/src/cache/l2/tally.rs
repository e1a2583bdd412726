//! How the shared cache is doing.
//!
//! Promise: counting is one addition, and every outcome of a look-up is counted once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::cache::age::{AgeTally, Ages};

/// How a look-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// With an answer that counts.
    Hit,
    /// There was nothing.
    Absent,
    /// There was something that is out of date: its rows have changed since, or may have.
    Changed,
    /// There was something whose time is over.
    Expired,
    /// There was something that nobody who has a key has written for this question.
    Forged,
    /// There was something of ours that is not understood.
    Malformed,
    /// Redis did not answer in time, or not at all.
    Away,
    /// Redis was not asked, because it has not answered before, or there is no connection.
    Skipped,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It is there.
    Done,
    /// Too many waited, or Redis was not asked because it has not answered before.
    Dropped,
    /// Redis refused it, or did not answer.
    Failed,
}

impl Lookup {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Hit,
        Self::Absent,
        Self::Changed,
        Self::Expired,
        Self::Forged,
        Self::Malformed,
        Self::Away,
        Self::Skipped,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Absent => "absent",
            Self::Changed => "touched",
            Self::Expired => "expired",
            Self::Forged => "forged",
            Self::Malformed => "malformed",
            Self::Away => "away",
            Self::Skipped => "skipped",
        }
    }
}

impl Write {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Done, Self::Dropped, Self::Failed];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Of hits, which are not among the look-ups that are counted below.
    ages: AgeTally,
    lookups: [AtomicU64; Lookup::ALL.len()],
    writes: [AtomicU64; Write::ALL.len()],
}

impl Tally {
    pub(super) fn looked(&self, lookup: Lookup) {
        let counts = Lookup::ALL.iter().zip(&self.lookups);
        add(counts.filter(|(known, _)| **known == lookup));
    }

    /// A look-up found what counts, and it was so old.
    pub(super) fn hit(&self, age: Duration) {
        self.ages
            .hit(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    }

    pub(super) fn ages(&self) -> Ages {
        self.ages.read()
    }

    pub(super) fn wrote(&self, write: Write) {
        let counts = Write::ALL.iter().zip(&self.writes);
        add(counts.filter(|(known, _)| **known == write));
    }

    pub(super) fn lookups(&self) -> impl Iterator<Item = (Lookup, u64)> {
        let counts = Lookup::ALL.iter().zip(&self.lookups);
        let of = |lookup: Lookup, count: &AtomicU64| {
            if lookup == Lookup::Hit {
                self.ages.read().hits()
            } else {
                count.load(Ordering::Relaxed)
            }
        };
        counts.map(move |(lookup, count)| (*lookup, of(*lookup, count)))
    }

    pub(super) fn writes(&self) -> impl Iterator<Item = (Write, u64)> {
        let counts = Write::ALL.iter().zip(&self.writes);
        counts.map(|(write, count)| (*write, count.load(Ordering::Relaxed)))
    }
}

fn add<'c, T: 'c>(counts: impl Iterator<Item = (&'c T, &'c AtomicU64)>) {
    for (_, count) in counts {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
