//! What one key's value was, as far as its writer can know.
//!
//! A key has one writer, so its states have one order. A state began somewhere between the call of its
//! commit and the acknowledgement; it ended somewhere between the next one's call and acknowledgement.
//! [`Timeline::possible`] takes both as widely as they can be: what it leaves out was certainly not so.
//!
//! Promises: a commit whose acknowledgement never came leaves both values possible until the database
//! was asked. Does not: ask it.

use super::clock::{Moment, Span};

/// A value, and the longest time that it can have been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) value: u32,
    /// The call of the commit that made it.
    pub(super) from: Moment,
    /// The acknowledgement of the commit that ended it; [`Moment::END`] as long as nothing has.
    pub(super) until: Moment,
}

/// The states of one key, in order. Never empty.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    states: Vec<State>,
    value: u32,
    acknowledged: bool,
}

impl Timeline {
    /// A key whose first value was there before the history began.
    pub(super) fn new(value: u32) -> Self {
        let first = State {
            value,
            from: Moment::default(),
            until: Moment::END,
        };
        Self {
            states: vec![first],
            value,
            acknowledged: true,
        }
    }

    /// Whether the last commit was acknowledged, and its value is another one than this.
    pub(super) fn contradicts(&self, value: u32) -> bool {
        self.acknowledged && self.value != value
    }

    /// The value that was written last.
    pub(super) fn value(&self) -> u32 {
        self.value
    }

    /// A commit, or a look at the database: from some moment of `[call, ack]` on the value is this one.
    pub(super) fn committed(&mut self, value: u32, call: Moment, ack: Moment) {
        for state in self.states.iter_mut().rev() {
            if state.until != Moment::END {
                break;
            }
            state.until = ack;
        }
        self.push(value, call);
        self.acknowledged = true;
    }

    /// A commit that was called, and of which nothing was heard: the value may have been this one since.
    pub(super) fn uncertain(&mut self, value: u32, call: Moment) {
        self.push(value, call);
        self.acknowledged = false;
    }

    /// The states that can have been there at some moment of `span`.
    pub(super) fn possible(&self, span: Span) -> impl Iterator<Item = &State> {
        // Both ends never decrease along the list.
        let first = self.states.partition_point(|it| it.until < span.from);
        let after = self.states.partition_point(|it| it.from <= span.until);
        self.states.get(first..after).into_iter().flatten()
    }

    fn push(&mut self, value: u32, call: Moment) {
        let last = self.states.last().map_or(call, |state| state.from);
        self.states.push(State {
            value,
            from: call.max(last),
            until: Moment::END,
        });
        self.value = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(timeline: &Timeline, from: u64, until: u64) -> Vec<u32> {
        let span = Span {
            from: Moment(from),
            until: Moment(until),
        };
        timeline.possible(span).map(|state| state.value).collect()
    }

    #[test]
    fn between_call_and_acknowledgement_both_are_possible() {
        let mut timeline = Timeline::new(1);
        timeline.committed(0, Moment(10), Moment(20));
        assert_eq!(values(&timeline, 0, 9), [1]);
        assert_eq!(values(&timeline, 10, 10), [1, 0]);
        assert_eq!(values(&timeline, 20, 20), [1, 0]);
        assert_eq!(values(&timeline, 21, 99), [0]);
    }

    #[test]
    fn after_a_lost_acknowledgement_both_are_possible_until_somebody_looks() {
        let mut timeline = Timeline::new(1);
        timeline.committed(0, Moment(10), Moment(20));
        timeline.uncertain(1, Moment(30));
        // The crash took the acknowledged commit too: the database's word is what counts.
        timeline.committed(1, Moment(20), Moment(50));
        assert_eq!(values(&timeline, 21, 29), [0]);
        assert_eq!(values(&timeline, 40, 40), [0, 1, 1]);
        assert_eq!(values(&timeline, 51, 60), [1]);
    }
}
