//! How links were used, and how many were made.

use std::sync::atomic::{AtomicU64, Ordering};

use super::LinkError;
use crate::metrics::{Definition, Label, Needs, Scrape};

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

    /// Read when somebody scrapes.
    pub(super) fn gather(&self, scrape: &mut Scrape) {
        for (end, count) in LinkEnd::ALL.iter().zip(&self.ends) {
            scrape.add(&LINKS, &[end.name()], count.load(Ordering::Relaxed));
        }
        scrape.add(&MINTED, &[], self.minted.load(Ordering::Relaxed));
    }
}

static LINKS: Definition = Definition::counter(
    "sidegate_links_total",
    "Links that were presented, by what they were; a good one may still be refused",
)
.by(&[Label::closed("result", || {
    LinkEnd::ALL.map(LinkEnd::name).into()
})])
.needing(Needs::Links);
static MINTED: Definition = Definition::counter(
    "sidegate_links_minted_total",
    "Links that this process has made",
)
.needing(Needs::Links);

/// What is told of links.
pub(crate) static METRICS: [&Definition; 2] = [&LINKS, &MINTED];
