//! Sidegate beside other proxies on the same work: processor time of a request, throughput, latency.
//!
//! [`Peer`] says who there is. All of them run at once, each with one thread on one core; client, application,
//! database and the trivial authorizer share another core. In each round each peer has its turn, in an order that
//! is drawn anew, and only ratios of the same round are compared.
//!
//! Promises: every peer answers the same request, with the same answer of the same application, and every answer is
//! checked; one that lets a bad token through is an error and never a figure; one that is not installed is named with
//! the reason. What a process has used comes from the scheduler, in nanoseconds. Everything that was started
//! ends with the comparison.
//!
//! Does not: tune anybody beyond what `loadtest/peers/` shows; speak TLS; measure peers with more than one thread.

mod affinity;
mod client;
mod figure;
mod instructions;
mod issuer;
mod outcome;
mod peer;
mod process;
mod refusal;
mod sample;
mod stage;
mod surroundings;
mod template;

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tokio::task::JoinError;

use crate::bench::BenchError;
use crate::ids::draw;
use crate::postgres::ClusterError;
use crate::process::ProcessError;
use crate::{PlanError, RunError, ScheduleError, TargetError};

pub use figure::{Figure, Interval};
pub use instructions::Instructions;
pub use outcome::{Outcome, Skipped};
pub use peer::{NoSuchPeer, Peer};
pub use sample::Sample;

use affinity::Cores;
use outcome::list;
use sample::measure;
use stage::Stage;

/// What is to be compared.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The optimised binary.
    pub sidegate: PathBuf,
    /// Pingora that passes everything on, from the same build.
    pub bare: Option<PathBuf>,
    /// Envoy, where it is not on the PATH.
    pub envoy: Option<PathBuf>,
    /// Each peer has its turn in each.
    pub rounds: usize,
    /// Whether instructions are counted, too.
    pub instructions: bool,
    /// These alone; none: everybody.
    pub only: Vec<Peer>,
}

impl Comparison {
    /// Rounds that make an interval.
    pub const ROUNDS: usize = 15;
    /// Rounds that make a narrower one.
    pub const FULL_ROUNDS: usize = 31;
}

/// What happens meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// One is not there.
    Skipped(&'a Skipped),
    /// A round begins, after so many.
    Round {
        /// Rounds that have ended.
        done: usize,
        /// All rounds.
        all: usize,
    },
}

/// Why nothing was compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeersError {
    /// The database server.
    #[error("the database server")]
    Cluster(#[from] ClusterError),
    /// Sidegate does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// What all of them are measured on cannot be set up, or counted.
    #[error("the comparison's surroundings")]
    Bench(#[from] Box<BenchError>),
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
    /// No key or token.
    #[error("a token cannot be made: {0}")]
    Issuer(String),
    /// A configuration with something left open.
    #[error("{template}: nothing is known for @{placeholder}@")]
    Placeholder {
        /// The file.
        template: &'static str,
        /// What is open.
        placeholder: String,
    },
    /// A program that was named, or that is needed, and cannot be run.
    #[error("{} cannot be run", path.display())]
    Program {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody who was asked for is there.
    #[error("nobody is there to be measured: {0}")]
    Nobody(String),
    /// A program that is installed and does not run.
    #[error("{peer} does not start: {said}")]
    Start {
        /// Whose.
        peer: &'static str,
        /// The end of its log.
        said: String,
    },
    /// Not the answer that it should be.
    #[error("{peer}: {what}")]
    Answer {
        /// Whose.
        peer: &'static str,
        /// What came, and what should have.
        what: String,
    },
    /// What a process has used cannot be read.
    #[error(
        "/proc/{process}/task/*/schedstat: {source}; a kernel with CONFIG_SCHED_INFO is needed"
    )]
    Usage {
        /// Which.
        process: u32,
        /// Why.
        source: io::Error,
    },
    /// A file, a port or a process.
    #[error("the surroundings")]
    Io(#[from] io::Error),
    /// A task of ours.
    #[error("a task failed")]
    Task(#[from] JoinError),
}

/// Compares them.
///
/// # Errors
/// When Sidegate, the database or a peer that is installed does not run, when there is nobody to be measured, or when an
/// answer is not what it must be.
pub async fn compare(
    comparison: &Comparison,
    mut show: impl FnMut(Event<'_>),
) -> Result<Outcome, PeersError> {
    let cores = Cores::choose()?;
    // Everything that is started from here on is on the client's core, but for the peers.
    let pinned = cores.as_ref().map(Cores::pin_client).transpose()?;
    let stage = Box::pin(Stage::set(comparison, cores.as_ref())).await?;
    for skipped in &stage.skipped {
        show(Event::Skipped(skipped));
    }
    if stage.peers.is_empty() {
        return Err(PeersError::Nobody(list(&stage.skipped)));
    }
    stage.check_refusals().await?;
    let mut samples = Vec::new();
    for round in 0..comparison.rounds {
        let all = comparison.rounds;
        show(Event::Round { done: round, all });
        for index in order(stage.peers.len(), round) {
            if let Some(peer) = stage.peers.get(index) {
                samples.push(Box::pin(measure(&stage, peer, round)).await?);
            }
        }
    }
    stage.check_memory().await?;
    let instructions = if comparison.instructions {
        Some(instructions::count(&stage, comparison).await?)
    } else {
        None
    };
    drop(pinned);
    Ok(Outcome::new(cores, &stage, samples, instructions))
}

/// An order of so many, drawn for each round.
fn order(number: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..number).collect();
    let round = u64::try_from(round).unwrap_or_default();
    order.sort_by_key(|index| draw(SEED, SALT, round, u64::try_from(*index).unwrap_or_default()));
    order
}

/// Of the orders.
const SEED: u64 = 1;
const SALT: u64 = 0x9ee5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_turn_in_a_round_and_rounds_differ() {
        let orders: Vec<_> = (0..8).map(|round| order(10, round)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert!(orders.iter().any(|order| *order != orders[0]));
    }
}
