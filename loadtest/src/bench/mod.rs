//! Rows of DESIGN §11, measured: each says what was to be reached, what was found, and whether it was met.
//!
//! Promises: a row is measured on a database, a Redis and instances of its own, with nothing else beside
//! them that this program has started; what was asked for is counted, so that a figure is of the tier that
//! it says. Latencies are seen from the client: the proxy, the application and two hops are in them.
//!
//! Does not: judge by absolute times of another machine; ratios are of pairs within one run.

pub(crate) mod callgrind;
mod cpu;
pub(crate) mod interval;
mod row;
mod slow;
pub(crate) mod stage;
mod telemetry;
mod tiers;
mod view;

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tokio::task::JoinError;

use crate::peers::PeersError;
use crate::postgres::ClusterError;
use crate::process::ProcessError;
use crate::redis::RedisServerError;
use crate::{PlanError, RunError, ScheduleError, TargetError};

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
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Line {
    /// Of which row.
    pub row: Row,
    /// In words.
    pub measured: String,
    /// Whether it is within the target.
    pub is_met: bool,
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
    Ended(&'a Line),
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
    /// A task of ours.
    #[error("a task failed")]
    Task(#[from] JoinError),
    /// The comparison with peers.
    #[error(transparent)]
    Peers(#[from] Box<PeersError>),
    /// Something did not come, or was not as it should be.
    #[error("{0}")]
    Silent(String),
}

/// Measures the rows, one after the other.
///
/// # Errors
/// When one of them cannot be measured.
pub async fn bench(
    bench: &Bench,
    mut show: impl FnMut(Event<'_>),
) -> Result<Vec<Line>, BenchError> {
    let all = bench.rows.len();
    let mut lines = Vec::with_capacity(all);
    for (done, row) in bench.rows.iter().enumerate() {
        show(Event::Begun {
            row: *row,
            done,
            all,
        });
        let line = match row {
            Row::L2 => tiers::shared(bench).await?,
            Row::L3 => tiers::store(bench).await?,
            Row::RedisDown => tiers::redis_down(bench).await?,
            Row::View => view::cost(bench).await?,
            Row::SlowHeads => slow::heads(bench).await?,
            Row::Telemetry => telemetry::cost(bench).await?,
            Row::Cpu => cpu::beside_peers(bench).await?,
        };
        show(Event::Ended(&line));
        lines.push(line);
    }
    Ok(lines)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (row, target) = (self.row.name(), self.row.target());
        let verdict = if self.is_met { "met" } else { "missed" };
        write!(
            f,
            "{row}: target {target}; measured {}; {verdict}",
            self.measured
        )
    }
}
