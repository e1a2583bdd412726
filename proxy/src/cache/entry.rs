//! One row as it is kept.
//!
//! Promise: an entry counts until its time is up or a poll tells of a change of its tag, whichever
//! comes first, and never again after. Its time counts from when it was kept and is never
//! extended. That a row was not there is kept like a row.
//!
//! Does not: look at a membership's end, which is wall-clock time: the policy judges it at every
//! decision.

use std::sync::Arc;
use std::time::Duration;

use crate::coherence::{BootTime, Reading, Slot, Version};

/// A row, or that there is none, and what it takes to tell whether that still counts.
#[derive(Debug)]
pub(super) struct Entry<R> {
    /// The row.
    pub(super) row: Option<Arc<R>>,
    /// Of the statement that read it.
    pub(super) version: Version,
    /// Where its tag is noted.
    pub(super) slot: Slot,
    /// What key and entry weigh, in bytes; a weight may not change while it is kept.
    pub(super) weight: u32,
    /// For how long it is kept, in milliseconds: so long before `until` it was.
    pub(super) life: u32,
    /// From here on it does not count.
    pub(super) until: BootTime,
}

/// Whether an entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It does.
    Good,
    /// Its time is up.
    Expired,
    /// What it says has changed, or may have.
    Touched,
}

impl<R> Entry<R> {
    /// Whether it counts for a reading, at this instant.
    pub(super) fn state(&self, reading: &Reading<'_>, now: BootTime) -> State {
        if !reading.untouched(&self.version, self.slot) {
            State::Touched
        } else if now >= self.until {
            State::Expired
        } else {
            State::Good
        }
    }

    /// How long ago it was kept, in milliseconds.
    pub(super) fn age(&self, now: BootTime) -> u64 {
        let left = self.until.since(now).as_millis();
        u64::from(self.life).saturating_sub(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

// Derived, it would ask for `R: Clone`.
impl<R> Clone for Entry<R> {
    fn clone(&self) -> Self {
        Self {
            row: self.row.as_ref().map(Arc::clone),
            version: self.version,
            slot: self.slot,
            weight: self.weight,
            life: self.life,
            until: self.until,
        }
    }
}

/// The end of an entry's time: up to a tenth early, so that what was kept together is not asked for
/// again together. Never late: a lifetime is a bound.
pub(super) fn until(now: BootTime, ttl: Duration) -> BootTime {
    now.after(ttl.saturating_sub(early(now, ttl)))
}

/// By how much a lifetime that begins now ends early.
pub(super) fn early(now: BootTime, ttl: Duration) -> Duration {
    (ttl / 10).mul_f64(fraction(now.nanos()))
}

/// A number of 0..1 that two near instants do not share: the finalizer of splitmix64.
#[expect(
    clippy::cast_precision_loss,
    reason = "24 of its bits, which a float holds"
)]
fn fraction(seed: u64) -> f64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits >> 40) as f64 / (1_u64 << 24) as f64
}
