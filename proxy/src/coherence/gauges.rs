//! What the change feed measures, as metrics.
//!
//! Promise: read when somebody scrapes; every label is of a closed list. Counts are of the memory that there is now: a
//! new policy or store begins anew.

use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounterVec, Opts, Registry};

use super::Coherence;
use super::tally::{Flight, Polled, Told};

/// Every metric of the feed.
///
/// # Errors
/// When two have one name, which a test rules out.
pub fn gather(coherence: &Coherence) -> Result<Vec<MetricFamily>, prometheus::Error> {
    let registry = Registry::new();
    let tally = coherence.tally();
    for histogram in [
        tally.poll_time(),
        tally.invalidation(),
        tally.revocation_lag(),
    ] {
        registry.register(Box::new(histogram.clone()))?;
    }
    counted(
        &registry,
        (
            "sidegate_polls_total",
            "Polls of the change log, by how they ended; failed: without an answer in time, or without a connection",
        ),
        "result",
        Polled::ALL.map(|polled| (polled.name(), tally.polls(polled))),
    )?;
    counted(
        &registry,
        (
            "sidegate_changes_total",
            "What the change log told of: tags of facts, canaries of all instances, and that everything became void",
        ),
        "what",
        Told::ALL.map(|told| (told.name(), tally.changes(told))),
    )?;
    counted(
        &registry,
        (
            "sidegate_canary_total",
            "Canaries of this instance, by what became of them",
        ),
        "result",
        Flight::ALL.map(|flight| (flight.name(), tally.canaries(flight))),
    )?;
    if let Some(age) = tally.xmin_age() {
        let gauge = Gauge::new(
            "sidegate_snapshot_xmin_age_seconds",
            "How long the oldest transaction that has written and not ended was in progress at the last poll; it holds back what instances may share and the log's clean-up",
        )?;
        gauge.set(age.as_secs_f64());
        registry.register(Box::new(gauge))?;
    }
    Ok(registry.gather())
}

fn counted<const N: usize>(
    registry: &Registry,
    (name, help): (&str, &str),
    label: &str,
    counts: [(&str, u64); N],
) -> Result<(), prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
    for (value, count) in counts {
        counters.with_label_values(&[value]).inc_by(count);
    }
    registry.register(Box::new(counters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coherence::BootTime;

    #[test]
    fn every_label_is_shown_before_anything_has_happened_and_no_name_is_there_twice() {
        let coherence = Coherence::new(1 << 10);
        coherence
            .tally
            .snapshot(Some(&"7:8:7".parse().unwrap()), BootTime::START);
        let families = gather(&coherence).unwrap();
        let shown: Vec<_> = families
            .iter()
            .map(|family| (family.name(), family.get_metric().len()))
            .collect();
        assert_eq!(
            shown,
            [
                ("sidegate_canary_total", 3),
                ("sidegate_changes_total", 3),
                ("sidegate_invalidation_seconds", 1),
                ("sidegate_poll_seconds", 1),
                ("sidegate_polls_total", 2),
                ("sidegate_revocation_lag_seconds", 1),
                ("sidegate_snapshot_xmin_age_seconds", 1),
            ]
        );
    }
}
