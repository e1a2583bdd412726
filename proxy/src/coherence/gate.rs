//! Whether changes show in the log at all: triggers, views and rights as the doctor wants them.
//!
//! Promise: open only while every poll shows the fingerprint under which an examination passed. An
//! examination is between two polls, one that was answered before it began and one that started after it
//! ended, and both show that fingerprint; no change leaves it as it was, so nothing that it is of
//! changed while the doctor looked. What it is not of (roles, subscriptions) the doctor looks at again
//! now and then.

/// The gate, and the fingerprint that the last poll showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Gate {
    fingerprint: Box<str>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// An examination goes on.
    #[default]
    Examining,
    /// It passed, when this was the number of the last poll that had started.
    Passed(u64),
    /// It did not pass, or could not be made.
    Refused,
    Open,
}

/// What a poll's fingerprint means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Changes show: the poll may be published.
    Open,
    /// Not yet, or not at all.
    Shut,
    /// Something has changed that changes may have hidden behind: an examination has to begin.
    Changed,
}

/// What an examination means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing changes, or not before the next poll.
    Unchanged,
    /// The gate stays shut, for the reasons found.
    Shut,
    /// It was open and is shut now.
    Shutting,
}

impl Gate {
    /// Shut until an examination has passed under this fingerprint.
    pub(super) const fn examining(fingerprint: Box<str>) -> Self {
        Self {
            fingerprint,
            state: State::Examining,
        }
    }

    /// A poll of this number shows a fingerprint.
    pub(super) fn polled(&mut self, number: u64, fingerprint: &str) -> Pass {
        if *self.fingerprint != *fingerprint {
            *self = Self::examining(fingerprint.into());
            return Pass::Changed;
        }
        match self.state {
            State::Open => Pass::Open,
            State::Passed(last) if number > last => {
                self.state = State::Open;
                Pass::Open
            }
            State::Passed(_) | State::Examining | State::Refused => Pass::Shut,
        }
    }

    /// An examination that began after the last [`Pass::Changed`] has ended; `last` is the number of
    /// the last poll that has started. `passed`: `None` if it could not be made.
    pub(super) fn examined(&mut self, last: u64, passed: Option<bool>) -> Verdict {
        let was = self.state;
        self.state = match (was, passed) {
            // Not to be able to look says nothing; that the database is gone ends the lease.
            (State::Open | State::Passed(_), None) | (State::Open, Some(true)) => was,
            (State::Examining | State::Refused, None) | (_, Some(false)) => State::Refused,
            (State::Examining | State::Refused | State::Passed(_), Some(true)) => {
                State::Passed(last)
            }
        };
        match (was, self.state) {
            (State::Open, State::Refused) => Verdict::Shutting,
            (_, State::Refused) => Verdict::Shut,
            (_, State::Open | State::Passed(_) | State::Examining) => Verdict::Unchanged,
        }
    }
}
