//! Why a revoked right cannot come back out of a cache (DESIGN §5): what changed in the database, and
//! how much of it is known.
//!
//! Promise: an answer out of a cache is at most [`BOUND`] older than the database, whatever happens to
//! the network, the database or this process. A value counts only if a [`Reading`] says so three times:
//! its tags are [untouched](Reading::untouched), rows of different statements
//! [combine](Reading::combines), and the reading [is live](Reading::is_live).
//!
//! Does not: hold what is cached, or decide what to do without a reading. Who keeps a value calls
//! [`Coherence::begin`] before its query is sent and [`Coherence::admit`] when the answer is there.
//!
//! `feed` decides what an answer of the database means, `run` asks for it, `edits` stands in for both where
//! the store is a file; [`Shared`] is about values that this process has not read itself; this file and
//! `reading` are what requests see. The order of loads and stores that all of it rests on:
//!
//! | the feed, for each poll       | a fill                        | a request                          |
//! |-------------------------------|-------------------------------|------------------------------------|
//! | 1 takes a number              | 1 loads the last applied one  | 1 loads the lease                  |
//! | 2 reads the clock             | 2 sends its query             | 2 loads the slots of all its tags  |
//! | 3 sends its query             | 3 has the answer              | 3 reads the clock                  |
//! | 4 touches slots               | 4 loads the last number taken | 4 compares it with the lease of 1  |
//! | 5 publishes lease and number  |                               |                                    |

mod boot_time;
pub mod canary;
mod doorbell;
mod edits;
mod effect;
mod examination;
mod feed;
mod fresh;
mod gate;
pub mod gauges;
mod ground;
mod last_told;
mod link;
mod load;
mod loader;
mod poll;
mod reading;
mod register;
mod run;
mod shared;
mod slots;
mod snapshot;
mod tag;
mod tally;

#[cfg(feature = "fault-injection")]
mod fault;

/// Whether values need not be sealed.
#[cfg(feature = "fault-injection")]
pub(crate) fn is_without_mac() -> bool {
    fault::Faults::read(&sidegate_config::ProcessEnv).without(fault::Rule::Mac)
}

/// Whether requests that last need not be looked at: by a lease that never ends they are good for ever, too, and
/// what was decided on by it would wait for one that is.
#[cfg(feature = "fault-injection")]
pub(crate) fn is_without_streams() -> bool {
    static IS_WITHOUT: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        let faults = fault::Faults::read(&sidegate_config::ProcessEnv);
        faults.without(fault::Rule::Streams) || faults.without(fault::Rule::Lease)
    });
    *IS_WITHOUT
}

pub use boot_time::BootTime;
pub use edits::Edits;
pub use fresh::Stale;
pub use ground::{Ground, Moment};
pub use last_told::LastTold;
pub use link::{NamespaceError, namespace};
pub(crate) use tag::{CREDENTIAL, canonical as canonical_tag};

pub use reading::{BOUND, Before, Reading, Version};
pub use register::Register;
pub use run::{FeedSettings, FeedThread};
pub use shared::{Namespace, Outdated, PolicyDigest, Shared, Source};
pub use slots::{MOST_SLOTS, Slot};
pub use tag::Tag;
pub use tally::{Flight, Polled, Tally, Told};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::store::{History, Origin};
use canary::Canary;
use slots::Slots;

/// What is known of the changes. One for a process; the feed writes it, everybody reads it.
#[derive(Debug)]
pub struct Coherence {
    lease: Lease,
    slots: Slots,
    /// The last number that was given to a poll or a flush.
    started: AtomicU64,
    /// The last number that was given to a fill.
    fills: AtomicU64,
    /// How often everything that was kept became void.
    flushes: AtomicU64,
    /// The highest transaction that is known to have changed anything.
    changed: AtomicU64,
    /// When the last round of polls that failed began; 0: none has.
    failed: AtomicU64,
    /// Which life of the database the feed follows.
    history: ArcSwapOption<History>,
    /// Under which conditions values of others count; `None`: under none.
    shared: ArcSwapOption<Shared>,
    /// What is known of credentials.
    register: Register,
    /// What the feed measures, and by which change of nothing it measures its lag.
    tally: Tally,
    canary: Canary,
    /// Why nothing may be cached; empty: it may.
    closed: Mutex<Vec<String>>,
    /// Changes with every poll that is published or fails, and when the gate closes.
    progress: watch::Sender<()>,
    /// Rung by who cannot wait for the next poll.
    bell: Arc<Notify>,
    #[cfg(feature = "fault-injection")]
    faults: fault::Faults,
}

