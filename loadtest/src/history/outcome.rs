//! What came of a check.
//!
//! Promises: the last line is one line, and the same words each time. Does not: round a violation away.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::case::{Fault, Guard, Scale};

/// What came of one case.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// Rights that were revoked.
    pub revocations: u64,
    /// Answers that were judged.
    pub reads: u64,
    /// Pieces of answers without an end that were judged.
    pub streamed: u64,
    /// The same by what was asked about.
    pub(super) seen: BTreeMap<&'static str, Seen>,
    /// Questions without an answer: the instance, or its database, could not be reached.
    pub unanswered: u64,
    /// Allows that were right in no state of the bound.
    pub stale_allows: u64,
    /// Refusals that were right in no state since the question.
    pub stale_refusals: u64,
    /// Facts that a crash took back.
    pub lost: u64,
    /// Changes too many to be probed.
    pub unprobed: u64,
    /// The first violations, for people.
    pub examples: Vec<String>,
    /// In nanoseconds; for each probed revocation and instance.
    pub(super) lags: Vec<u64>,
}

/// What was answered to questions of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) allowed: u64,
    pub(super) refused: u64,
    /// Pieces of answers without an end.
    pub(super) streamed: u64,
}

/// What came of all.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub(super) faults: Vec<(Fault, Report)>,
    pub(super) guards: Vec<(Guard, Report)>,
    /// What there must be of both, where that is asked for.
    pub(super) goal: Option<Scale>,
    /// Kinds of questions of which there must then be allows, refusals and streams.
    pub(super) kinds: Vec<&'static str>,
}

impl Report {
    /// Wrong answers.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.stale_allows.saturating_add(self.stale_refusals)
    }
}

impl Outcome {
    /// Whether the property held, and every guard that was tried was needed.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.violations() == 0 && self.caught() == self.guards.len() && self.is_enough()
    }

    /// Wrong answers under the faults; where only guards were tried, without them.
    #[must_use]
    pub fn violations(&self) -> u64 {
        if self.faults.is_empty() {
            return self
                .guards
                .iter()
                .map(|(_, report)| report.violations())
                .sum();
        }
        self.faults
            .iter()
            .map(|(_, report)| report.violations())
            .sum()
    }

    /// Whether there was as much to judge as there must be, of streams and of each way to be let in, too.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        let Some(scale) = self.goal else {
            return true;
        };
        let (revocations, reads) = scale.goal();
        self.sum(|it| it.revocations) >= revocations
            && self.sum(|it| it.reads) >= reads
            && self.unseen().is_empty()
    }

    /// Ways to be let in that nobody was let in by, or nobody refused, or by which no stream went on.
    #[must_use]
    pub fn unseen(&self) -> Vec<&'static str> {
        let mut kinds = self.kinds.clone();
        let all =
            |kind, of: fn(&Seen) -> u64| self.sum(|report| report.seen.get(kind).map_or(0, of)) > 0;
        kinds.retain(|kind| {
            !(all(*kind, |it| it.allowed)
                && all(*kind, |it| it.refused)
                && all(*kind, |it| it.streamed))
        });
        kinds
    }

    /// Rights that were revoked.
    #[must_use]
    pub fn revocations(&self) -> u64 {
        self.sum(|it| it.revocations)
    }

    /// Answers that were judged.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.sum(|it| it.reads)
    }

    /// For how long a right that was revoked was still granted, in nanoseconds: the median, the 99th percentile
    /// and the most; all 0 where nothing was probed.
    #[must_use]
    pub fn lags(&self) -> [u64; 3] {
        let mut lags: Vec<u64> = self
            .judged()
            .flat_map(|it| it.lags.iter().copied())
            .collect();
        quantiles(&mut lags)
    }

    fn caught(&self) -> usize {
        self.guards
            .iter()
            .filter(|(_, report)| report.violations() > 0)
            .count()
    }

    fn judged(&self) -> impl Iterator<Item = &Report> {
        let guards = self.guards.iter().map(|(_, report)| report);
        let guards = guards.take(if self.faults.is_empty() {
            usize::MAX
        } else {
            0
        });
        self.faults.iter().map(|(_, report)| report).chain(guards)
    }

    fn sum(&self, of: impl Fn(&Report) -> u64) -> u64 {
        self.judged().map(of).sum()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, tail, most] = self.lags().map(milliseconds);
        write!(
            f,
            "history: {} revocations, {} reads, {} faults, {} violations, {} of {} guards caught, \
             lag p50 {median} ms p99 {tail} ms max {most} ms, {} streamed",
            self.sum(|it| it.revocations),
            self.sum(|it| it.reads),
            self.faults.len(),
            self.violations(),
            self.caught(),
            self.guards.len(),
            self.sum(|it| it.streamed),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, tail, most] = quantiles(&mut self.lags.clone()).map(milliseconds);
        write!(
            f,
            "{} revocations ({} changes unprobed, {} lost), {} reads, {} streamed, {} unanswered, {} stale allows, {} stale refusals, \
             lag p50 {median} p99 {tail} max {most} ms",
            self.revocations,
            self.unprobed,
            self.lost,
            self.reads,
            self.streamed,
            self.unanswered,
            self.stale_allows,
            self.stale_refusals,
        )
    }
}

