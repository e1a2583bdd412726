//! How links were used, and how many were made.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::LinkError;

/// How a link that was presented has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// It speaks for its subject, who may then be allowed or not.
    Good,
    /// It is not good.
    Bad(LinkError),
    /// It came beside another credential.
    Doubled,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ends: [AtomicU64; LinkEnd::ALL.len()],
    minted: AtomicU64,
}

impl LinkEnd {
    /// Every end.
    const ALL: [Self; 8] = [
        Self::Good,
        Self::Bad(LinkError::Parameters),
        Self::Bad(LinkError::Malformed),
        Self::Bad(LinkError::NotYetValid),
        Self::Bad(LinkError::Expired),
        Self::Bad(LinkError::Lifetime),
        Self::Bad(LinkError::Signature),
        Self::Doubled,
    ];

    /// The label of the metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad(LinkError::Parameters) => "parameters",
            Self::Bad(LinkError::Malformed) => "malformed",
            Self::Bad(LinkError::NotYetValid) => "not_yet_valid",
            Self::Bad(LinkError::Expired) => "expired",
            Self::Bad(LinkError::Lifetime) => "lifetime",
            Self::Bad(LinkError::Signature) => "signature",
            Self::Doubled => "doubled",
        }
    }
}

impl Tally {
    pub(super) fn count(&self, end: LinkEnd) {
        let counters = LinkEnd::ALL.iter().zip(&self.ends);
        for (_, counter) in counters.filter(|(known, _)| **known == end) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn minted(&self) {
        self.minted.fetch_add(1, Ordering::Relaxed);
    }

    /// As metrics, read when somebody scrapes.
    pub(super) fn gather(&self) -> Result<Vec<MetricFamily>, prometheus::Error> {
        let registry = Registry::new();
        let help = "Links that were presented, by what they were; a good one may still be refused";
        let links = IntGaugeVec::new(Opts::new("sidegate_links", help), &["result"])?;
        registry.register(Box::new(links.clone()))?;
        let number =
            |count: &AtomicU64| i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        for (end, count) in LinkEnd::ALL.iter().zip(&self.ends) {
            links.with_label_values(&[end.name()]).set(number(count));
        }
        let help = "Links that this process has made";
        let minted = IntGauge::new("sidegate_links_minted", help)?;
        minted.set(number(&self.minted));
        registry.register(Box::new(minted))?;
        Ok(registry.gather())
    }
}
