//! What a decision rests on, for whoever goes by it for longer than a moment: a stream.
//!
//! Promise: while [`Reading::upholds`](super::Reading::upholds) a [`Ground`], the rows of the decision are as they
//! were, up to the poll of that reading; so the decision is as good as one that is made under it. Neither
//! allocates.

use super::{BootTime, Coherence, Slot, Tag};

/// The most facts that one decision rests on: rows, and what may be revoked of a credential.
const MOST: usize = 8;

/// An instant at which the rows of an answer were true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    true_at: BootTime,
    /// The last poll whose changes the rows are sure to have, where anybody knows.
    applied: Option<u64>,
    /// Whether they were looked up in memory once that poll was applied.
    from_memory: bool,
}

/// The facts of a decision, and since when changes of them have to be looked for.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    applied: u64,
    /// Places that are not needed hold the first one again.
    slots: [Slot; MOST],
}

impl Moment {
    /// Of an answer that was true then, whatever has been told since.
    #[must_use]
    pub const fn at(true_at: BootTime) -> Self {
        Self {
            true_at,
            applied: None,
            from_memory: false,
        }
    }

    pub(super) const fn of(true_at: BootTime, applied: u64) -> Self {
        Self {
            true_at,
            applied: Some(applied),
            from_memory: true,
        }
    }

    /// The same, of an answer that has what was told up to this poll, wherever it came from.
    #[must_use]
    pub const fn with_polls_up_to(mut self, applied: Option<u64>) -> Self {
        self.applied = applied;
        self
    }

    /// The same, of an answer that was not in memory when it was asked for.
    #[must_use]
    pub const fn from_elsewhere(mut self) -> Self {
        self.from_memory = false;
        self
    }

    /// The number of the last poll whose changes the rows are sure to have, where anybody knows.
    #[must_use]
    pub const fn applied(self) -> Option<u64> {
        self.applied
    }

    /// When the rows were true.
    #[must_use]
    pub const fn true_at(self) -> BootTime {
        self.true_at
    }
}

impl Ground {
    pub(super) const fn applied(&self) -> u64 {
        self.applied
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.slots.iter().copied()
    }
}

impl Coherence {
    /// Whether a change of a tag was ever told here, or of one that shares its slot.
    #[must_use]
    pub fn has_told_of(&self, tag: Tag<'_>) -> bool {
        self.slots.is_touched(self.slot(tag))
    }

    /// The ground of an answer from memory whose rows have these tags. `None` for any other answer, which has
    /// to be asked for again: by then it is in memory.
    pub fn ground<'t>(
        &self,
        moment: Moment,
        tags: impl IntoIterator<Item = Tag<'t>>,
    ) -> Option<Ground> {
        let applied = moment.applied.filter(|_| moment.from_memory)?;
        let mut tags = tags.into_iter();
        let first = self.slot(tags.next()?);
        let mut slots = [first; MOST];
        let mut places = slots.iter_mut().skip(1);
        for tag in tags {
            *places.next()? = self.slot(tag);
        }
        Some(Ground { applied, slots })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::History;

    #[test]
    fn a_decision_stands_while_none_of_its_facts_is_touched() {
        let coherence = Coherence::new(1 << 16);
        let history = Arc::new(History {
            system: "1".into(),
            timeline: "1".into(),
            incarnation: None,
        });
        let poll = |tags: &[&str]| coherence.told(BootTime::now(), &history, tags);
        let member = Tag::Member {
            team: "t",
            user: "u",
        };
        let tags = [Tag::User("u"), Tag::Project("p"), member];
        poll(&["user:u"]);
        let moment = coherence.read().unwrap().moment();
        let ground = coherence.ground(moment, tags).unwrap();
        let upheld = || coherence.read().unwrap().upholds(&ground);
        assert!(upheld(), "what was known before it was made");
        poll(&["user:v", "project:q", "member:t:v"]);
        assert!(upheld(), "what others do");
        for tag in ["user:u", "project:p", "member:t:u", "*"] {
            let moment = coherence.read().unwrap().moment();
            let ground = coherence.ground(moment, tags).unwrap();
            poll(&[tag]);
            assert!(!coherence.read().unwrap().upholds(&ground), "{tag}");
        }
        assert!(!upheld());
        let moment = coherence.read().unwrap().moment();
        for other in [Moment::at(BootTime::now()), moment.from_elsewhere()] {
            assert!(coherence.ground(other, tags).is_none());
        }
        let many = [Tag::Key("k"); MOST + 1];
        assert!(coherence.ground(moment, many).is_none(), "never in part");
    }
}
