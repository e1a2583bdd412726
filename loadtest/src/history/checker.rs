//! Judges a history: was every answer right at a moment at which it may have been taken?
//!
//! The property (B is [`BOUND`]): an allow that was asked for at s and answered at e was right in some
//! state of the database in [s - B, e]; a refusal in some state in [s, e], because refusals are fresh.
//! A state is one of all facts together: facts that were never true at one moment grant nothing.
//!
//! Promises: no false alarm (see [`Rule::when`]); O(log n) for each answer. Does not: judge what was no
//! answer, such as 503.

use std::time::Duration;

use super::clock::{Moment, Span};
use super::rule::Rule;
use super::timeline::Timeline;

/// How long after its revocation a right may still be granted.
pub(super) const BOUND: Duration = Duration::from_secs(1);

/// One answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// What was asked: a place in the list of questions.
    pub(super) question: usize,
    /// Who answered.
    pub(super) instance: usize,
    pub(super) allowed: bool,
    /// Of an answer without an end, a piece: sent by the application, and here.
    pub(super) is_piece: bool,
    pub(super) sent: Moment,
    pub(super) answered: Moment,
}

/// When a question's answer is right.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    allow: Rule,
    refuse: Rule,
}

/// What is wrong with a history.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    /// Allows that were right in no state of [s - B, e].
    pub(super) stale_allows: u64,
    /// Refusals that were right in no state of [s, e].
    pub(super) stale_refusals: u64,
    /// The first wrong answers.
    pub(super) examples: Vec<Example>,
}

/// A wrong answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Example {
    pub(super) read: Read,
    /// How long before the question it was last right; `None` if it never was.
    pub(super) late_by: Option<Duration>,
}

#[cfg(test)]
impl Findings {
    /// All violations.
    pub(super) fn violations(&self) -> u64 {
        self.stale_allows.saturating_add(self.stale_refusals)
    }
}

impl Judgement {
    /// For a question that is to be allowed exactly when `allow` holds.
    pub(super) fn new(allow: Rule) -> Self {
        let refuse = allow.negated();
        Self { allow, refuse }
    }

    /// When it is to be allowed.
    pub(super) fn allow(&self) -> &Rule {
        &self.allow
    }

    fn is_right(&self, timelines: &[Timeline], read: &Read) -> bool {
        let (rule, from) = if read.allowed {
            (&self.allow, read.sent.before(BOUND))
        } else {
            (&self.refuse, read.sent)
        };
        let until = read.answered;
        !rule.when(timelines, Span { from, until }).is_empty()
    }

    fn late_by(&self, timelines: &[Timeline], read: &Read) -> Option<Duration> {
        let rule = if read.allowed {
            &self.allow
        } else {
            &self.refuse
        };
        let before = Span {
            from: Moment::default(),
            until: read.answered,
        };
        let last = rule.when(timelines, before).pop()?;
        Some(read.sent.since(last.until))
    }
}

/// Judges every answer.
pub(super) fn check(timelines: &[Timeline], questions: &[Judgement], reads: &[Read]) -> Findings {
    let mut findings = Findings::default();
    for read in reads {
        let Some(judgement) = questions.get(read.question) else {
            continue;
        };
        if judgement.is_right(timelines, read) {
            continue;
        }
        let count = if read.allowed {
            &mut findings.stale_allows
        } else {
            &mut findings.stale_refusals
        };
        *count = count.saturating_add(1);
        if findings.examples.len() < EXAMPLES {
            findings.examples.push(Example {
                read: *read,
                late_by: judgement.late_by(timelines, read),
            });
        }
    }
    findings
}

