//! What a request knows of the changes, and what a cached row has to say for itself.

use std::fmt;
use std::time::Duration;

use super::{BootTime, Coherence, Ground, Moment, Slot};

/// B: what was revoked for longer than this is never allowed again out of a cache (R1).
pub const BOUND: Duration = Duration::from_secs(1);

/// So much earlier nobody is let in any more: a request that is let in at the last moment could not be answered
/// within the bound, and would be cut off instead of refused.
pub(super) const MARGIN: Duration = Duration::from_millis(50);

/// What was known when it was loaded. Loaded once per decision and before anything else.
#[derive(Clone, Copy)]
pub struct Reading<'c> {
    coherence: &'c Coherence,
    /// The last poll that was applied.
    applied: u64,
    /// When it, or a later one that was applied too, was started.
    start: BootTime,
}

/// What was known before the query of a fill was sent.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Before {
    applied: u64,
    flushes: u64,
}

/// What is kept with every row: since when changes have to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The last poll that was applied before the query was sent.
    applied: u64,
    /// The last poll that was started when the answer was there.
    read: u64,
    /// Which statement it was: the rows of one were true at one instant.
    fill: u64,
}

impl<'c> Reading<'c> {
    pub(super) const fn new(coherence: &'c Coherence, applied: u64, start: BootTime) -> Self {
        Self {
            coherence,
            applied,
            start,
        }
    }

    pub(super) const fn applied(&self) -> u64 {
        self.applied
    }

    /// Whether the fact in this slot is as it was read (R2'): no poll later than the last one that was
    /// applied before its query was sent has told of a change of it, or of everything.
    ///
    /// Why that is enough: a change that the query did not see was not seen by that poll either, so a
    /// later poll tells of it, and touches the slot before it publishes its lease. A change that the
    /// query did see may be told as well; then the row is read again without need.
    #[must_use]
    pub fn untouched(&self, version: &Version, slot: Slot) -> bool {
        #[cfg(feature = "fault-injection")]
        if self.coherence.faults.without(super::fault::Rule::Use) {
            return true;
        }
        self.coherence.slots.poll(slot) <= version.applied
    }

    /// Whether nothing that a decision rests on has been touched since it was made.
    ///
    /// Why that is enough: all polls up to the ground's own were looked at when its rows were, and any
    /// change that those did not tell of is told by a later one.
    #[must_use]
    pub fn upholds(&self, ground: &Ground) -> bool {
        #[cfg(feature = "fault-injection")]
        if self.coherence.faults.without(super::fault::Rule::Use) {
            return true;
        }
        let slots = ground.slots();
        slots
            .map(|slot| self.coherence.slots.poll(slot))
            .all(|poll| poll <= ground.applied())
    }

    /// Whether rows that are untouched were all true at one instant: they are of one statement, or a
    /// poll that began after the last of them was read has been applied. They were true at its snapshot:
    /// it is later than each of theirs, and no change in between was told.
    #[must_use]
    pub fn combines<'v>(&self, versions: impl IntoIterator<Item = &'v Version>) -> bool {
        let mut versions = versions.into_iter();
        let Some(first) = versions.next() else {
            return true;
        };
        let (mut one_fill, mut read) = (true, first.read);
        for version in versions {
            one_fill &= version.fill == first.fill;
            read = read.max(version.read);
        }
        one_fill || self.applied > read
    }

    /// Whether the reading is good for an answer at this instant. The clock is to be read last, after
    /// all slots (R1): whatever held up this thread on the way, a stopped process or a busy machine, then
    /// counts against the lease.
    ///
    /// Why that is enough: a request that arrives a bound after a commit was acknowledged reads a clock
    /// later than that, so a lease that is live began after the acknowledgement. Its poll saw the commit
    /// or came after one that did, and was published only with all its touches.
    #[must_use]
    pub fn is_live(&self, now: BootTime) -> bool {
        #[cfg(feature = "fault-injection")]
        if self.coherence.faults.without(super::fault::Rule::Lease) {
            return true;
        }
        self.is_within(BOUND, now)
    }

    /// Whether it is good for an answer that may be so old, and has yet to pass.
    #[must_use]
    pub fn is_within(&self, at_most: Duration, now: BootTime) -> bool {
        self.age(now).saturating_add(MARGIN) <= at_most
    }

    /// How old the reading is at an instant.
    #[must_use]
    pub const fn age(&self, now: BootTime) -> Duration {
        now.since(self.start)
    }

    /// What an answer from memory that was looked up under this reading rests on.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        Moment::of(self.start, self.applied)
    }

    /// When its poll was started.
    #[must_use]
    pub const fn start(&self) -> BootTime {
        self.start
    }

    /// Whether its poll began after an instant (R5): it saw whatever was committed by then.
    #[must_use]
    pub fn began_after(&self, instant: BootTime) -> bool {
        self.start > instant
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("applied", &self.applied)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

impl Before {
    pub(super) const fn new(applied: u64, flushes: u64) -> Self {
        Self { applied, flushes }
    }

    pub(super) const fn applied(self) -> u64 {
        self.applied
    }

    pub(super) const fn flushes(self) -> u64 {
        self.flushes
    }
}

impl Version {
    pub(super) const fn new(applied: u64, read: u64, fill: u64) -> Self {
        Self {
            applied,
            read,
            fill,
        }
    }
}
