//! Those who ask: readers, who ask anything at any time, and probes, which ask about what has changed.
//!
//! Promises: after a commit its question goes to every instance at once; a revoked one is asked again and
//! again, a round trip and [`PAUSE`] apart, until it is refused, and once more when the bound is over. The
//! lag of a revocation at an instance is the time from the acknowledgement until the last question was sent
//! that was allowed; 0 if none was. So it is above the bound exactly if a probe was a violation.
//!
//! Does not: let more than [`PROBES`] probes ask an instance at once; those beyond are left to the
//! readers, and counted.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::arena::{Arena, Probe};
use super::checker::BOUND;
use super::dice::Dice;
use super::front::{Front, Log};

/// What the probes found.
#[derive(Debug, Default)]
pub(super) struct Lags {
    /// In nanoseconds; one for each revocation and instance.
    measured: Mutex<Vec<u64>>,
    unprobed: Mutex<u64>,
}

impl Lags {
    pub(super) fn take(&self) -> Vec<u64> {
        std::mem::take(&mut *self.measured.lock())
    }

    /// Changes that were left to the readers.
    pub(super) fn unprobed(&self) -> u64 {
        *self.unprobed.lock()
    }
}

/// Asks this instance one question after the other, at most one per `pace`, until the case ends.
pub(super) async fn read(
    arena: Arc<Arena>,
    front: Arc<Front>,
    log: Arc<Log>,
    pace: Duration,
    seed: u64,
) {
    let mut dice = Dice::new(seed);
    let mut stop = arena.stop.subscribe();
    let mut ticks = interval_at(Instant::now() + dice.time(Duration::ZERO, pace), pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stop.borrow() {
        tokio::select! {
            _ = stop.changed() => break,
            _ = ticks.tick() => {}
        }
        let question = dice.below(arena.world.questions.len());
        front.ask(question, &arena, &log).await;
    }
}

/// Takes probes until all who send them are gone.
pub(super) async fn probe(
    arena: Arc<Arena>,
    fronts: Vec<Arc<Front>>,
    log: Arc<Log>,
    lags: Arc<Lags>,
    mut probes: UnboundedReceiver<Probe>,
) {
    // Of each instance its own: one that stands still must not keep the others from being asked.
    let seats: Vec<_> = fronts
        .into_iter()
        .map(|front| (front, Arc::new(Semaphore::new(PROBES))))
        .collect();
    let mut running = JoinSet::new();
    let mut stop = arena.stop.subscribe();
    loop {
        let probe = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            probe = probes.recv() => probe,
        };
        let Some(probe) = probe else {
            break;
        };
        while running.try_join_next().is_some() {}
        for (front, seats) in &seats {
            // A revocation is measured: it finds a seat where a grant does not.
            let scarce = !probe.revoked && seats.available_permits() < PROBES / 2;
            let seat = Arc::clone(seats).try_acquire_owned();
            let (Ok(seat), false) = (seat, scarce) else {
                let mut unprobed = lags.unprobed.lock();
                *unprobed = unprobed.saturating_add(1);
                continue;
            };
            let asker = Asker {
                arena: Arc::clone(&arena),
                front: Arc::clone(front),
                log: Arc::clone(&log),
                lags: Arc::clone(&lags),
                seats: Arc::clone(seats),
                seat,
            };
            running.spawn(asker.follow(probe));
        }
    }
    while running.join_next().await.is_some() {}
}

struct Asker {
    arena: Arc<Arena>,
    front: Arc<Front>,
    log: Arc<Log>,
    lags: Arc<Lags>,
    seats: Arc<Semaphore>,
    seat: OwnedSemaphorePermit,
}

impl Asker {
    async fn follow(self, probe: Probe) {
        if !probe.revoked {
            self.front.ask(probe.question, &self.arena, &self.log).await;
            return;
        }
        self.until_refused(probe).await;
        // Others may ask in the meantime.
        let Self {
            arena,
            front,
            log,
            seats,
            seat,
            ..
        } = self;
        drop(seat);
        let over = probe.since.after(BOUND).after(PAUSE);
        sleep(over.since(arena.clock.now())).await;
        if is_current(&arena, probe)
            && let Ok(_seat) = seats.try_acquire()
        {
            front.ask(probe.question, &arena, &log).await;
        }
    }

    async fn until_refused(&self, probe: Probe) {
        let mut last = None;
        while self.is_current(probe) {
            let read = self.front.ask(probe.question, &self.arena, &self.log).await;
            if !self.is_current(probe) {
                break;
            }
            match read {
                Some(read) if read.allowed => last = Some(read.sent.since(probe.since)),
                // An answer that does not come grants nothing.
                Some(_) | None => {
                    last.get_or_insert(Duration::ZERO);
                    break;
                }
            }
            // Long past the bound there is nothing left to find out, and the readers see it too.
            if last > Some(BOUND.saturating_mul(2)) {
                break;
            }
            sleep(PAUSE).await;
        }
        // Granted again before anything was found out: no lag.
        if let Some(lag) = last {
            let lag = u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX);
            self.lags.measured.lock().push(lag);
        }
    }

    fn is_current(&self, probe: Probe) -> bool {
        is_current(&self.arena, probe)
    }
}

/// Whether the scene is as the commit left it, and the case goes on.
fn is_current(arena: &Arena, probe: Probe) -> bool {
    arena.step(probe.scene) == probe.step && !*arena.stop.borrow()
}

/// Probes that ask an instance at once. Many more would only wait for each other in its queue.
const PROBES: usize = 48;

const PAUSE: Duration = Duration::from_millis(3);
