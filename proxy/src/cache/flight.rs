//! One query for many askers.
//!
//! Promise: askers of one question share a query that is under way, if it began recently and, for
//! whoever says so, not before an instant of theirs. Whoever still waits drives it on: an asker
//! that is cancelled takes nothing with it, and the last one to go ends the query. A panic in the
//! query is an error for all of them. Nothing is remembered once a query has ended.
//!
//! Does not: bound the query's time (the store does), or repeat it.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use sidegate_policy::Id;

use crate::coherence::BootTime;
use crate::store::{Question, StoreError};

/// A question in words of its own, for as long as a query about it is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlightKey {
    subject: Id,
    resource: Option<(Box<str>, Id)>,
}

/// Which query under way is good enough.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The clock, read for this call. A query that is started counts as begun now.
    pub now: BootTime,
    /// One that began longer ago is not joined.
    pub max_age: Duration,
    /// Nor is one that began before this.
    pub since: Option<BootTime>,
}

/// Where an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landed<T> {
    /// It was known by the time that a query would have begun.
    Known(T),
    /// From a query that began then.
    Flown(T, BootTime),
}

/// The queries under way, by what they are about.
pub struct Flights<T, K: Eq + Hash = FlightKey> {
    table: Arc<Table<T, K>>,
}

type Outcome<T> = Result<T, StoreError>;
type Query<T> = BoxFuture<'static, Outcome<T>>;

struct Table<T, K: Eq + Hash> {
    flights: Mutex<HashMap<K, Flight<T>>>,
    started: AtomicU64,
    joined: AtomicU64,
}

/// Weak, so that the askers alone keep the query alive.
struct Flight<T> {
    number: u64,
    began: BootTime,
    query: WeakShared<Query<T>>,
    nudge: Arc<AtomicWaker>,
}

/// A seat on a flight.
struct Seat<T> {
    began: BootTime,
    query: Shared<Query<T>>,
    nudge: Nudge,
}

impl FlightKey {
    /// The key of a question.
    #[must_use]
    pub fn of(question: &Question<'_>) -> Self {
        let resource = question.resource;
        Self {
            subject: question.subject.clone(),
            resource: resource.map(|(kind, id)| (kind.into(), id.clone())),
        }
    }
}

impl<T, K> Flights<T, K>
where
    T: Clone + Send + Sync + 'static,
    K: Clone + Eq + Hash + Send + 'static,
{
    /// None under way.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: Arc::new(Table {
                flights: Mutex::default(),
                started: AtomicU64::new(0),
                joined: AtomicU64::new(0),
            }),
        }
    }

    /// The answer of a query under way that meets the terms, else what `known` knows by now, else the
    /// answer of the query that `make` makes; and when the query began. A query has left behind what it
    /// found before it is no longer under way, so whoever comes too late for it finds that with `known`.
    /// Both are called under a lock; `make` only makes the future.
    ///
    /// # Errors
    /// The query's; a panic in it reads as [`StoreError::Unavailable`].
    pub async fn join(
        &self,
        key: K,
        terms: Terms,
        known: impl FnOnce() -> Option<T>,
        make: impl FnOnce() -> Query<T>,
    ) -> Result<Landed<T>, StoreError> {
        let Seat {
            began,
            query,
            nudge,
        } = match self.board(key, &terms, known, make) {
            Ok(seat) => seat,
            Err(known) => return Ok(Landed::Known(known)),
        };
        let outcome = query.await;
        drop(nudge);
        outcome.map(|answer| Landed::Flown(answer, began))
    }

    /// How many are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.table.flights.lock().len()
    }

    /// How many queries were started.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.table.started.load(Ordering::Relaxed)
    }

    /// How many askers were spared one.
    #[must_use]
    pub fn joined(&self) -> u64 {
        self.table.joined.load(Ordering::Relaxed)
    }

    fn board(
        &self,
        key: K,
        terms: &Terms,
        known: impl FnOnce() -> Option<T>,
        make: impl FnOnce() -> Query<T>,
    ) -> Result<Seat<T>, T> {
        let mut flights = self.table.flights.lock();
        let open = flights.get(&key).filter(|flight| flight.meets(terms));
        // Looked at before it is taken: a seat given back could be the last one, and its end needs
        // the lock that is held here.
        if let Some(flight) = open
            && let Some(query) = flight.query.upgrade()
        {
            self.table.joined.fetch_add(1, Ordering::Relaxed);
            return Ok(Seat {
                began: flight.began,
                query,
                nudge: Nudge(Arc::clone(&flight.nudge)),
            });
        }
        if let Some(known) = known() {
            return Err(known);
        }
        let query = make();
        let number = self.table.started.fetch_add(1, Ordering::Relaxed);
        let nudge = Arc::new(AtomicWaker::new());
        let landing = Landing {
            table: Arc::clone(&self.table),
            key: key.clone(),
            number,
        };
        let query = fly(query, Arc::clone(&nudge), landing).boxed().shared();
        if let Some(weak) = query.downgrade() {
            let flight = Flight {
                number,
                began: terms.now,
                query: weak,
                nudge: Arc::clone(&nudge),
            };
            flights.insert(key, flight);
        }
        Ok(Seat {
            began: terms.now,
            query,
            nudge: Nudge(nudge),
        })
    }
}

impl<T, K> Default for Flights<T, K>
where
    T: Clone + Send + Sync + 'static,
    K: Clone + Eq + Hash + Send + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<T, K: Eq + Hash> fmt::Debug for Flights<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<T> Flight<T> {
    fn meets(&self, terms: &Terms) -> bool {
        let is_recent = terms.now.since(self.began) < terms.max_age;
        is_recent && terms.since.is_none_or(|since| self.began >= since)
    }
}

async fn fly<T, K: Eq + Hash>(
    mut query: Query<T>,
    nudge: Arc<AtomicWaker>,
    landing: Landing<T, K>,
) -> Outcome<T> {
    let driven = poll_fn(|context| {
        nudge.register(context.waker());
        query.poll_unpin(context)
    });
    let outcome = AssertUnwindSafe(driven).catch_unwind().await;
    drop(landing);
    outcome.unwrap_or(Err(StoreError::Unavailable))
}

/// Wakes the other askers when one leaves. `Shared` gives a wake-up to whoever is driving: if that
/// one is cancelled before it acts on it, nobody else would look again.
struct Nudge(Arc<AtomicWaker>);

impl Drop for Nudge {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// Ends a flight's entry when its query ends or is dropped.
struct Landing<T, K: Eq + Hash> {
    table: Arc<Table<T, K>>,
    key: K,
    number: u64,
}

impl<T, K: Eq + Hash> Drop for Landing<T, K> {
    fn drop(&mut self) {
        let mut flights = self.table.flights.lock();
        // A later flight may have taken the place.
        if flights
            .get(&self.key)
            .is_some_and(|flight| flight.number == self.number)
        {
            flights.remove(&self.key);
        }
    }
}
