//! All that the database says of credentials, followed by the change feed: so no request asks for it.
//!
//! Promise: what is known is what the tables said at the last poll that was applied, or later. It is read whole
//! in a snapshot of its own while polls go on; what they tell meanwhile is noted and counts over what was read,
//! because every change that the snapshot does not have is told after the noting began. After a flush, and until
//! it is read again, nothing is known, and requests ask the database.
//!
//! Does not: judge the lease. Whoever looks here has loaded a [`super::Reading`] before, and compares the clock
//! with it afterwards (R1).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use super::Coherence;
use crate::credential::{Change, Table};

/// The most rows of keys and revocations together that are kept. With more, requests ask the database.
pub(super) const MOST_ROWS: usize = 1_000_000;
/// The most changes that are noted while the tables are read; with more, they are read anew.
const MOST_NOTES: usize = 200_000;

/// What is known of credentials.
#[derive(Default)]
pub struct Register {
    state: RwLock<State>,
    /// Whether there is a table and it revokes nothing: then most requests need no more.
    is_quiet: AtomicBool,
}

#[derive(Default)]
enum State {
    #[default]
    Unknown,
    /// It is being read; since then this was told.
    Reading(u64, Vec<Change>),
    Known(Box<Table>),
}

impl Register {
    /// What somebody makes of the table; `None` while it is not known.
    pub fn look<T>(&self, judge: impl FnOnce(&Table) -> T) -> Option<T> {
        match &*self.state.read() {
            State::Known(table) => Some(judge(table)),
            State::Unknown | State::Reading(..) => None,
        }
    }

    /// Whether it is known that nothing was revoked.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Acquire)
    }

    /// Nothing is known any more.
    pub(super) fn forget(&self) {
        self.set(State::Unknown);
    }

    /// The tables are about to be read; `false`: they are known, or being read. `id` is another one each time.
    pub(super) fn begin(&self, id: u64) -> bool {
        let is_unknown = matches!(&*self.state.read(), State::Unknown);
        if is_unknown {
            self.set(State::Reading(id, Vec::new()));
        }
        is_unknown
    }

    /// They were read, beginning with this id. Whether that counts.
    pub(super) fn install(&self, id: u64, mut table: Table) -> bool {
        let mut state = self.state.write();
        let State::Reading(begun, notes) = &mut *state else {
            return false;
        };
        if *begun != id {
            return false;
        }
        for change in std::mem::take(notes) {
            table.apply(change);
        }
        self.is_quiet
            .store(table.revokes_nothing(), Ordering::Release);
        *state = State::Known(Box::new(table));
        true
    }

    /// A poll tells of changes: all of them at once, so that nobody sees a part.
    pub(super) fn apply(&self, changes: Vec<Change>) {
        let mut state = self.state.write();
        match &mut *state {
            State::Unknown => {}
            State::Reading(_, notes) if notes.len().saturating_add(changes.len()) <= MOST_NOTES => {
                notes.extend(changes);
            }
            State::Reading(..) => *state = State::Unknown,
            State::Known(table) => {
                for change in changes {
                    table.apply(change);
                }
                let (keys, revocations) = table.rows();
                let quiet = table.revokes_nothing();
                self.is_quiet.store(quiet, Ordering::Release);
                if keys.saturating_add(revocations) > MOST_ROWS {
                    self.is_quiet.store(false, Ordering::Release);
                    *state = State::Unknown;
                }
            }
        }
    }

    /// Service keys and revocations that are known; `None`: they are not.
    #[must_use]
    pub fn rows(&self) -> Option<(usize, usize)> {
        self.look(Table::rows)
    }

    fn set(&self, state: State) {
        let mut known = self.state.write();
        self.is_quiet.store(false, Ordering::Release);
        let former = std::mem::replace(&mut *known, state);
        drop(known);
        // There may be a million rows to free, and nobody has to wait for that.
        drop(former);
    }
}

impl Coherence {
    /// What is known of credentials: as of the last poll that was applied, or a later one. To be looked at
    /// after a reading was loaded, and before the clock is compared with it (R1).
    #[must_use]
    pub const fn register(&self) -> &Register {
        &self.register
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register")
            .field("rows", &self.rows())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sidegate_policy::UnixMicros;

    use super::*;
    use crate::credential::Record;

    fn change(tag: &str, before: Option<i64>) -> Change {
        Change {
            tag: format!("credential:{tag}").into(),
            record: before.map(|before| Record::Revoked(UnixMicros(before))),
        }
    }

    fn table(changes: &[(&str, i64)]) -> Table {
        let mut table = Table::default();
        for (tag, before) in changes {
            table.apply(change(tag, Some(*before)));
        }
        table
    }

    fn is(register: &Register, changes: &[(&str, i64)]) -> bool {
        register.look(|known| *known == table(changes)) == Some(true)
    }

    #[test]
    fn what_is_told_while_it_is_read_counts_over_what_was_read() {
        let register = Register::default();
        register.apply(vec![change("token:early", Some(1))]);
        assert!(register.begin(1) && !register.begin(2));
        register.apply(vec![change("token:a", Some(2)), change("token:b", None)]);
        register.apply(vec![change("token:a", Some(3))]);
        assert_eq!(register.rows(), None, "nobody sees a part");
        let read = table(&[("token:a", 1), ("token:b", 1), ("token:c", 1)]);
        assert!(!register.install(2, read.clone()));
        assert!(register.install(1, read));
        assert!(is(&register, &[("token:a", 3), ("token:c", 1)]));
        assert!(!register.is_quiet() && !register.begin(3));
        register.apply(vec![change("token:a", None), change("token:c", None)]);
        assert!(register.is_quiet() && is(&register, &[]));
    }

    #[test]
    fn what_was_begun_before_a_flush_does_not_count() {
        let register = Register::default();
        assert!(register.begin(1) && register.install(1, Table::default()));
        assert!(register.is_quiet());
        register.forget();
        assert!(!register.is_quiet() && register.rows().is_none());
        assert!(register.begin(2));
        register.forget();
        assert!(register.begin(3));
        assert!(!register.install(2, Table::default()));
        assert!(register.install(3, table(&[("all:*", 5)])));
        assert!(!register.is_quiet());
        // More than can be noted: it is read anew.
        register.forget();
        assert!(register.begin(4));
        for _ in 0..MOST_NOTES / 1000 + 1 {
            register.apply(vec![change("user:u", None); 1000]);
        }
        assert!(!register.install(4, Table::default()) && register.begin(5));
    }
}