/// What the last poll that was applied is good for. On a line of its own: every request reads it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lease {
    /// When it started; 0: closed.
    start: AtomicU64,
    /// Its number.
    applied: AtomicU64,
}

impl Coherence {
    /// Closed, with so many slots, rounded up to a power of two, at most [`MOST_SLOTS`].
    #[must_use]
    pub fn new(slots: usize) -> Self {
        #[cfg(feature = "fault-injection")]
        let faults = fault::Faults::read(&sidegate_config::ProcessEnv);
        #[cfg(feature = "fault-injection")]
        let slots = faults.slots().unwrap_or(slots);
        Self {
            lease: Lease::default(),
            slots: Slots::new(slots),
            started: AtomicU64::new(0),
            fills: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            history: ArcSwapOption::empty(),
            shared: ArcSwapOption::empty(),
            register: Register::default(),
            tally: Tally::new(),
            canary: Canary::new(),
            closed: Mutex::new(vec!["the change feed has not begun".to_owned()]),
            progress: watch::Sender::new(()),
            bell: Arc::new(Notify::new()),
            #[cfg(feature = "fault-injection")]
            faults,
        }
    }

    /// Where a tag is noted. Good for this `Coherence` for ever.
    #[must_use]
    pub fn slot(&self, tag: Tag<'_>) -> Slot {
        self.slots.of(tag)
    }

    /// What is known now; `None` while nothing may be answered from a cache. To be loaded once and
    /// first, before a value's tags are looked at.
    ///
    /// R1: the feed touches slots, then stores `start`, then `applied`, the latter two with release.
    /// Here they are acquired in the opposite order, so `start` is that of the poll `applied` or of a
    /// later one, and every touch of polls up to the one of `start` is seen by the loads that follow.
    /// Touches of later polls may be seen too: they only take more away.
    #[must_use]
    pub fn read(&self) -> Option<Reading<'_>> {
        let applied = self.lease.applied.load(Ordering::Acquire);
        match self.lease.start.load(Ordering::Acquire) {
            0 => None,
            start => Some(Reading::new(self, applied, BootTime::from_nanos(start))),
        }
    }

    /// To be called before the query of a fill is sent; `None` while nothing may be cached.
    ///
    /// R2': the poll it names had its answer, so its snapshot was taken before that of the query. The
    /// query sees whatever that poll saw, and what it does not see is told by a later poll.
    #[must_use]
    pub fn begin(&self) -> Option<Before> {
        // Before the lease: a flush that follows is noticed, and one that came first is in the number.
        let flushes = self.flushes.load(Ordering::Acquire);
        let reading = self.read()?;
        Some(Before::new(reading.applied(), flushes))
    }

    /// To be called when the answer of a fill has been read: what has to be kept with its rows.
    /// `None`: they must not be kept, because the answer is of another life of the database than the
    /// feed's, or because everything became void meanwhile.
    ///
    /// That a flush is noticed here saves memory only. A flush that comes a moment later touches every
    /// tag with a number above the fill's, so what is kept never counts.
    #[must_use]
    pub fn admit(&self, before: Before, origin: &Origin) -> Option<Version> {
        // A poll with a higher number than this was not begun when the answer was there: with the fence
        // in `take_number`, either that number is seen here, or its query is sent after this.
        fence(Ordering::SeqCst);
        let read = self.started.load(Ordering::SeqCst);
        if self.lease.start.load(Ordering::Acquire) == 0
            || self.flushes.load(Ordering::Acquire) != before.flushes()
            || self.is_foreign(origin)
        {
            return None;
        }
        let fill = self.fills.fetch_add(1, Ordering::Relaxed);
        Some(Version::new(before.applied(), read, fill))
    }

    /// Whether an answer is of another life of the database than the one that the feed follows (R4):
    /// then the connection that it came over must not be used again. Not known while there is none.
    #[must_use]
    pub fn is_foreign(&self, origin: &Origin) -> bool {
        #[cfg(feature = "fault-injection")]
        if self.faults.without(fault::Rule::History) {
            return false;
        }
        let followed = self.history.load();
        followed
            .as_ref()
            .is_some_and(|followed| **followed != *origin.history)
    }

    /// Makes everything void that is kept, and every fill that has begun.
    ///
    /// Its number is above that of every poll that was applied, so no value begun before it counts. Nor
    /// do values begun after it count until the next poll that starts is applied.
    pub fn flush(&self) {
        self.flush_up_to(0, self.take_number());
    }

    /// The highest transaction that is known to have changed a row that decisions are made from; 0: none is.
    #[must_use]
    pub fn last_change(&self) -> u64 {
        self.changed.load(Ordering::Relaxed)
    }

    /// How many polls were begun. Flushes take a number too, so it is that much above.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Why nothing may be cached; empty: it may. Names no row; may name tables.
    #[must_use]
    pub fn closed_because(&self) -> Vec<String> {
        self.closed.lock().clone()
    }
}

