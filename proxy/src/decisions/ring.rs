//! Records in the order in which they came, the oldest of which make room.
//!
//! Promise: writers of several threads take different places, so none of them waits; nobody waits for somebody who
//! reads. Memory is taken when it is made.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use uuid::Uuid;

use super::Record;
use crate::coherence::BootTime;

/// A ring. On a line of its own: every request writes to one.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Ring {
    next: AtomicU64,
    places: Box<[Mutex<Option<Record>>]>,
}

impl Ring {
    /// With room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            next: AtomicU64::new(0),
            places: (0..most).map(|_| Mutex::new(None)).collect(),
        }
    }

    /// How many there may be.
    pub(super) const fn most(&self) -> usize {
        self.places.len()
    }

    /// Keeps a record, in place of the oldest. `false`: somebody looks at that place.
    pub(super) fn push(&self, record: Record) -> bool {
        let most = u64::try_from(self.places.len()).unwrap_or(u64::MAX);
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let at = next
            .checked_rem(most)
            .and_then(|at| usize::try_from(at).ok());
        let Some(place) = at.and_then(|at| self.places.get(at)) else {
            // There is no room at all.
            return true;
        };
        let Some(mut place) = place.try_lock() else {
            return false;
        };
        let former = place.replace(record);
        drop(place);
        // Nobody has to wait while its rows are freed.
        drop(former);
        true
    }

    /// The record of this id.
    pub(super) fn find(&self, id: Uuid) -> Option<Record> {
        self.places.iter().find_map(|place| {
            let record = place.lock();
            record.as_ref().filter(|record| record.id == id).cloned()
        })
    }

    /// How many there are, and when the oldest of them ended.
    pub(super) fn reach(&self) -> (usize, Option<BootTime>) {
        let ended = self
            .places
            .iter()
            .filter_map(|place| Some(place.lock().as_ref()?.timeline.ended()));
        ended.fold((0, None), |(kept, since), ended| {
            (
                kept + 1,
                Some(since.map_or(ended, |since: BootTime| since.min(ended))),
            )
        })
    }
}

#[cfg(test)]
impl Ring {
    /// Does something while somebody looks at every place.
    pub(super) fn looked_at<T>(&self, work: impl FnOnce() -> T) -> T {
        let _looking: Vec<_> = self.places.iter().map(Mutex::lock).collect();
        work()
    }
}
