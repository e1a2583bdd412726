//! What became of spans.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::{Definition, Label, Needs, Scrape};

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

    /// Read when somebody scrapes.
    pub(super) fn gather(&self, scrape: &mut Scrape) {
        for end in SpanEnd::ALL {
            scrape.add(&SPANS, &[end.name()], self.count(end));
        }
    }
}

static SPANS: Definition = Definition::counter(
    "sidegate_spans_total",
    "Spans of sampled requests, by what became of them",
)
.by(&[Label::closed("result", || {
    SpanEnd::ALL.map(SpanEnd::name).into()
})])
.needing(Needs::Tracing);

/// What is told of traces.
pub(crate) static METRICS: [&Definition; 1] = [&SPANS];
