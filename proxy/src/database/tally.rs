//! What the pools did and how they are.
//!
//! Promise: counting looks nothing up by label and allocates nothing; the counters go on when the
//! pools are replaced by others, because those take them over. The state of the pools is read when
//! somebody asks for the metrics.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::Histogram;

use super::{PerPurpose, PoolHealth, Purpose};
use crate::metrics::{Definition, Label, Needs, Scrape, histogram};

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

/// The pools' counts.
#[derive(Debug)]
pub(super) struct Tally {
    pools: PerPurpose<PoolTally>,
}

/// One pool's.
#[derive(Debug)]
struct PoolTally {
    queries: [AtomicU64; Ending::ALL.len()],
    took: Histogram,
    discarded: Arc<AtomicU64>,
}

const POOL: Label = Label::closed("pool", || Purpose::ALL.map(Purpose::name).into());

static CONNECTIONS: Definition = Definition::gauge(
    "sidegate_pool_connections",
    "Open connections to the database",
)
.by(&[POOL, Label::closed("state", || vec!["idle", "used"])])
.needing(Needs::Database);
static WAITING: Definition = Definition::gauge(
    "sidegate_pool_waiting",
    "Questions that wait for a connection",
)
.by(&[POOL])
.needing(Needs::Database);
static LIMIT: Definition =
    Definition::gauge("sidegate_pool_limit", "The most connections of a pool")
        .by(&[POOL])
        .needing(Needs::Database);
static QUERIES: Definition = Definition::counter(
    "sidegate_database_queries_total",
    "Questions to the database, by how they ended; cancelled ones are not among them",
)
.by(&[
    POOL,
    Label::closed("result", || Ending::ALL.map(Ending::name).into()),
])
.needing(Needs::Database);
static SECONDS: Definition = Definition::histogram(
    "sidegate_database_seconds",
    "Questions to the database, from asking for a connection to the answer, or to giving up",
)
.by(&[POOL])
.needing(Needs::Database);
static DISCARDED: Definition = Definition::counter(
    "sidegate_database_connections_discarded_total",
    "Connections closed because they were dead or their last question was cut short",
)
.by(&[POOL])
.needing(Needs::Database);

/// The pools' metrics.
pub(crate) static METRICS: [&Definition; 6] = [
    &CONNECTIONS,
    &WAITING,
    &LIMIT,
    &QUERIES,
    &SECONDS,
    &DISCARDED,
];

const BOUNDS: [f64; 13] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5,
];

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
    /// When the bounds of a histogram do not rise, which a test rules out.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let make = |_purpose| {
            Ok::<_, prometheus::Error>(PoolTally {
                queries: array::from_fn(|_| AtomicU64::new(0)),
                took: histogram(&SECONDS, &BOUNDS)?,
                discarded: Arc::default(),
            })
        };
        Ok(Self {
            pools: PerPurpose::try_new(make)?,
        })
    }

    /// Counts one question, and how long its asker waited.
    pub(super) fn query(&self, purpose: Purpose, ending: Ending, took: Duration) {
        self.pools.of(purpose).took.observe(took.as_secs_f64());
        if let Some(count) = self.pools.of(purpose).queries.get(ending as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Where connections that were thrown away are counted.
    pub(super) fn discarded(&self, purpose: Purpose) -> &Arc<AtomicU64> {
        &self.pools.of(purpose).discarded
    }

    /// Every metric, with the pools as they are now.
    pub(super) fn gather(&self, pools: impl Iterator<Item = PoolHealth>, scrape: &mut Scrape) {
        for health in pools {
            let pool = health.purpose.name();
            scrape.add(&CONNECTIONS, &[pool, "idle"], health.idle);
            scrape.add(&CONNECTIONS, &[pool, "used"], health.used);
            scrape.add(&WAITING, &[pool], health.waiting);
            scrape.add(&LIMIT, &[pool], health.limit);
        }
        for (purpose, tally) in self.pools.iter() {
            let pool = purpose.name();
            for (ending, count) in Ending::ALL.iter().zip(&tally.queries) {
                let count = count.load(Ordering::Relaxed);
                scrape.add(&QUERIES, &[pool, ending.name()], count);
            }
            scrape.observed(&SECONDS, &[pool], &tally.took);
            scrape.add(&DISCARDED, &[pool], tally.discarded.load(Ordering::Relaxed));
        }
    }
}
