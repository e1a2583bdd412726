//! How the storage was asked.

use std::sync::atomic::{AtomicU64, Ordering};

use super::StorageError;
use crate::metrics::{Definition, Label, Needs, Scrape};

/// What became of an object that was not in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The storage has signed a URL.
    Signed,
    /// It has not.
    Failed(StorageError),
    /// It was not asked: too many questions were under way.
    Busy,
    /// It was not asked: it had failed too often.
    LeftAlone,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    asked: [AtomicU64; Asked::ALL.len()],
    from_memory: AtomicU64,
}

impl Asked {
    /// Every end.
    const ALL: [Self; 8] = [
        Self::Signed,
        Self::Failed(StorageError::Unavailable),
        Self::Failed(StorageError::TimedOut),
        Self::Failed(StorageError::Refused),
        Self::Failed(StorageError::Missing),
        Self::Failed(StorageError::Malformed),
        Self::Busy,
        Self::LeftAlone,
    ];

    /// The label of the metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Failed(StorageError::Unavailable) => "unavailable",
            Self::Failed(StorageError::TimedOut) => "timed_out",
            Self::Failed(StorageError::Refused) => "refused",
            Self::Failed(StorageError::Missing) => "missing",
            Self::Failed(StorageError::Malformed) => "malformed",
            Self::Busy => "busy",
            Self::LeftAlone => "left_alone",
        }
    }
}

impl Tally {
    pub(super) fn asked(&self, end: Asked) {
        let counters = Asked::ALL.iter().zip(&self.asked);
        for (_, counter) in counters.filter(|(known, _)| **known == end) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn hit(&self) {
        self.from_memory.fetch_add(1, Ordering::Relaxed);
    }

    /// Read when somebody scrapes.
    pub(super) fn gather(&self, bytes: u64, scrape: &mut Scrape) {
        for (end, count) in Asked::ALL.iter().zip(&self.asked) {
            scrape.add(&QUESTIONS, &[end.name()], count.load(Ordering::Relaxed));
        }
        scrape.add(&HITS, &[], self.from_memory.load(Ordering::Relaxed));
        scrape.add(&BYTES, &[], bytes);
    }
}

static QUESTIONS: Definition = Definition::counter(
    "sidegate_storage_questions_total",
    "Objects whose URL was not in memory, by what the storage said",
)
.by(&[Label::closed("result", || {
    Asked::ALL.map(Asked::name).into()
})])
.needing(Needs::Storage);
static HITS: Definition = Definition::counter(
    "sidegate_media_hits_total",
    "Permitted requests that were sent to a URL in memory",
)
.needing(Needs::Storage);
static BYTES: Definition =
    Definition::gauge("sidegate_media_bytes", "What the URLs in memory weigh")
        .needing(Needs::Storage);

/// What is told of media.
pub(crate) static METRICS: [&Definition; 3] = [&QUESTIONS, &HITS, &BYTES];
