//! What came of questions, counted.
//!
//! Promise: counting is one addition. A question is counted once, however many have asked it; one that was
//! spared is counted for each of them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Introspection;
use crate::metrics::{Definition, Label, Needs, Scrape};

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The token is good.
    Active,
    /// It is not.
    Inactive,
    /// It is active and not good here: another audience, type, time or subject.
    Unfit,
    /// The issuer did not answer.
    Failed,
    /// It did not understand the question.
    Unclear,
    /// It was not asked: too many questions were under way.
    Busy,
    /// It was not asked, because it has not answered before.
    Open,
    /// It was not asked, because it has refused the token a moment ago.
    Remembered,
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Active,
        Self::Inactive,
        Self::Unfit,
        Self::Failed,
        Self::Unclear,
        Self::Busy,
        Self::Open,
        Self::Remembered,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Unfit => "unfit",
            Self::Failed => "failed",
            Self::Unclear => "unclear",
            Self::Busy => "busy",
            Self::Open => "open",
            Self::Remembered => "remembered",
        }
    }
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Tokens that counted by their key alone.
    local: AtomicU64,
}

impl Tally {
    pub(super) fn add(&self, outcome: Outcome) {
        let counts = Outcome::ALL.iter().zip(&self.outcomes);
        for (_, count) in counts.filter(|(known, _)| **known == outcome) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn fell_back(&self) {
        self.local.fetch_add(1, Ordering::Relaxed);
    }
}

const ISSUER: Label = Label::configured("issuer", "`issuers[].issuer`");

static QUESTIONS: Definition = Definition::counter(
    "sidegate_introspections_total",
    "Questions to an issuer about a token, by what came of them or why they were spared",
)
.by(&[
    ISSUER,
    Label::closed("result", || Outcome::ALL.map(Outcome::name).into()),
])
.needing(Needs::Introspection);
static FALLBACKS: Definition = Definition::counter(
    "sidegate_introspection_fallbacks_total",
    "Requests whose token counted by its key alone, because its issuer could not be asked",
)
.by(&[ISSUER])
.needing(Needs::Introspection);
static IN_FLIGHT: Definition = Definition::gauge(
    "sidegate_introspection_in_flight",
    "Questions to an issuer that are under way",
)
.by(&[ISSUER])
.needing(Needs::Introspection);
static REFUSED: Definition = Definition::gauge(
    "sidegate_introspection_refused",
    "Tokens whose refusal is remembered",
)
.by(&[ISSUER])
.needing(Needs::Introspection);

/// What is told of issuers that are asked.
pub(in crate::authn) static METRICS: [&Definition; 4] =
    [&QUESTIONS, &FALLBACKS, &IN_FLIGHT, &REFUSED];

/// Read when somebody scrapes.
pub(in crate::authn) fn gather<'a>(
    all: impl Iterator<Item = &'a Introspection>,
    scrape: &mut Scrape,
) {
    for introspection in all {
        let provider = &introspection.provider;
        let issuer = provider.issuer();
        let tally = provider.tally();
        for (outcome, count) in Outcome::ALL.iter().zip(&tally.outcomes) {
            let count = count.load(Ordering::Relaxed);
            scrape.add(&QUESTIONS, &[issuer, outcome.name()], count);
        }
        let local = tally.local.load(Ordering::Relaxed);
        scrape.add(&FALLBACKS, &[issuer], local);
        scrape.add(&IN_FLIGHT, &[issuer], provider.in_flight());
        scrape.add(&REFUSED, &[issuer], introspection.refusals());
        provider.gather_breaker(scrape);
    }
}
