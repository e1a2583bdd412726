//! Rows of DESIGN §11, measured: each says what was to be reached, what was found, and whether it was met.
//!
//! Promises: a row is measured on a database, a Redis and instances of its own, with nothing else beside
//! them that this program has started; what was asked for is counted, so that a figure is of the tier that
//! it says. Latencies are seen from the client: the proxy, the application and two hops are in them.
//!
//! Does not: judge by absolute times of another machine; ratios are of pairs within one run.

mod application;
pub(crate) mod callgrind;
mod cpu;
mod decision;
mod herd;
pub(crate) mod interval;
mod invalidation;
mod line;
mod memory;
mod restart;
mod revocation;
mod row;
mod slow;
pub(crate) mod stage;
mod start;
mod telemetry;
mod tiers;
mod users;
mod view;

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tokio::task::JoinError;

use crate::history::HistoryError;
use crate::peers::PeersError;
use crate::postgres::ClusterError;
use crate::process::ProcessError;
use crate::redis::RedisServerError;
use crate::scenario::ScenarioError;
use crate::{PlanError, RunError, ScheduleError, TargetError};

pub use decision::EstimatesError;
pub use line::{Found, Line, Outcome, Summary};
pub use row::{NoSuchRow, Row};
pub(crate) use stage::wait;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The binary.
    pub sidegate: PathBuf,
    /// Pingora that passes everything on; without it the row `cpu` lacks its first part.
    pub bare: Option<PathBuf>,
    /// Envoy, where it is not on the PATH.
    pub envoy: Option<PathBuf>,
    /// In this order.
    pub rows: Vec<Row>,
    /// More of everything, for narrower intervals.
    pub full: bool,
    /// Where the benchmark of decisions has left its estimates, if it has run.
    pub criterion: Option<PathBuf>,
    /// Where the project's scripts are, if they are here.
    pub scripts: Option<PathBuf>,
}

/// What happens while rows are measured.
#[derive(Debug)]
pub enum Event<'a> {
    /// One begins.
    Begun {
        /// Which.
        row: Row,
        /// Rows that have ended.
        done: usize,
        /// All rows.
        all: usize,
    },
    /// One has ended.
    Ended(&'a Found),
}

/// Why a row could not be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The database server.
    #[error("the database server")]
    Cluster(#[from] ClusterError),
    /// A statement of ours.
    #[error("the database")]
    Database(#[from] tokio_postgres::Error),
    /// The Redis server.
    #[error("the Redis server")]
    Redis(#[from] RedisServerError),
    /// Sidegate does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The load.
    #[error("the load")]
    Run(#[from] RunError),
    /// No plan.
    #[error("the load")]
    Plan(#[from] PlanError),
    /// No schedule.
    #[error("the load")]
    Schedule(#[from] ScheduleError),
    /// No address.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No header.
    #[error("the load: {0}")]
    Header(#[from] crate::HeaderError),
    /// No request.
    #[error("a request cannot be made")]
    Request(#[from] http::Error),
    /// A file, a port or a process.
    #[error("the surroundings")]
    Io(#[from] io::Error),
    /// The checker of histories.
    #[error("the history cannot be checked")]
    History(#[from] HistoryError),
    /// What a benchmark has left.
    #[error(transparent)]
    Estimates(#[from] EstimatesError),
    /// A task of ours.
    #[error("a task failed")]
    Task(#[from] JoinError),
    /// A scenario.
    #[error(transparent)]
    Scenario(#[from] Box<ScenarioError>),
    /// The comparison with peers.
    #[error(transparent)]
    Peers(#[from] Box<PeersError>),
    /// Something did not come, or was not as it should be.
    #[error("{0}")]
    Silent(String),
}

/// Measures the rows, one after the other. One that cannot be measured says so, and the others are.
pub async fn bench(bench: &Bench, mut show: impl FnMut(Event<'_>)) -> Vec<Line> {
    let all = bench.rows.len();
    let mut lines = Vec::with_capacity(all);
    for (done, row) in bench.rows.iter().copied().enumerate() {
        show(Event::Begun { row, done, all });
        let found = measured(bench, row).await;
        let found = found.unwrap_or_else(|error| {
            Found::from(Line {
                row,
                measured: String::new(),
                outcome: error.outcome(),
            })
        });
        show(Event::Ended(&found));
        lines.push(found.line);
    }
    lines
}

async fn measured(bench: &Bench, row: Row) -> Result<Found, BenchError> {
    let line = match row {
        Row::Cpu => return cpu::beside_peers(bench).await,
        Row::Users => return users::at_once(bench).await,
        Row::HighestRate => return users::highest(bench).await,
        Row::Decision => decision::figures(bench),
        Row::L2 => tiers::shared(bench).await,
        Row::L3 => tiers::store(bench).await,
        Row::Revocation => revocation::lag(bench).await,
        Row::Invalidation => invalidation::time(bench).await,
        Row::Herd => herd::queries(bench).await,
        Row::Start => start::time(bench).await,
        Row::Memory => memory::need(bench).await,
        Row::WatchCost => application::cost(bench).await,
        Row::Restart => restart::warm(bench).await,
        Row::RedisDown => tiers::redis_down(bench).await,
        Row::View => view::cost(bench).await,
        Row::SlowHeads => slow::heads(bench).await,
        Row::Telemetry => telemetry::cost(bench).await,
    };
    line.map(Found::from)
}

impl BenchError {
    /// A row needs programs that are not everywhere.
    fn outcome(&self) -> Outcome {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        match self {
            Self::Cluster(ClusterError::NoServer(_) | ClusterError::NoUser)
            | Self::Redis(RedisServerError::NoServer(_)) => Outcome::Skipped(text),
            Self::Cluster(_)
            | Self::Redis(_)
            | Self::Database(_)
            | Self::Process(_)
            | Self::Run(_)
            | Self::Plan(_)
            | Self::Schedule(_)
            | Self::Target(_)
            | Self::Header(_)
            | Self::Request(_)
            | Self::Io(_)
            | Self::History(_)
            | Self::Estimates(_)
            | Self::Task(_)
            | Self::Peers(_)
            | Self::Scenario(_)
            | Self::Silent(_) => Outcome::Failed(text),
        }
    }
}
