//! How old what is found is.
//!
//! Promise: noting one age is two additions, and one of them is the count of hits.

use std::sync::atomic::{AtomicU64, Ordering};

/// The bounds by which ages are counted, in milliseconds; the rest is older.
const BOUNDS: [u64; 11] = [
    10, 100, 1_000, 5_000, 15_000, 60_000, 120_000, 300_000, 600_000, 900_000, 3_600_000,
];

/// The ages of what was found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ages {
    counts: [u64; BOUNDS.len() + 1],
    /// In milliseconds.
    sum: u64,
}

/// Where they are noted.
#[derive(Debug, Default)]
pub(super) struct AgeTally {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum: AtomicU64,
}

impl AgeTally {
    /// Notes the age of something that was found, in milliseconds.
    pub(super) fn hit(&self, age: u64) {
        let place = BOUNDS.iter().position(|bound| age <= *bound);
        if let Some(count) = self.counts.get(place.unwrap_or(BOUNDS.len())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(age, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Ages {
        let mut counts = [0; BOUNDS.len() + 1];
        for (to, from) in counts.iter_mut().zip(&self.counts) {
            *to = from.load(Ordering::Relaxed);
        }
        Ages {
            counts,
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Ages {
    /// How many were found.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many had at most each age, in seconds, and more than the one before.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
    pub fn counts(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1000.0);
        bounds.chain([f64::INFINITY]).zip(self.counts).collect()
    }

    /// All ages together, in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    pub fn sum(&self) -> f64 {
        self.sum as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_counted_once_at_the_least_bound_that_it_does_not_exceed() {
        let tally = AgeTally::default();
        for age in [0, 10, 11, 3_600_000, u64::from(u32::MAX)] {
            tally.hit(age);
        }
        let ages = tally.read();
        let found: Vec<_> = ages
            .counts()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(
            found,
            [(0.01, 2), (0.1, 1), (3600.0, 1), (f64::INFINITY, 1)]
        );
        assert_eq!(ages.hits(), 5);
        assert!((ages.sum() - 4_298_567.316).abs() < 0.01, "{}", ages.sum());
    }
}
