//! One worker: at most one request in flight, on connections that it keeps.
//!
//! Promises: a worker takes the next arrival as soon as it is free, and an arrival that had to
//! wait for a worker keeps the time at which it was due.
//!
//! Does not: decide when; the queue does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::time::timeout;

use crate::connection::{Answer, Connection, ExchangeError};
use crate::plan::{Plan, Shot};
use crate::queue::Queue;
use crate::tally::{Tally, Timing};
use crate::target::Origin;

/// A worker that does not work yet.
#[derive(Debug)]
pub(crate) struct Worker {
    plan: Arc<Plan>,
    tally: Arc<Mutex<Tally>>,
    connections: BTreeMap<Origin, Connection>,
}

impl Worker {
    /// Worker `number` of the run.
    pub(crate) fn new(number: usize, plan: Arc<Plan>, tally: Arc<Mutex<Tally>>) -> Self {
        let source = plan.source(number);
        let connect = |origin: &Origin| Connection::coming_from(source, origin.clone());
        let origins = plan.origins().into_iter();
        let connections = origins
            .map(|origin| (origin.clone(), connect(origin)))
            .collect();
        Self {
            plan,
            tally,
            connections,
        }
    }

    /// Connects ahead of the first arrival. A failure is not counted: the arrival that needs the
    /// connection will try again, and then it is.
    pub(crate) async fn open(&mut self) {
        for connection in self.connections.values_mut() {
            drop(connection.open().await);
        }
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.connections
            .values()
            .filter(|connection| connection.is_open())
            .count()
    }

    /// Works until the queue is closed; returns how many connections had to be opened again.
    pub(crate) async fn work(mut self, start: Instant, queue: Arc<Queue>) -> u64 {
        let plan = Arc::clone(&self.plan);
        while let Some(index) = queue.take().await {
            let sent = Instant::now();
            let shot = plan.shot(index);
            let outcome = self.exchange(&shot).await;
            if index >= plan.schedule.warmup_count() {
                let due = plan.schedule.due(index);
                let timing = Timing {
                    due: start + due,
                    since: due.saturating_sub(plan.schedule.warmup()),
                    sent,
                    end: Instant::now(),
                };
                self.tally.lock().record(timing, shot.expected, &outcome);
            }
        }
        self.connections.values().map(Connection::reconnects).sum()
    }

    async fn exchange(&mut self, shot: &Shot) -> Result<Answer, ExchangeError> {
        let connection = self
            .connections
            .entry(shot.origin.clone())
            .or_insert_with(|| Connection::new(shot.origin.clone()));
        let outcome = timeout(self.plan.timeout, connection.exchange(&shot.request))
            .await
            .unwrap_or(Err(ExchangeError::Timeout));
        if outcome.is_err() {
            // Half an answer may still be on its way.
            connection.close();
        }
        outcome
    }
}
