//! What the change feed measures, as metrics.
//!
//! Promise: read when somebody scrapes. Counts are of the memory that there is now: a new policy or store begins
//! anew.

use super::Coherence;
use super::tally::{Flight, Polled, Told};
use crate::metrics::{Definition, Label, Needs, Scrape};

static POLLS: Definition = Definition::counter(
    "sidegate_polls_total",
    "Polls of the change log, by how they ended; failed: without an answer in time, or without a connection",
)
.by(&[Label::closed("result", || Polled::ALL.map(Polled::name).into())]);
pub(super) static POLL_TIME: Definition = Definition::histogram(
    "sidegate_poll_seconds",
    "From the start of a poll of the change log until its answer was applied, and published unless caching is off",
);
pub(super) static INVALIDATION: Definition = Definition::histogram(
    "sidegate_invalidation_seconds",
    "From the receipt of a poll's answer that told of changes until all of them counted",
);
static CHANGES: Definition = Definition::counter(
    "sidegate_changes_total",
    "What the change log told of: tags of facts, canaries of all instances, and that everything became void",
)
.by(&[Label::closed("what", || Told::ALL.map(Told::name).into())]);
pub(super) static REVOCATION_LAG: Definition = Definition::histogram(
    "sidegate_revocation_lag_seconds",
    "From the acknowledged commit of a canary until the feed had applied and published it; without those that were lost",
)
.needing(Needs::Database);
static CANARIES: Definition = Definition::counter(
    "sidegate_canary_total",
    "Canaries of this instance, by what became of them",
)
.by(&[Label::closed("result", || {
    Flight::ALL.map(Flight::name).into()
})])
.needing(Needs::Database);
static XMIN_AGE: Definition = Definition::gauge(
    "sidegate_snapshot_xmin_age_seconds",
    "How long the oldest transaction that has written and not ended was in progress at the last poll; it holds back what \
     instances may share and the log's clean-up",
)
.needing(Needs::Database);

/// What is told of the feed.
pub(crate) static METRICS: [&Definition; 7] = [
    &REVOCATION_LAG,
    &CANARIES,
    &INVALIDATION,
    &POLL_TIME,
    &POLLS,
    &CHANGES,
    &XMIN_AGE,
];

/// Reads all of it.
pub fn gather(coherence: &Coherence, is_over_a_database: bool, scrape: &mut Scrape) {
    let tally = coherence.tally();
    scrape.observed(&POLL_TIME, &[], tally.poll_time());
    scrape.observed(&INVALIDATION, &[], tally.invalidation());
    for polled in Polled::ALL {
        scrape.add(&POLLS, &[polled.name()], tally.polls(polled));
    }
    for told in Told::ALL {
        scrape.add(&CHANGES, &[told.name()], tally.changes(told));
    }
    if !is_over_a_database {
        return;
    }
    scrape.observed(&REVOCATION_LAG, &[], tally.revocation_lag());
    for flight in Flight::ALL {
        scrape.add(&CANARIES, &[flight.name()], tally.canaries(flight));
    }
    if let Some(age) = tally.xmin_age() {
        scrape.add(&XMIN_AGE, &[], age);
    }
}
