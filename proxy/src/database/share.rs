//! How the deployment's connections are split: among its instances, then among the six pools.
//!
//! Promise: of the default 20 and 30 the pools get 8 and 14, 4 and 6, 3 and 4, 2 and 4, 2 and 0, 1 and
//! 2, in the order of [`Purpose::ALL`]; of any other numbers about as much in proportion. Together
//! the pools of one instance get no more than the instance's part, but for the minimum: one base
//! connection for each pool and two for the change feed, seven in all.

use super::{PerPurpose, Purpose};

/// The change feed's connections: the one it polls on, and one to poll on if that hangs. Its number
/// follows from how it works, not from load.
const CHANGE_FEED: usize = 2;

/// A pool's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Share {
    /// Opened at start and kept.
    pub(super) base: usize,
    /// Further ones under load.
    pub(super) overflow: usize,
}

impl Share {
    /// The most connections at once.
    pub(super) const fn limit(self) -> usize {
        self.base.saturating_add(self.overflow)
    }
}

/// The pools' parts of `pool_size` and `max_overflow` connections that `instances` share.
pub(super) fn shares(pool_size: usize, max_overflow: usize, instances: usize) -> PerPurpose<Share> {
    let instances = instances.max(1);
    let base = (pool_size / instances).saturating_sub(CHANGE_FEED);
    let bases = seats(base, 1, base_weight);
    let overflows = seats(max_overflow / instances, 0, overflow_weight);
    let of = |seats: &[Seat], purpose| {
        let seat = seats.iter().find(|seat| seat.purpose == purpose);
        seat.map_or(0, |seat| seat.number)
    };
    let made: Result<_, std::convert::Infallible> = PerPurpose::try_new(|purpose| {
        Ok(match purpose {
            Purpose::ChangeFeed => Share {
                base: CHANGE_FEED,
                overflow: 0,
            },
            Purpose::Authorization
            | Purpose::Authentication
            | Purpose::ServiceKeys
            | Purpose::WarmUp
            | Purpose::Maintenance => Share {
                base: of(&bases, purpose),
                overflow: of(&overflows, purpose),
            },
        })
    });
    match made {
        Ok(shares) => shares,
        Err(never) => match never {},
    }
}

struct Seat {
    purpose: Purpose,
    weight: usize,
    number: usize,
}

/// Splits `total` in proportion to weights, by D'Hondt's method: each next one goes where it is
/// dearest. Where the weights divide the total, the result is the exact quotas.
fn seats(total: usize, least: usize, weight: impl Fn(Purpose) -> usize) -> Vec<Seat> {
    let weighted = Purpose::ALL.into_iter().filter(|it| weight(*it) > 0);
    let mut seats: Vec<_> = weighted
        .map(|purpose| Seat {
            purpose,
            weight: weight(purpose),
            number: least,
        })
        .collect();
    let given = seats.len().saturating_mul(least);
    for _ in given..total {
        // `a / b > c / d` without fractions; of equal ones the first.
        let next = seats.iter_mut().rev().max_by(|a, b| {
            let (left, right) = (a.weight * (b.number + 1), b.weight * (a.number + 1));
            left.cmp(&right)
        });
        if let Some(seat) = next {
            seat.number += 1;
        }
    }
    seats
}

/// Of twenty, the change feed's two apart.
const fn base_weight(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Authorization => 8,
        Purpose::Authentication => 4,
        Purpose::ServiceKeys => 3,
        Purpose::WarmUp => 2,
        Purpose::ChangeFeed => 0,
        Purpose::Maintenance => 1,
    }
}

/// Of thirty.
const fn overflow_weight(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Authorization => 14,
        Purpose::Authentication => 6,
        Purpose::ServiceKeys | Purpose::WarmUp => 4,
        Purpose::ChangeFeed => 0,
        Purpose::Maintenance => 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(shares: &PerPurpose<Share>) -> Vec<(usize, usize)> {
        shares
            .iter()
            .map(|(_, share)| (share.base, share.overflow))
            .collect()
    }

    #[test]
    fn the_defaults_are_the_owners_numbers() {
        let expected = [(8, 14), (4, 6), (3, 4), (2, 4), (2, 0), (1, 2)];
        assert_eq!(numbers(&shares(20, 30, 1)), expected);
        assert_eq!(numbers(&shares(40, 60, 2)), expected);
    }

    #[test]
    fn the_least_is_one_each_and_two_for_the_feed() {
        let least = [(1, 0), (1, 0), (1, 0), (1, 0), (2, 0), (1, 0)];
        assert_eq!(numbers(&shares(7, 0, 1)), least);
        assert_eq!(numbers(&shares(20, 30, 1000)), least);
    }

    proptest! {
        #[test]
        fn no_more_than_there_are(size in 7_usize..=1000, over in 0_usize..=1000, instances in 1_usize..=1000) {
            let shares = shares(size, over, instances);
            let base: usize = shares.iter().map(|(_, share)| share.base).sum();
            let overflow: usize = shares.iter().map(|(_, share)| share.overflow).sum();
            prop_assert_eq!(base, (size / instances).max(7));
            prop_assert_eq!(overflow, over / instances);
            prop_assert!(shares.iter().all(|(_, share)| share.base >= 1));
            prop_assert_eq!(*shares.of(Purpose::ChangeFeed), Share { base: 2, overflow: 0 });
        }
    }
}
