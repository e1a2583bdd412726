//! What became of spans.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, Opts, Registry};

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanEnd {
    /// The collector has it.
    Exported,
    /// Too many were waiting: it was never sent.
    Dropped,
    /// The collector could not be reached, or did not take it.
    Failed,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; SpanEnd::ALL.len()]);

impl SpanEnd {
    /// Every end.
    pub const ALL: [Self; 3] = [Self::Exported, Self::Dropped, Self::Failed];

    /// The label of the metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

impl Tally {
    pub(super) fn add(&self, end: SpanEnd, spans: usize) {
        if let Some(count) = self.0.get(end as usize) {
            let spans = u64::try_from(spans).unwrap_or(u64::MAX);
            count.fetch_add(spans, Ordering::Relaxed);
        }
    }

    pub(super) fn count(&self, end: SpanEnd) -> u64 {
        let count = self.0.get(end as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// As metrics, read when somebody scrapes.
    pub(super) fn gather(&self) -> Result<Vec<MetricFamily>, prometheus::Error> {
        let registry = Registry::new();
        let help = "Spans of sampled requests, by what became of them";
        let spans = IntCounterVec::new(Opts::new("sidegate_spans_total", help), &["result"])?;
        registry.register(Box::new(spans.clone()))?;
        for end in SpanEnd::ALL {
            let labelled = spans.with_label_values(&[end.name()]);
            labelled.inc_by(self.count(end));
        }
        Ok(registry.gather())
    }
}
