//! What a row needs in memory, in bytes.
//!
//! Promise: never less than what the allocator sets aside for the row and its texts, each counted
//! as if nobody else held it. Rounding follows mimalloc's size classes, which are an eighth apart
//! at the least and a quarter at the most.
//!
//! A row may be shared with requests that are under way; those are few and short.

use std::sync::Arc;

use sidegate_policy::{Id, MembershipRow, ProjectRow, ResourceRow, SubjectRow};

use super::key::{MemberKey, ResourceKey};

/// What a value holds on the heap, itself not included.
pub(super) trait Heap {
    /// In bytes.
    fn heap(&self) -> usize;
}

/// The two counts before the value of an `Arc`.
const COUNTS: usize = 2 * size_of::<usize>();

/// What the allocator sets aside for so many bytes.
fn block(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 8).max(16);
    bytes.next_multiple_of(step)
}

impl Heap for str {
    fn heap(&self) -> usize {
        block(COUNTS.saturating_add(self.len()))
    }
}

impl Heap for Id {
    fn heap(&self) -> usize {
        self.as_str().heap()
    }
}

impl<R: Heap> Heap for Arc<R> {
    fn heap(&self) -> usize {
        let row: &R = self;
        block(COUNTS.saturating_add(size_of::<R>())).saturating_add(row.heap())
    }
}

impl<R: Heap> Heap for Option<R> {
    fn heap(&self) -> usize {
        self.as_ref().map_or(0, Heap::heap)
    }
}

impl Heap for SubjectRow {
    fn heap(&self) -> usize {
        let list = size_of::<Arc<str>>().saturating_mul(self.roles.len());
        let texts = self.roles.iter().map(|role| role.heap());
        texts.fold(block(COUNTS.saturating_add(list)), usize::saturating_add)
    }
}

impl Heap for ResourceRow {
    fn heap(&self) -> usize {
        let Self {
            owner,
            project,
            team,
            status,
        } = self;
        let ids = [owner, project, team].map(Heap::heap).into_iter();
        ids.fold(
            status.as_deref().map_or(0, Heap::heap),
            usize::saturating_add,
        )
    }
}

impl Heap for ProjectRow {
    fn heap(&self) -> usize {
        let Self {
            owner,
            team,
            visibility,
        } = self;
        let ids = [owner, team].map(Heap::heap).into_iter();
        let text = visibility.as_deref().map_or(0, Heap::heap);
        ids.fold(text, usize::saturating_add)
    }
}

impl Heap for MembershipRow {
    fn heap(&self) -> usize {
        self.role.heap()
    }
}

impl Heap for ResourceKey {
    /// Without the kind's name: the keys of a kind share one.
    fn heap(&self) -> usize {
        self.id.heap()
    }
}

impl Heap for MemberKey {
    fn heap(&self) -> usize {
        self.team.heap().saturating_add(self.user.heap())
    }
}