/// What the feed does.
impl Coherence {
    /// The number of a poll that is about to start, or of a flush: above every other.
    ///
    /// The fence keeps the clock and the query of the poll behind its number, as [`Self::admit`] needs.
    fn take_number(&self) -> u64 {
        let number = self
            .started
            .fetch_add(1, Ordering::SeqCst)
            .saturating_add(1);
        fence(Ordering::SeqCst);
        number
    }

    /// Everything became void, with all transactions up to `xid`.
    fn flush_up_to(&self, xid: u64, number: u64) {
        self.tally.count(Told::Everything, 1);
        self.register.forget();
        self.slots.touch_all(xid, number);
        self.changed.fetch_max(xid, Ordering::Relaxed);
        self.flushes.fetch_add(1, Ordering::Release);
    }

    /// A poll tells of a change.
    fn touch(&self, tag: &str, xid: u64, number: u64) {
        self.slots.touch(tag, xid, number);
        if tag.starts_with(tag::CANARY) {
            return;
        }
        // What is revoked is in no row of the tables.
        if !tag.starts_with(CREDENTIAL) {
            self.changed.fetch_max(xid, Ordering::Relaxed);
        }
        if let Some(canonical) = tag::canonical(tag) {
            self.slots.touch(&canonical, xid, number);
        }
    }

    /// The feed follows this life of the database. What others have read of another one does not count, and
    /// nor do its transactions, whose numbers may be higher than any of this one for a long time.
    fn follow(&self, history: Arc<History>) {
        self.shared.store(None);
        let former = self.history.swap(Some(Arc::clone(&history)));
        if former.is_none_or(|former| *former != *history) {
            // Whoever sees a slot that has forgotten sees that nothing is shared: `admit_shared` looks at the
            // conditions again after the slots, behind a fence of its own.
            fence(Ordering::SeqCst);
            self.slots.forget_transactions();
            self.tally.snapshot(None, BootTime::START);
            self.changed.store(0, Ordering::Relaxed);
        }
    }

    /// Values of others count from now on, if they are of this namespace.
    fn share(&self, shared: Arc<Shared>) {
        self.shared.store(Some(shared));
    }

    /// The poll of this number, started then, is applied whole: to be called after all its touches, by
    /// the feed's thread alone. Whether caching was closed until now.
    fn publish(&self, number: u64, start: BootTime) -> bool {
        let was_closed = self.lease.start.load(Ordering::Relaxed) == 0;
        if was_closed {
            self.closed.lock().clear();
        }
        // 0 would mean closed; the machine has been up for longer.
        self.lease
            .start
            .store(start.nanos().max(1), Ordering::Release);
        self.lease.applied.store(number, Ordering::Release);
        self.progress.send_replace(());
        was_closed
    }

    /// Nothing may be cached. Who holds a reading may finish with it: it was good when it was loaded,
    /// and its lease ends.
    fn close(&self, reasons: Vec<String>) {
        self.lease.start.store(0, Ordering::Release);
        self.shared.store(None);
        self.canary.void();
        *self.closed.lock() = reasons;
        self.progress.send_replace(());
    }

    /// A round of polls that began then has failed.
    fn fail(&self, start: BootTime) {
        self.failed.fetch_max(start.nanos(), Ordering::Release);
        self.progress.send_replace(());
    }
}

#[cfg(test)]
mod tests;
