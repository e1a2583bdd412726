//! What came of questions, counted.
//!
//! Promise: counting is one addition. A question is counted once, however many have asked it; one that was
//! spared is counted for each of them.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};

use super::Introspection;

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

/// As metrics, read when somebody scrapes.
pub(in crate::authn) fn gather<'a>(
    all: impl Iterator<Item = &'a Introspection>,
) -> Result<Vec<MetricFamily>, prometheus::Error> {
    let registry = Registry::new();
    let gauge = |name, help, labels: &[&str]| {
        let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
        registry.register(Box::new(gauge.clone()))?;
        Ok::<_, prometheus::Error>(gauge)
    };
    let questions = gauge(
        "sidegate_introspections",
        "Questions to an issuer about a token, by what came of them or why they were spared",
        &["issuer", "result"],
    )?;
    let of_issuer = |name, help| gauge(name, help, &["issuer"]);
    let local = of_issuer(
        "sidegate_introspection_fallbacks",
        "Requests whose token counted by its key alone, because its issuer could not be asked",
    )?;
    let open = of_issuer(
        "sidegate_introspection_open",
        "1 while an issuer that did not answer is left alone",
    )?;
    let in_flight = of_issuer(
        "sidegate_introspection_in_flight",
        "Questions to an issuer that are under way",
    )?;
    let refused = of_issuer(
        "sidegate_introspection_refused",
        "Tokens whose refusal is remembered",
    )?;
    for introspection in all {
        let provider = &introspection.provider;
        let issuer = provider.issuer();
        let tally = provider.tally();
        for (outcome, count) in Outcome::ALL.iter().zip(&tally.outcomes) {
            let labels = [issuer, outcome.name()];
            questions
                .with_label_values(&labels)
                .set(whole(count.load(Ordering::Relaxed)));
        }
        let set = |gauge: &IntGaugeVec, value| gauge.with_label_values(&[issuer]).set(value);
        set(&local, whole(tally.local.load(Ordering::Relaxed)));
        set(&open, i64::from(!provider.is_closed()));
        set(&in_flight, whole(provider.in_flight()));
        set(&refused, whole(introspection.refusals()));
    }
    Ok(registry.gather())
}

fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