/// The median, the 99th percentile and the largest; all 0 of nothing.
fn quantiles(values: &mut [u64]) -> [u64; 3] {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    [50, 99, 100].map(|percent| {
        let rank = last.saturating_mul(percent).div_ceil(100);
        values.get(rank).copied().unwrap_or_default()
    })
}

fn milliseconds(nanoseconds: u64) -> u128 {
    Duration::from_nanos(nanoseconds)
        .as_micros()
        .div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(stale_allows: u64) -> Report {
        let lags = (1..=100).map(|it| it * 1_000_000).collect();
        Report {
            revocations: 10,
            reads: 20,
            streamed: 30,
            stale_allows,
            lags,
            ..Report::default()
        }
    }

    #[test]
    fn the_last_line_has_the_figures() {
        let outcome = Outcome {
            faults: vec![(Fault::Rollbacks, report(0)), (Fault::Restart, report(0))],
            guards: vec![(Guard::Lease, report(3)), (Guard::Use, report(0))],
            goal: None,
            kinds: Vec::new(),
        };
        assert_eq!(
            outcome.to_string(),
            "history: 20 revocations, 40 reads, 2 faults, 0 violations, 1 of 2 guards caught, \
             lag p50 51 ms p99 100 ms max 100 ms, 60 streamed"
        );
        assert!(!outcome.is_met());
    }

    #[test]
    fn it_is_met_only_without_violations_with_all_guards_and_with_enough_to_judge() {
        let mut outcome = Outcome {
            faults: vec![(Fault::Rollbacks, report(0))],
            guards: vec![(Guard::Lease, report(3))],
            goal: None,
            kinds: Vec::new(),
        };
        assert!(outcome.is_met());
        outcome.goal = Some(Scale::Short);
        assert!(!outcome.is_met());
        outcome.goal = None;
        outcome.faults.push((Fault::Restart, report(1)));
        assert!(!outcome.is_met());
    }

    #[test]
    fn it_is_met_only_if_nobody_was_left_out() {
        let (revocations, reads) = Scale::Short.goal();
        let all = Seen {
            allowed: 1,
            refused: 1,
            streamed: 1,
        };
        let outcome = |seen| Outcome {
            faults: vec![(
                Fault::Rollbacks,
                Report {
                    revocations,
                    reads,
                    seen: BTreeMap::from([("a link", seen)]),
                    ..Report::default()
                },
            )],
            goal: Some(Scale::Short),
            kinds: vec!["a link"],
            ..Outcome::default()
        };
        assert!(outcome(all).is_met());
        let each: [fn(&mut Seen); 3] = [
            |seen| seen.allowed = 0,
            |seen| seen.refused = 0,
            |seen| seen.streamed = 0,
        ];
        for leave_out in each {
            let mut seen = all;
            leave_out(&mut seen);
            assert_eq!(outcome(seen).unseen(), ["a link"]);
            assert!(!outcome(seen).is_met());
        }
    }

    #[test]
    fn a_guard_alone_shows_its_violations() {
        let outcome = Outcome {
            guards: vec![(Guard::Lease, report(3))],
            ..Outcome::default()
        };
        assert_eq!(outcome.violations(), 3);
        assert!(!outcome.is_met());
    }
}
