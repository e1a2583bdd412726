//! The cache of one class of rows.
//!
//! Promise: at most so many bytes, its table and the rows' texts included (measured with mimalloc,
//! all classes full: the bound, less a twentieth, and 12 MiB); a look-up allocates nothing and holds
//! its lock for the look-up alone. What is asked for often outlives what was asked for once. Rows
//! that do not count any more stay until they are read again or pushed out.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, Weighter};
use sidegate_config::ClassSettings;

use super::age::{AgeTally, Ages};
use super::entry::{Entry, State, until};
use super::weight::Heap;
use crate::coherence::{BootTime, Reading, Slot, Version};

/// How a class is doing. Counts are since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassStats {
    /// Rows, and absences of rows, that are kept.
    pub entries: u64,
    /// What they weigh, in bytes.
    pub bytes: u64,
    /// What they may weigh, in bytes.
    pub capacity: u64,
    /// Rows, and absences of rows, that were kept so far.
    pub fills: u64,
    /// Those that were pushed out to make room.
    pub evictions: u64,
    /// Look-ups that found what counts.
    pub hits: u64,
    /// The same by age.
    pub ages: Ages,
    /// Look-ups that found nothing.
    pub absent: u64,
    /// Look-ups that found what was too old.
    pub expired: u64,
    /// Look-ups that found what has changed since, or may have.
    pub touched: u64,
}

impl ClassStats {
    /// Look-ups that found nothing that counts.
    #[must_use]
    pub const fn misses(&self) -> u64 {
        self.absent + self.expired + self.touched
    }
}

/// One class.
pub(super) struct Class<K, R> {
    entries: Cache<K, Entry<R>, Weight, DefaultHashBuilder, Evictions>,
    evictions: Evictions,
    ttl: Duration,
    negative_ttl: Duration,
    tally: Tally,
}

/// What is kept with a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// Of the statement that read it.
    pub(super) version: Version,
    /// Where its tag is noted.
    pub(super) slot: Slot,
    /// When it is kept.
    pub(super) now: BootTime,
}

/// On a line of the processor's cache of its own, away from the tables that every look-up reads.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Tally {
    /// Hits, by age.
    ages: AgeTally,
    fills: AtomicU64,
    absent: AtomicU64,
    expired: AtomicU64,
    touched: AtomicU64,
}

impl<K: Eq + Hash + Heap, R: Heap> Class<K, R> {
    /// Of at most so many bytes; that a row is not there is kept for `negative_ttl`, which may be
    /// zero.
    pub(super) fn new(bytes: u64, settings: &ClassSettings, negative_ttl: Duration) -> Self {
        let typical = Self::TABLE.saturating_add(TYPICAL_HEAP);
        let typical = typical.saturating_add(typical / SPREAD);
        let estimate = usize::try_from(bytes).unwrap_or(usize::MAX) / typical;
        let (hasher, evictions) = (DefaultHashBuilder::default(), Evictions::default());
        let entries = Cache::with(estimate.max(1), bytes, Weight, hasher, evictions.clone());
        Self {
            entries,
            evictions,
            ttl: settings.ttl,
            negative_ttl,
            tally: Tally::default(),
        }
    }

    /// What the table needs for one entry: its place, half a place more for the keys that were
    /// pushed out and are remembered for a while, and its share of the index.
    const TABLE: usize = {
        let place = size_of::<K>() + size_of::<Entry<R>>() + LINKS;
        place + place / 2 + INDEX
    };

    /// What is kept under a key, if it counts.
    pub(super) fn get<Q>(&self, key: &Q, reading: &Reading<'_>, now: BootTime) -> Option<Entry<R>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let found = self.entries.get(key);
        let state = found.as_ref().map(|entry| entry.state(reading, now));
        let count = match (&found, state) {
            (Some(entry), Some(State::Good)) => {
                self.tally.ages.hit(entry.age(now));
                return found;
            }
            (_, Some(State::Expired)) => &self.tally.expired,
            (_, Some(State::Touched)) => &self.tally.touched,
            (_, Some(State::Good) | None) => &self.tally.absent,
        };
        count.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// What was kept last under a key, whether it counts or not. Counts as no look-up.
    pub(super) fn last<Q>(&self, key: &Q) -> Option<Entry<R>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.entries.peek(key)
    }

    /// Keeps a row, or that there is none, instead of what was kept under the key.
    pub(super) fn keep(&self, key: K, row: Option<Arc<R>>, origin: Origin) {
        let ttl = if row.is_some() {
            self.ttl
        } else {
            self.negative_ttl
        };
        if ttl.is_zero() {
            return;
        }
        let weight = Self::TABLE
            .saturating_add(key.heap())
            .saturating_add(row.heap());
        let weight = weight.saturating_add(weight / SPREAD);
        // What weighs more than 4 GiB fits nowhere, and this size neither.
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let until = until(origin.now, ttl);
        let life = until.since(origin.now).as_millis();
        let entry = Entry {
            row,
            version: origin.version,
            slot: origin.slot,
            weight,
            life: u32::try_from(life).unwrap_or(u32::MAX),
            until,
        };
        self.tally.fills.fetch_add(1, Ordering::Relaxed);
        self.entries.insert(key, entry);
    }

    /// How it is doing. Takes every lock of the cache, one after the other.
    pub(super) fn stats(&self) -> ClassStats {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let ages = self.tally.ages.read();
        ClassStats {
            entries: u64::try_from(self.entries.len()).unwrap_or(u64::MAX),
            bytes: self.entries.weight(),
            capacity: self.entries.capacity(),
            fills: count(&self.tally.fills),
            evictions: count(&self.evictions.0),
            hits: ages.hits(),
            ages,
            absent: count(&self.tally.absent),
            expired: count(&self.tally.expired),
            touched: count(&self.tally.touched),
        }
    }
}

impl<K, R> fmt::Debug for Class<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Class")
            .field("ttl", &self.ttl)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

/// Counts what is pushed out. `on_evict` would also be told of what is replaced under its own key.
#[derive(Debug, Clone, Default)]
struct Evictions(Arc<AtomicU64>);

impl<K, R> Lifecycle<K, Entry<R>> for Evictions {
    type RequestState = ();

    fn before_evict(&self, (): &mut (), _key: &K, _entry: &mut Entry<R>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// As the entry says.
#[derive(Debug, Clone)]
struct Weight;

impl<K, R> Weighter<K, Entry<R>> for Weight {
    fn weight(&self, _key: &K, entry: &Entry<R>) -> u64 {
        u64::from(entry.weight)
    }
}

/// Beside key and entry: the list's links, and how often it was asked for.
const LINKS: usize = 16;

/// The index of the cache: five bytes a place, between 7/16 and 7/8 full, with the remembered keys.
const INDEX: usize = 16;

/// One part in so many on top: what lies idle between blocks and in tables that have just grown.
/// Measured with mimalloc at 200 MiB of the example's rows, pushed out and kept again many times.
const SPREAD: usize = 8;

/// The texts of a row and its key in the example. Only the size of the cache's parts and how many
/// keys are remembered depend on it.
const TYPICAL_HEAP: usize = 192;
