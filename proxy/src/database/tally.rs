//! What the pools did and how they are, as metrics.
//!
//! Promise: counting looks nothing up by label and allocates nothing; the counters go on when the
//! pools are replaced by others, because those take them over. The state of the pools is read when
//! somebody asks for the metrics.

use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::{PerPurpose, PoolHealth, Purpose};

/// How a question to the database ended. Closed, as it is a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an answer.
    Answered,
    /// It could not be reached.
    Unavailable,
    /// It took too long.
    TimedOut,
    /// The server refused it.
    Refused,
    /// The answer could not be understood.
    Malformed,
}

/// The pools' metrics.
#[derive(Debug)]
pub(super) struct Tally {
    registry: Registry,
    pools: PerPurpose<PoolTally>,
}

/// One pool's.
#[derive(Debug)]
struct PoolTally {
    idle: IntGauge,
    used: IntGauge,
    waiting: IntGauge,
    limit: IntGauge,
    queries: [(Ending, IntCounter); 5],
    discarded: IntCounter,
}

impl Ending {
    const ALL: [Self; 5] = [
        Self::Answered,
        Self::Unavailable,
        Self::TimedOut,
        Self::Refused,
        Self::Malformed,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }
}

impl Tally {
    /// All of them at zero.
    ///
    /// # Errors
    /// When two have one name, which a test rules out.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let connections = gauges(
            &registry,
            "sidegate_pool_connections",
            "Open connections to the database",
            &["pool", "state"],
        )?;
        let waiting = gauges(
            &registry,
            "sidegate_pool_waiting",
            "Questions that wait for a connection",
            &["pool"],
        )?;
        let limit = gauges(
            &registry,
            "sidegate_pool_limit",
            "The most connections of a pool",
            &["pool"],
        )?;
        let queries = counters(
            &registry,
            "sidegate_database_queries_total",
            "Questions to the database, by how they ended; cancelled ones are not among them",
            &["pool", "result"],
        )?;
        let discarded = counters(
            &registry,
            "sidegate_database_connections_discarded_total",
            "Connections closed because they were dead or their last question was cut short",
            &["pool"],
        )?;
        let pools = PerPurpose::try_new(|purpose| {
            let pool = purpose.name();
            Ok::<_, prometheus::Error>(PoolTally {
                idle: connections.with_label_values(&[pool, "idle"]),
                used: connections.with_label_values(&[pool, "used"]),
                waiting: waiting.with_label_values(&[pool]),
                limit: limit.with_label_values(&[pool]),
                queries: Ending::ALL
                    .map(|ending| (ending, queries.with_label_values(&[pool, ending.name()]))),
                discarded: discarded.with_label_values(&[pool]),
            })
        })?;
        Ok(Self { registry, pools })
    }

    /// Counts one question.
    pub(super) fn query(&self, purpose: Purpose, ending: Ending) {
        let counters = &self.pools.of(purpose).queries;
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == ending) {
            counter.inc();
        }
    }

    /// Counts connections that were thrown away.
    pub(super) fn discarded(&self, purpose: Purpose) -> &IntCounter {
        &self.pools.of(purpose).discarded
    }

    /// Every metric, with the pools as they are now.
    pub(super) fn gather(&self, pools: impl Iterator<Item = PoolHealth>) -> Vec<MetricFamily> {
        for health in pools {
            let pool = self.pools.of(health.purpose);
            for (gauge, number) in [
                (&pool.idle, health.idle),
                (&pool.used, health.used),
                (&pool.waiting, health.waiting),
                (&pool.limit, health.limit),
            ] {
                gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
            }
        }
        self.registry.gather()
    }
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(gauges.clone()))?;
    Ok(gauges)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}