const EXAMPLES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(milliseconds: u64) -> Moment {
        Moment(milliseconds * MS)
    }

    fn read(allowed: bool, sent: u64, answered: u64) -> Read {
        Read {
            question: 0,
            instance: 0,
            allowed,
            is_piece: false,
            sent: at(sent),
            answered: at(answered),
        }
    }

    fn judge(timelines: &[Timeline], rule: Rule, read: Read) -> Findings {
        check(timelines, &[Judgement::new(rule)], &[read])
    }

    /// Granted from the start, revoked at 5 s: called at 4.99, acknowledged at 5.
    fn revoked() -> [Timeline; 1] {
        let mut timeline = Timeline::new(1);
        timeline.committed(0, at(4_990), at(5_000));
        [timeline]
    }

    #[test]
    fn an_allow_that_is_stale_by_1200_ms_is_caught() {
        let found = judge(&revoked(), Rule::Is(0, 1), read(true, 6_200, 6_201));
        assert_eq!((found.stale_allows, found.stale_refusals), (1, 0));
        let late_by = found.examples[0].late_by;
        assert_eq!(late_by, Some(Duration::from_millis(1_200)));
    }

    #[test]
    fn an_allow_that_is_stale_by_800_ms_is_within_the_bound() {
        let found = judge(&revoked(), Rule::Is(0, 1), read(true, 5_800, 5_801));
        assert_eq!(found.violations(), 0);
    }

    #[test]
    fn an_answer_that_takes_long_may_be_taken_at_its_beginning() {
        let found = judge(&revoked(), Rule::Is(0, 1), read(true, 5_900, 9_000));
        assert_eq!(found.violations(), 0);
    }

    #[test]
    fn a_stale_refusal_is_caught() {
        let mut timeline = Timeline::new(0);
        timeline.committed(1, at(4_990), at(5_000));
        let timelines = [timeline];
        // Even one millisecond is too much: the grant was acknowledged before the question was asked.
        let found = judge(&timelines, Rule::Is(0, 1), read(false, 5_001, 5_002));
        assert_eq!((found.stale_allows, found.stale_refusals), (0, 1));
        let found = judge(&timelines, Rule::Is(0, 1), read(false, 4_999, 5_050));
        assert_eq!(found.violations(), 0);
    }

    #[test]
    fn an_allow_of_what_was_never_true_is_caught() {
        let found = judge(
            &[Timeline::new(0)],
            Rule::Is(0, 1),
            read(true, 1_000, 1_001),
        );
        assert_eq!(found.stale_allows, 1);
        assert_eq!(found.examples[0].late_by, None);
    }

    /// A project moves to a team just after the user has left it: at no moment may the user see it.
    fn moved() -> ([Timeline; 2], Rule) {
        let (member, team) = (0, 1);
        let mut timelines = [Timeline::new(1), Timeline::new(1)];
        timelines[member].committed(0, at(4_990), at(5_000));
        timelines[team].committed(2, at(5_010), at(5_020));
        let rule = Rule::All(vec![Rule::Is(member, 1), Rule::Is(team, 2)]);
        (timelines, rule)
    }

    #[test]
    fn an_allow_from_facts_of_two_moments_is_caught() {
        let (timelines, rule) = moved();
        // Each fact alone was true within the bound.
        let found = judge(&timelines, rule, read(true, 5_050, 5_060));
        assert_eq!(found.stale_allows, 1);
    }

    #[test]
    fn an_allow_from_facts_of_one_moment_is_right() {
        let (mut timelines, rule) = moved();
        timelines[0].committed(1, at(5_100), at(5_110));
        let found = judge(&timelines, rule, read(true, 5_200, 5_210));
        assert_eq!(found.violations(), 0);
    }

    #[test]
    fn while_a_commit_is_under_way_both_answers_are_right() {
        for allowed in [true, false] {
            let found = judge(&revoked(), Rule::Is(0, 1), read(allowed, 4_992, 4_994));
            assert_eq!(found.violations(), 0);
        }
    }

    #[test]
    fn what_a_crash_took_back_counts_only_until_the_crash() {
        let mut timeline = Timeline::new(0);
        timeline.committed(1, at(1_000), at(1_001));
        timeline.committed(0, at(1_100), at(3_000));
        let rule = Rule::Is(0, 1);
        let found = judge(&[timeline.clone()], rule.clone(), read(true, 3_900, 3_901));
        assert_eq!(found.violations(), 0);
        let found = judge(&[timeline], rule, read(true, 4_100, 4_101));
        assert_eq!(found.stale_allows, 1);
    }
}
