//! What was told of a fact, and whether that was after a decision: for whoever explains it.
//!
//! Promise: a change that the rows of a decision may lack, and that this process has been told of, is reported. So
//! is one of another tag in the same slot, or of everything: then the rows would be read again, too.
//!
//! Does not: decide. What may be answered from memory is a [`super::Reading`]'s.

use super::{Coherence, Moment, Tag};
use crate::store::Origin;

/// The version of a fact: what was told of its slot last. Zeros: nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastTold {
    /// The number of the poll that told of it.
    pub poll: u64,
    /// The highest transaction that is known to have changed it; of a file, an edit's number.
    pub transaction: u64,
}

impl Coherence {
    /// The number of the last poll that was applied; `None` while nobody follows the changes.
    #[must_use]
    pub fn applied(&self) -> Option<u64> {
        Some(self.read()?.applied())
    }

    /// What was told of a tag last.
    #[must_use]
    pub fn told_of(&self, tag: Tag<'_>) -> LastTold {
        let [own, all] = self.slots.told(self.slot(tag));
        LastTold {
            poll: own.1.max(all.1),
            transaction: own.0.max(all.0),
        }
    }

    /// Whether a fact may have changed since it was read at a moment; `None`: that cannot be told. `origin` is
    /// where it was read, if that is known.
    ///
    /// A poll that was applied later may tell of a transaction that the statement has seen: it has, if
    /// every transaction up to that one had ended by then.
    #[must_use]
    pub fn may_have_changed(
        &self,
        tag: Tag<'_>,
        moment: Moment,
        origin: Option<&Origin>,
    ) -> Option<bool> {
        let applied = moment.applied().filter(|_| self.read().is_some())?;
        let [own, all] = self.slots.told(self.slot(tag));
        if own.1 <= applied && all.1 <= applied {
            return Some(false);
        }
        let is_seen = origin.is_some_and(|origin| {
            let followed = self.history.load();
            let same_life = followed.as_deref().is_some_and(|it| *it == *origin.history);
            same_life && own.0 < origin.xmin
        });
        Some(all.1 > applied || !is_seen)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::coherence::BootTime;
    use crate::store::History;

    #[test]
    fn what_is_told_after_a_decision_is_a_change_and_what_its_statement_has_seen_is_not() {
        let coherence = Coherence::new(1 << 16);
        let history = Arc::new(History {
            system: "1".into(),
            timeline: "1".into(),
            incarnation: None,
        });
        let poll = |tags: &[&str]| coherence.told(BootTime::now(), &history, tags);
        let (alice, bob) = (Tag::User("alice"), Tag::User("bob"));
        let unread = Moment::at(BootTime::now());
        assert_eq!(coherence.may_have_changed(alice, unread, None), None);
        poll(&["user:alice"]);
        let moment = coherence.read().unwrap().moment();
        let changed = |tag: Tag<'_>, moment, origin: Option<&Origin>| {
            coherence.may_have_changed(tag, moment, origin)
        };
        assert_eq!(changed(alice, moment, None), Some(false), "known before");
        assert_eq!(changed(alice, unread, None), None);

        // Tests tell of transaction 1.
        poll(&["user:alice"]);
        let origin = |xmin, history: &Arc<History>| Origin {
            xmin,
            history: Arc::clone(history),
        };
        let other = Arc::new(History {
            system: "2".into(),
            ..(*history).clone()
        });
        assert_eq!(changed(bob, moment, None), Some(false));
        assert_eq!(changed(alice, moment, None), Some(true));
        for (origin, expected) in [
            (origin(1, &history), true),
            (origin(2, &history), false),
            (origin(2, &other), true),
        ] {
            assert_eq!(
                changed(alice, moment, Some(&origin)),
                Some(expected),
                "{origin:?}"
            );
        }
        assert_eq!(coherence.told_of(alice).transaction, 1);
        assert!(coherence.told_of(alice).poll > coherence.told_of(bob).poll);

        coherence.flush();
        let seen = origin(2, &history);
        assert_eq!(changed(bob, moment, Some(&seen)), Some(true), "everything");
        coherence.shut();
        assert_eq!(changed(bob, moment, None), None);
    }
}
