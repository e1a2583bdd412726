//! The queue between the dispatcher and the workers, and the dispatcher itself.
//!
//! Promises: arrivals are handed out once each, in order, to the worker that waits longest; the
//! dispatcher never waits for a worker. The queue is bounded by the schedule and costs two
//! numbers: what waits in it are consecutive indices, so counting them is enough.
//!
//! Does not: know what an arrival is sent to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::schedule::Schedule;

/// The arrivals that are due and wait for a worker.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Semaphore,
    taken: AtomicU64,
    total: u64,
}

impl Queue {
    /// An empty queue that will carry `total` arrivals.
    pub(crate) fn new(total: u64) -> Self {
        Self {
            waiting: Semaphore::new(0),
            taken: AtomicU64::new(0),
            total,
        }
    }

    /// The index of the next arrival, once it is due; `None` when there are no more.
    pub(crate) async fn take(&self) -> Option<u64> {
        // Refused only after `close`.
        self.waiting.acquire().await.ok()?.forget();
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        if index.saturating_add(1) >= self.total {
            self.close();
        }
        Some(index)
    }

    /// No arrival is handed out any more; waiting workers are told so.
    pub(crate) fn close(&self) {
        self.waiting.close();
    }

    /// How many arrivals were handed out.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn release(&self, arrivals: u64) {
        let arrivals = usize::try_from(arrivals).unwrap_or(Semaphore::MAX_PERMITS);
        self.waiting.add_permits(arrivals);
    }
}

/// Releases every arrival at `start` + its due time; returns how late the worst measured one was.
///
/// Blocks its thread: the timer of the runtime has steps of a millisecond, more than an answer
/// takes. Ends with the schedule, or within [`STEP`] of the queue's end.
pub(crate) fn dispatch(schedule: &Schedule, start: Instant, queue: &Queue) -> Duration {
    let mut lateness = Duration::ZERO;
    let mut released = 0;
    while released < schedule.count() && !queue.waiting.is_closed() {
        let elapsed = start.elapsed();
        let due = schedule.due(released);
        if elapsed < due {
            thread::sleep((due - elapsed).min(STEP));
            continue;
        }
        if released >= schedule.warmup_count() {
            lateness = lateness.max(elapsed - due);
        }
        let up_to = schedule.released(elapsed);
        queue.release(up_to - released);
        released = up_to;
    }
    lateness
}

/// How long a run that was dropped may keep the dispatcher's thread.
const STEP: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_arrival_is_taken_once_and_then_none() {
        let schedule =
            Schedule::new(MAX, Duration::ZERO, Duration::from_micros(5)).expect("bounds");
        let queue = Queue::new(schedule.count());
        dispatch(&schedule, Instant::now(), &queue);
        for index in 0..5 {
            assert_eq!(queue.take().await, Some(index));
        }
        assert_eq!((queue.take().await, queue.taken()), (None, 5));
    }

    #[tokio::test]
    async fn a_closed_queue_hands_out_nothing_and_stops_the_dispatcher() {
        let schedule = Schedule::new(MAX, Duration::ZERO, crate::MAX_SPAN).expect("bounds");
        let queue = Queue::new(schedule.count());
        queue.close();
        dispatch(&schedule, Instant::now(), &queue);
        assert_eq!((queue.take().await, queue.taken()), (None, 0));
    }

    const MAX: u32 = crate::MAX_RATE;
}
