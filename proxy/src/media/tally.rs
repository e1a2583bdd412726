//! How the storage was asked.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::StorageError;

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

    /// As metrics, read when somebody scrapes.
    pub(super) fn gather(
        &self,
        closed: bool,
        bytes: u64,
    ) -> Result<Vec<MetricFamily>, prometheus::Error> {
        let registry = Registry::new();
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let help = "Objects whose URL was not in memory, by what the storage said";
        let asked = IntGaugeVec::new(Opts::new("sidegate_storage_questions", help), &["result"])?;
        registry.register(Box::new(asked.clone()))?;
        for (end, count) in Asked::ALL.iter().zip(&self.asked) {
            asked
                .with_label_values(&[end.name()])
                .set(number(load(count)));
        }
        for (name, help, value) in [
            (
                "sidegate_storage_in_use",
                "1 while the storage is asked, 0 while it is left alone because it has failed",
                u64::from(closed),
            ),
            (
                "sidegate_media_hits",
                "Permitted requests that were sent to a URL in memory",
                load(&self.from_memory),
            ),
            (
                "sidegate_media_bytes",
                "What the URLs in memory weigh",
                bytes,
            ),
        ] {
            let gauge = IntGauge::new(name, help)?;
            gauge.set(number(value));
            registry.register(Box::new(gauge))?;
        }
        Ok(registry.gather())
    }
}
