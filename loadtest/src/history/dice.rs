//! Numbers that look random, the same in each run.

use std::time::Duration;

use crate::ids::draw;

/// A sequence that its seed determines.
#[derive(Debug)]
pub(super) struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// True in `of` out of `all` cases.
    pub(super) fn chance(&mut self, of: u64, all: u64) -> bool {
        self.next() % all.max(1) < of
    }

    /// A time between two, in whole milliseconds.
    pub(super) fn time(&mut self, least: Duration, most: Duration) -> Duration {
        let width = most.saturating_sub(least).as_millis();
        let width = u64::try_from(width).unwrap_or(u64::MAX).saturating_add(1);
        least.saturating_add(Duration::from_millis(self.next() % width))
    }

    fn next(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        draw(self.seed, SALT, self.drawn, 0)
    }
}

/// Apart from the rows' own numbers.
const SALT: u64 = 0xd1ce;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_within_its_bounds_and_the_same_again() {
        let draw = || {
            let mut dice = Dice::new(3);
            let (least, most) = (Duration::from_millis(5), Duration::from_millis(9));
            let times: Vec<_> = (0..200).map(|_| dice.time(least, most)).collect();
            assert!(times.contains(&least) && times.contains(&most));
            assert!(times.iter().all(|time| (least..=most).contains(time)));
            times
        };
        assert_eq!(draw(), draw());
    }
}
