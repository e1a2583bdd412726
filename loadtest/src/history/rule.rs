//! When a decision is right: a rule over keys, and the time in which it can have held.
//!
//! Promises: [`Rule::when`] leaves out no moment at which some order of the commits makes the rule hold;
//! all facts are taken at one and the same moment. Where commits are under way it may count a moment too
//! many (each key is looked at alone), never one too few: what it calls wrong is wrong.

use super::clock::{Moment, Span};
use super::timeline::Timeline;

/// A key's place in the list of timelines.
pub(super) type Key = usize;

/// A condition on the values of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// The key has the value.
    Is(Key, u32),
    /// The key has another value.
    Not(Key, u32),
    /// Every one holds.
    All(Vec<Self>),
    /// At least one holds.
    Any(Vec<Self>),
}

impl Rule {
    /// The rule that holds when this one does not.
    pub(super) fn negated(&self) -> Self {
        let each = |rules: &[Self]| rules.iter().map(Self::negated).collect();
        match self {
            Self::Is(key, value) => Self::Not(*key, *value),
            Self::Not(key, value) => Self::Is(*key, *value),
            Self::All(rules) => Self::Any(each(rules)),
            Self::Any(rules) => Self::All(each(rules)),
        }
    }

    /// Whether it holds with these values.
    pub(super) fn holds(&self, value: &impl Fn(Key) -> u32) -> bool {
        match self {
            Self::Is(key, wanted) => value(*key) == *wanted,
            Self::Not(key, other) => value(*key) != *other,
            Self::All(rules) => rules.iter().all(|rule| rule.holds(value)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(value)),
        }
    }

    /// The moments of `span` at which it can have held: apart from each other, in order.
    pub(super) fn when(&self, timelines: &[Timeline], span: Span) -> Vec<Span> {
        match self {
            Self::Is(key, wanted) => possible(timelines, *key, span, |value| value == *wanted),
            Self::Not(key, other) => possible(timelines, *key, span, |value| value != *other),
            Self::All(rules) => rules.iter().fold(vec![span], |spans, rule| {
                if spans.is_empty() {
                    return spans;
                }
                intersection(&spans, &rule.when(timelines, span))
            }),
            Self::Any(rules) => {
                let each = rules.iter().flat_map(|rule| rule.when(timelines, span));
                union(each.collect())
            }
        }
    }
}

fn possible(timelines: &[Timeline], key: Key, span: Span, test: impl Fn(u32) -> bool) -> Vec<Span> {
    let Some(timeline) = timelines.get(key) else {
        return Vec::new();
    };
    let states = timeline.possible(span).filter(|state| test(state.value));
    union(
        states
            .map(|state| Span {
                from: state.from.max(span.from),
                until: state.until.min(span.until),
            })
            .collect(),
    )
}

fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| span.from);
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
            Some(_) | None => merged.push(span),
        }
    }
    merged
}

fn intersection(one: &[Span], other: &[Span]) -> Vec<Span> {
    let mut both = Vec::new();
    // Lists of a handful: every pair is fast enough.
    for a in one {
        for b in other {
            let (from, until): (Moment, Moment) = (a.from.max(b.from), a.until.min(b.until));
            if from <= until {
                both.push(Span { from, until });
            }
        }
    }
    union(both)
}
