//! URLs that the storage has signed (class `gen_media` of the caches).
//!
//! Promise: one is found only for the resource and the object it was signed for, and until the time that it
//! was kept for has passed. Memory is bounded in bytes. Nothing here says that anybody may have it.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sidegate_policy::Id;

use crate::coherence::BootTime;

/// What was signed for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The resource's kind.
    pub(super) kind: Box<str>,
    /// The resource's id.
    pub(super) id: Id,
    /// Bucket and object.
    pub(super) object: Box<str>,
}

/// A URL that was signed.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) location: HeaderValue,
    until: BootTime,
}

/// The cache.
pub(super) struct Kept {
    /// `None`: none are kept.
    entries: Option<Cache<Key, Entry, Weight>>,
    bytes: u64,
    ttl: Duration,
}

impl Kept {
    /// Of at most so many bytes; 0 keeps none.
    pub(super) fn new(bytes: u64, ttl: Duration) -> Self {
        let entries = usize::try_from(bytes).unwrap_or(usize::MAX) / TYPICAL;
        let cache = || Cache::with_weighter(entries.max(1), bytes, Weight);
        Self {
            entries: (bytes > 0).then(cache),
            bytes,
            ttl,
        }
    }

    /// Whether it has these bounds.
    pub(super) fn is(&self, bytes: u64, ttl: Duration) -> bool {
        self.bytes == bytes && self.ttl == ttl
    }

    pub(super) fn find(&self, key: &Key, now: BootTime) -> Option<Entry> {
        let entry = self.entries.as_ref()?.get(key)?;
        (now < entry.until).then_some(entry)
    }

    /// Keeps a URL whose life began when it was asked for.
    pub(super) fn keep(&self, key: Key, location: HeaderValue, asked: BootTime) -> Entry {
        let entry = Entry {
            location,
            until: asked.after(self.ttl),
        };
        if let Some(entries) = &self.entries {
            entries.insert(key, entry.clone());
        }
        entry
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.as_ref().map_or(0, Cache::weight)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("bytes", &self.bytes())
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// Keys, entries and what they point to.
#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        let texts = key.kind.len() + key.id.as_str().len() + key.object.len();
        u64::try_from(PLACE + texts + entry.location.len()).unwrap_or(u64::MAX)
    }
}

/// An entry's place in the cache, half a place for one that was pushed out and is remembered, the index,
/// and what an allocation costs beside its bytes, four times.
const PLACE: usize = (size_of::<Key>() + size_of::<Entry>() + 16) * 3 / 2 + 16 + 4 * 32;
/// A signed URL is some hundred bytes long; only how many are remembered depends on it.
const TYPICAL: usize = PLACE + 600;
