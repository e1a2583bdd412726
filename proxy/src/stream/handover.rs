//! From the gateway, which clears requests, to the guard, which forwards them.
//!
//! Promise: the guard sees a request as held from the moment at which it was cleared until it is over. Both
//! are in one task; a request costs the box that Pingora wants, and one lock that nobody else asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sidegate_config::Rules;

use super::held::Held;
use crate::coherence::BootTime;

/// No request is held.
const NEVER: u64 = u64::MAX;

/// What Pingora hands on from a connection to the context of its next request.
#[derive(Debug)]
pub struct Handed {
    /// The rules of strictness that the head's bytes break.
    pub broken: Rules,
    /// Where the request is held from when it is cleared.
    pub handover: Arc<Handover>,
}

/// Where the request of a connection is held. One for a connection.
#[derive(Debug)]
pub struct Handover {
    held: Mutex<Option<Held>>,
    /// Until then nobody has to look. Written and read by one task.
    look_at: AtomicU64,
}

impl Handover {
    /// Without a request.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            held: Mutex::new(None),
            look_at: AtomicU64::new(NEVER),
        }
    }

    /// A request was cleared: from here on it is held.
    pub fn put(&self, held: Held) {
        self.set_look_at(held.first_look());
        *self.held.lock() = Some(held);
    }

    /// The request is over.
    pub fn clear(&self) {
        self.look_at.store(NEVER, Ordering::Relaxed);
        let over = self.held.lock().take();
        drop(over);
    }

    pub(super) fn take(&self) -> Option<Held> {
        self.held.lock().take()
    }

    pub(super) fn look_at(&self) -> Option<BootTime> {
        match self.look_at.load(Ordering::Relaxed) {
            NEVER => None,
            nanos => Some(BootTime::from_nanos(nanos)),
        }
    }

    pub(super) fn set_look_at(&self, instant: BootTime) {
        let nanos = instant.nanos().min(NEVER.saturating_sub(1));
        self.look_at.store(nanos, Ordering::Relaxed);
    }
}

impl Default for Handover {
    fn default() -> Self {
        Self::new()
    }
}
