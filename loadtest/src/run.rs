//! One run from the first connection to the report.
//!
//! Promises: the clock starts when the connections are open (or had one time-out to do so);
//! arrivals that wait are sent until one time-out after the end of the schedule, then counted as
//! unsent; the whole run takes at most the schedule and three time-outs. Dropping the future stops
//! everything it started.
//!
//! Does not: print; progress goes to a callback.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout_at};

use crate::plan::Plan;
use crate::queue::{Queue, dispatch};
use crate::report::{Course, Report};
use crate::tally::Tally;
use crate::worker::Worker;

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since the clock started.
    pub elapsed: Duration,
    /// Measured arrivals with a complete answer.
    pub completed: u64,
    /// Measured arrivals that failed.
    pub failed: u64,
}

/// Why a run has no report. What the server does is never one of the reasons.
#[derive(Debug, Error)]
pub enum RunError {
    /// A part of the generator ended without its numbers: counts would be wrong.
    #[error("a task of the load generator failed")]
    Task(#[from] JoinError),
}

/// Carries out `plan`; calls `progress` twice a second.
///
/// # Errors
///
/// When the generator itself fails; errors of requests are counted in the report.
pub async fn run(plan: Plan, mut progress: impl FnMut(Progress)) -> Result<Report, RunError> {
    let plan = Arc::new(plan);
    let tallies = Tallies::new();
    let workers = open(&plan, &tallies).await?;
    let connections_at_start = workers.iter().map(Worker::open_connections).sum();

    let queue = Arc::new(Queue::new(plan.schedule.count()));
    let _closed_when_dropped = CloseOnDrop(Arc::clone(&queue));
    let start = Instant::now();
    let mut dispatcher = JoinSet::new();
    let (schedule, released) = (plan.schedule, Arc::clone(&queue));
    dispatcher.spawn_blocking(move || dispatch(&schedule, start, &released));
    let mut working = JoinSet::new();
    for worker in workers {
        working.spawn(worker.work(start, Arc::clone(&queue)));
    }

    let mut reconnects: u64 = 0;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let last_call = sleep_until((start + plan.schedule.span() + plan.timeout).into());
    tokio::pin!(last_call);
    loop {
        tokio::select! {
            ended = working.join_next() => match ended {
                Some(ended) => reconnects = reconnects.saturating_add(ended?),
                None => break,
            },
            () = &mut last_call, if !last_call.is_elapsed() => queue.close(),
            _ = ticks.tick() => progress(tallies.progress(start.elapsed())),
        }
    }
    let mut lateness = Duration::ZERO;
    while let Some(ended) = dispatcher.join_next().await {
        lateness = ended?;
    }
    progress(tallies.progress(start.elapsed()));
    let course = Course {
        start,
        connections_at_start,
        reconnects,
        taken: queue.taken(),
        lateness,
    };
    Ok(Report::new(&plan, &tallies.sum(), course))
}

/// Workers with their connections open, as far as one time-out allows.
async fn open(plan: &Arc<Plan>, tallies: &Tallies) -> Result<Vec<Worker>, RunError> {
    let deadline = tokio::time::Instant::now() + plan.timeout;
    let gate = Arc::new(Semaphore::new(CONNECTING));
    let mut opening = JoinSet::new();
    let shared = tallies.0.iter().cycle().take(plan.connections);
    for (number, tally) in shared.enumerate() {
        let mut worker = Worker::new(number, Arc::clone(plan), Arc::clone(tally));
        let gate = Arc::clone(&gate);
        opening.spawn(async move {
            // Both refusals, the deadline's and the gate's, leave the connection to be opened later.
            let _ = timeout_at(deadline, async {
                let _turn = gate.acquire().await;
                worker.open().await;
            })
            .await;
            worker
        });
    }
    let mut workers = Vec::with_capacity(plan.connections);
    while let Some(worker) = opening.join_next().await {
        workers.push(worker?);
    }
    Ok(workers)
}

/// Tallies that workers share, few enough for their histograms to stay small.
struct Tallies(Vec<Arc<Mutex<Tally>>>);

impl Tallies {
    fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self(
            (0..threads)
                .map(|_| Arc::new(Mutex::new(Tally::new())))
                .collect(),
        )
    }

    fn progress(&self, elapsed: Duration) -> Progress {
        let mut progress = Progress {
            elapsed,
            completed: 0,
            failed: 0,
        };
        for tally in &self.0 {
            let tally = tally.lock();
            progress.completed += tally.completed();
            progress.failed += tally.errors.total();
        }
        progress
    }

    fn sum(&self) -> Tally {
        let mut sum = Tally::new();
        for tally in &self.0 {
            sum.merge(&tally.lock());
        }
        sum
    }
}

/// The dispatcher has its own thread, which no dropped future stops.
struct CloseOnDrop(Arc<Queue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Connections that may be in the making at a time: more would overflow a server's backlog.
const CONNECTING: usize = 128;

/// Often enough for a moving bar.
const TICK: Duration = Duration::from_millis(500);
