//! The canary: a change of nothing, written to the log and looked for in it, so that it is measured for how long a
//! right that was taken away is still known here.
//!
//! Promise: the lag is the time from the acknowledged commit, from which on a revocation may be expected to
//! count, until a poll has touched its tag and published its lease: then nobody is answered from memory on the former
//! state. One that counted before it was known to be committed has a lag of 0. Each ends once: seen, or lost when
//! it took longer than ten seconds; what could not be written has failed. One at a time is written, through
//! the pool that no request waits for. Those of other instances touch a slot and nothing else.
//!
//! While caching is off none is written, and those that were on their way do not count: nobody is answered from memory.
//!
//! Does not: say that anybody was let in. With a lag above the bound the lease had ended (R1), and the database was
//! asked. A process that is stopped between the commit and the look at the clock counts from when it goes
//! on; it has let nobody in meanwhile.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::poll::Malformed;
use super::snapshot::{NoSnapshot, number};
use super::tag::CANARY;
use super::tally::{Flight, Tally};
use super::{BOUND, BootTime, Coherence};
use crate::database::{Database, DatabaseError, Notice, Purpose, describe};

/// One that did not count within this time is lost.
const LOST: Duration = Duration::from_secs(10);
/// How long writing one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after one that took longer: the server may still be at it, with a session that nobody waits for.
const REST: Duration = Duration::from_secs(30);
/// How often it is looked for lost ones.
const ROUND: Duration = Duration::from_secs(1);
const WRITE: &str = "select sidegate.invalidate($1)::text";

/// Writes one in each `interval` and says what goes wrong, for ever; with an interval of 0 there is none.
pub async fn run(coherence: &Coherence, database: &Database, interval: Duration) {
    if interval.is_zero() {
        return;
    }
    let notice = Notice::new("writing the canary");
    let mut due = Instant::now();
    loop {
        coherence.canary.expire(BootTime::now(), &coherence.tally);
        if Instant::now() >= due && coherence.read().is_some() {
            due = Instant::now() + interval;
            let written = timeout(PATIENCE, write(coherence, database)).await;
            let failure = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_elapsed) => {
                    due = due.max(Instant::now() + REST);
                    Some("no answer in time".to_owned())
                }
            };
            match failure {
                None => notice.worked(),
                Some(reason) => {
                    coherence.tally.flew(Flight::Failed);
                    notice.failed(&reason);
                }
            }
        }
        let now = Instant::now();
        let round = now + ROUND;
        sleep_until(if due > now { due.min(round) } else { round }).await;
    }
}

/// Why one is not written.
#[derive(Debug, thiserror::Error)]
enum CanaryError {
    #[error("{0}")]
    Connect(#[from] DatabaseError),
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the answer: {0}")]
    Malformed(#[from] Malformed),
}

async fn write(coherence: &Coherence, database: &Database) -> Result<(), CanaryError> {
    let canary = &coherence.canary;
    let lease = database.acquire(Purpose::Maintenance).await?;
    let tags = [&*canary.tag];
    // In this order: whoever closes caching after this look makes void what was begun before it.
    let begun = canary.begin();
    if coherence.read().is_none() {
        lease.finish();
        return Ok(());
    }
    let rows = lease
        .query_typed(WRITE, &[(&tags.as_slice(), Type::TEXT_ARRAY)])
        .await?;
    // The server has said that it is ready for more: the transaction is committed.
    let at = BootTime::now();
    let xid = rows.first().ok_or(Malformed::Empty)?;
    let xid: &str = xid.try_get(0)?;
    let xid = number(xid).map_err(|NoSnapshot| Malformed::Column("xid"))?;
    canary.acknowledged(begun, xid, at, &coherence.tally);
    lease.finish();
    Ok(())
}

/// The canaries of one [`Coherence`].
#[derive(Debug)]
pub(super) struct Canary {
    tag: Box<str>,
    state: Mutex<State>,
    notice: Notice,
}

#[derive(Debug, Default)]
struct State {
    /// How often all that were on their way became void.
    voids: u64,
    /// Those that are known to be committed and have not counted yet, with their transactions; a few, because they are
    /// lost soon.
    waiting: Vec<(u64, BootTime)>,
    /// The last transaction of an own one that counted and was not known to be committed.
    early: Option<(u64, BootTime)>,
    /// Up to which transaction everything became void last.
    covered: Option<(u64, BootTime)>,
}

impl Canary {
    /// With a tag that no other one has.
    pub(super) fn new() -> Self {
        Self {
            tag: format!("{CANARY}{}", Uuid::new_v4()).into(),
            state: Mutex::default(),
            notice: Notice::new("changes counting in time (measured by the canary)"),
        }
    }

    /// Whether a tag is this one's.
    pub(super) fn is_own(&self, tag: &str) -> bool {
        *self.tag == *tag
    }

    /// One is about to be written: what has to be given back when it is.
    fn begin(&self) -> u64 {
        self.state.lock().voids
    }

    /// It was committed, by this transaction and at the latest then.
    fn acknowledged(&self, begun: u64, xid: u64, at: BootTime, tally: &Tally) {
        let mut state = self.state.lock();
        if state.voids != begun {
            return;
        }
        let early = state.early.take_if(|(early, _)| *early == xid);
        let told = early.or(state.covered.filter(|(covered, _)| xid <= *covered));
        match told {
            Some((_, told)) => {
                drop(state);
                self.seen(told.since(at), tally);
            }
            None => state.waiting.push((xid, at)),
        }
    }

    /// A lease was published then that counts with own canaries of these transactions, or with everything up
    /// to `covered`; 0: with nothing else.
    pub(super) fn told(&self, own: &[u64], covered: u64, at: BootTime, tally: &Tally) {
        if own.is_empty() && covered == 0 {
            return;
        }
        let mut state = self.state.lock();
        let is_told = |(xid, _): &mut (u64, BootTime)| own.contains(xid) || *xid <= covered;
        let seen: Vec<_> = state.waiting.extract_if(.., is_told).collect();
        let unknown = |xid: &&u64| !seen.iter().any(|(known, _)| known == *xid);
        if let Some(xid) = own.iter().filter(unknown).max() {
            state.early = Some((*xid, at));
        }
        if covered > 0 {
            state.covered = Some((covered, at));
        }
        drop(state);
        for (_, since) in seen {
            self.seen(at.since(since), tally);
        }
    }

    /// Those that have waited for too long are lost.
    fn expire(&self, now: BootTime, tally: &Tally) {
        let late = |(_, since): &mut (u64, BootTime)| now.since(*since) > LOST;
        let lost = self.state.lock().waiting.extract_if(.., late).count();
        for _ in 0..lost {
            self.lost(tally);
        }
    }

    /// Caching is off: whatever is on its way does not count.
    pub(super) fn void(&self) {
        let mut state = self.state.lock();
        *state = State {
            voids: state.voids.wrapping_add(1),
            ..State::default()
        };
    }

    fn seen(&self, lag: Duration, tally: &Tally) {
        if lag > LOST {
            return self.lost(tally);
        }
        tally.flew(Flight::Seen);
        tally.revocation_lag().observe(lag.as_secs_f64());
        if lag > BOUND {
            self.notice
                .failed("one counted more than a second after its commit: the lease had ended");
        } else {
            self.notice.worked();
        }
    }

    fn lost(&self, tally: &Tally) {
        tally.flew(Flight::Lost);
        self.notice
            .failed("one was committed and did not count within ten seconds");
    }
}

#[cfg(test)]
mod tests;
