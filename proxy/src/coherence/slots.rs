//! What changed when, for every fact there can be, in a table of a fixed size.
//!
//! Promise: what a tag's slot says is never older than what was said about the tag. Two tags may
//! share a slot: then a change of one counts for both, which costs a question to the database and
//! nothing else. Where a tag goes is keyed per process, so nobody outside can aim at a slot.
//!
//! Does not: publish. The loads and stores here are relaxed: whoever applied a poll releases all of
//! its touches at once with the lease, and whoever reads has acquired a lease first (DESIGN §5, R1).

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::tag::{EVERYTHING, Tag};

/// The most slots.
pub const MOST_SLOTS: usize = 1 << 24;

/// Where a tag is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(u32);

/// One place of the table.
#[derive(Debug, Default)]
struct Cell {
    /// The highest transaction that touched it (R2).
    xid: AtomicU64,
    /// The last poll that touched it (R2').
    poll: AtomicU64,
}

impl Cell {
    /// Neither word goes back, so an answer that is applied twice does no harm.
    fn touch(&self, xid: u64, poll: u64) {
        self.xid.fetch_max(xid, Ordering::Relaxed);
        self.poll.fetch_max(poll, Ordering::Relaxed);
    }

    fn poll(&self) -> u64 {
        self.poll.load(Ordering::Relaxed)
    }

    fn xid(&self) -> u64 {
        self.xid.load(Ordering::Relaxed)
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Slots {
    keys: RandomState,
    cells: Box<[Cell]>,
    /// What touches every tag.
    all: Cell,
}

impl Slots {
    /// With so many slots, rounded up to a power of two, at most [`MOST_SLOTS`]. 16 bytes each.
    pub(super) fn new(slots: usize) -> Self {
        let slots = slots.clamp(1, MOST_SLOTS).next_power_of_two();
        Self {
            keys: RandomState::new(),
            cells: (0..slots).map(|_| Cell::default()).collect(),
            all: Cell::default(),
        }
    }

    /// The slot of a tag.
    pub(super) fn of(&self, tag: Tag<'_>) -> Slot {
        let mut hasher = self.keys.build_hasher();
        tag.hash_written(&mut hasher);
        self.of_hash(hasher.finish())
    }

    /// The slot of a tag as the log writes it.
    fn of_written(&self, tag: &str) -> Slot {
        let mut hasher = self.keys.build_hasher();
        hasher.write(tag.as_bytes());
        self.of_hash(hasher.finish())
    }

    /// The low bits: there are at most 2^24 cells, and always a power of two.
    fn of_hash(&self, hash: u64) -> Slot {
        let low = u32::try_from(hash & 0xffff_ffff).unwrap_or_default();
        let last = u32::try_from(self.cells.len().saturating_sub(1)).unwrap_or_default();
        Slot(low & last)
    }

    /// Whether anything was ever told about what is in a slot, flushes apart.
    pub(super) fn is_touched(&self, slot: Slot) -> bool {
        self.cells
            .get(usize::try_from(slot.0).unwrap_or(usize::MAX))
            .is_none_or(|cell| cell.xid() > 0 || cell.poll() > 0)
    }

    /// A poll tells of a change by a transaction.
    pub(super) fn touch(&self, tag: &str, xid: u64, poll: u64) {
        if tag == EVERYTHING {
            self.touch_all(xid, poll);
        } else if let Some(cell) = self.cell(self.of_written(tag)) {
            cell.touch(xid, poll);
        }
    }

    /// Anything may have changed, by transactions up to this one.
    pub(super) fn touch_all(&self, xid: u64, poll: u64) {
        self.all.touch(xid, poll);
    }

    /// Forgets all transactions, because their numbers mean nothing any more. Polls stay. Nothing may be
    /// admitted by them meanwhile: see `Coherence::follow`.
    pub(super) fn forget_transactions(&self) {
        for cell in self.cells.iter().chain([&self.all]) {
            cell.xid.store(0, Ordering::Relaxed);
        }
    }

    /// The last poll that told of a change that this slot is about.
    pub(super) fn poll(&self, slot: Slot) -> u64 {
        let own = self.cell(slot).map_or(u64::MAX, Cell::poll);
        own.max(self.all.poll())
    }

    /// The highest transaction that is known to have changed what this slot is about.
    pub(super) fn xid(&self, slot: Slot) -> u64 {
        let own = self.cell(slot).map_or(u64::MAX, Cell::xid);
        own.max(self.all.xid())
    }

    /// What was told of this slot, and of everything: each by its highest transaction and its last poll.
    pub(super) fn told(&self, slot: Slot) -> [(u64, u64); 2] {
        let of = |cell: &Cell| {
            // In this order, as a touch writes the poll last.
            let poll = cell.poll();
            (cell.xid(), poll)
        };
        let own = self.cell(slot).map_or((u64::MAX, u64::MAX), of);
        [own, of(&self.all)]
    }

    /// Every slot that was given out is there; a slot of another, larger table may not be.
    fn cell(&self, slot: Slot) -> Option<&Cell> {
        self.cells.get(usize::try_from(slot.0).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLL: u64 = 7;

    #[test]
    fn a_touch_is_seen_at_the_tag_and_everything_at_every_tag() {
        let slots = Slots::new(1 << 16);
        let alice = slots.of(Tag::User("alice"));
        let bob = slots.of(Tag::User("bob"));
        slots.touch("user:alice", 1, POLL);
        assert_eq!(slots.poll(alice), POLL);
        assert!(bob == alice || slots.poll(bob) == 0);
        slots.touch("*", 1, POLL + 1);
        assert_eq!(slots.poll(bob), POLL + 1);
        slots.touch("user:alice", 1, POLL);
        assert_eq!(
            slots.poll(alice),
            POLL + 1,
            "an older poll takes nothing back"
        );
        slots.touch("user:alice", 9, 0);
        assert_eq!((slots.xid(alice), slots.poll(alice)), (9, POLL + 1));
        slots.touch("user:alice", 8, 0);
        assert_eq!(slots.xid(alice), 9, "nor an older transaction");
        assert!(bob == alice || slots.xid(bob) == 1);
        slots.forget_transactions();
        assert_eq!((slots.xid(alice), slots.poll(alice)), (0, POLL + 1));
    }

    #[test]
    fn one_slot_is_every_tags_slot_and_a_foreign_slot_is_always_touched() {
        let one = Slots::new(0);
        one.touch("credential:token:t", 1, POLL);
        assert_eq!(one.poll(one.of(Tag::Project("p"))), POLL);
        assert_eq!(one.poll(Slot(1)), u64::MAX);
        assert_eq!(one.xid(Slot(1)), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_tag_by_its_parts_is_the_tag_as_it_is_written(first in ".{0,40}", second in ".{0,40}") {
            let slots = Slots::new(MOST_SLOTS >> 8);
            for tag in [
                Tag::User(&first), Tag::Member { team: &first, user: &second }, Tag::Project(&first),
                Tag::Resource { kind: &first, id: &second }, Tag::Key(&first), Tag::Session(&first),
                Tag::Token(&first), Tag::Credentials(&first), Tag::Everybody,
            ] {
                prop_assert_eq!(slots.of(tag), slots.of_written(&tag.to_string()));
            }
        }
    }
}
