//! What is kept of a store's answers: in this process's memory, and where instances share it.
//!
//! Promise: what is handed out was true at one instant that a live lease vouches for; what is kept is kept
//! only as the change feed admits it. One question that many miss is one look-up in the shared cache, and
//! one query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sidegate_config::CacheSettings;

use super::JOIN_WITHIN;
use super::asked::{Asked, tags};
use crate::cache::{FlightKey, Flights, L1, L2, Landed, Missed, Terms};
use crate::coherence::{BOUND, BootTime, Coherence, Moment, Reading, Source};
use crate::store::{Answer, Origin, Question, Store, StoreError};
use crate::view::View;

/// For how long an instance that starts is not ready because of what instances share.
const START_PATIENCE: Duration = Duration::from_millis(300);
/// How long a request waits for a poll: the feed gives one up after a quarter of the bound, and
/// tries a second time.
pub(super) const POLL_PATIENCE: Duration = Duration::from_millis(500);
/// And for how many, while its rows are being read anew.
const MOST_POLLS: usize = 4;
/// What is kept in this process.
#[derive(Debug)]
pub struct Kept {
    coherence: Arc<Coherence>,
    l1: L1,
    flights: Flights<Answer>,
    l2: Option<Arc<L2>>,
    made: BootTime,
    /// Of the shared cache: an answer that counts, and an instant at which it was true.
    lookups: Flights<Option<(Answer, Moment, Tier)>>,
    view: Option<Arc<View>>,
    memory: AtomicU64,
    shared: AtomicU64,
    viewed: AtomicU64,
    store: AtomicU64,
    stale: AtomicU64,
}

/// Questions by where they were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answered {
    /// From memory.
    pub memory: u64,
    /// From the shared cache.
    pub shared: u64,
    /// From the materialized view.
    pub viewed: u64,
    /// By the store.
    pub store: u64,
    /// From memory past the bound, because the store could not be asked.
    pub stale: u64,
}

/// Where rows came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// This process's memory (L1).
    Memory,
    /// What instances share (L2).
    Shared,
    /// The materialized view.
    View,
    /// The store.
    Store,
    /// Memory past the bound, because the store could not be asked.
    Stale,
}

impl Tier {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Memory,
        Self::Shared,
        Self::View,
        Self::Store,
        Self::Stale,
    ];

    /// Its name in metrics, logs and `explain`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "l1",
            Self::Shared => "l2",
            Self::View => "view",
            Self::Store => "store",
            Self::Stale => "l1_stale",
        }
    }
}

/// What memory has.
pub(super) enum Looked {
    Found(Answer, Moment),
    Missing,
    /// The lease has ended, or the rows do not go together yet: one poll mends both.
    Stale,
}

impl Kept {
    /// Nothing yet.
    #[must_use]
    pub fn new(
        settings: &CacheSettings,
        coherence: Arc<Coherence>,
        l2: Option<Arc<L2>>,
        view: Option<Arc<View>>,
    ) -> Self {
        Self {
            l1: L1::new(settings),
            coherence,
            flights: Flights::new(),
            l2,
            made: BootTime::now(),
            lookups: Flights::new(),
            view,
            memory: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            viewed: AtomicU64::new(0),
            store: AtomicU64::new(0),
            stale: AtomicU64::new(0),
        }
    }

    /// Of a process that serves already: it does not stop being ready.
    #[must_use]
    pub const fn in_service(mut self) -> Self {
        self.made = BootTime::START;
        self
    }

    /// What is known of the changes.
    #[must_use]
    pub const fn coherence(&self) -> &Arc<Coherence> {
        &self.coherence
    }

    /// The rows in this process's memory.
    #[must_use]
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// What instances share, if they do.
    #[must_use]
    pub const fn l2(&self) -> Option<&Arc<L2>> {
        self.l2.as_ref()
    }

    /// The materialized view, if there is one.
    #[must_use]
    pub const fn view(&self) -> Option<&Arc<View>> {
        self.view.as_ref()
    }

    /// Whether it is worth a moment's wait: what instances share does not count yet, because the change
    /// log is not known or Redis is not connected to, and it has not been for long (DESIGN §5, R3).
    #[must_use]
    pub fn is_starting(&self) -> bool {
        let l2 = self.l2.as_ref();
        l2.is_some_and(|l2| self.coherence.shared().is_none() || l2.connected() == 0)
            && BootTime::now().since(self.made) < START_PATIENCE
    }

    /// Questions by where they were answered.
    #[must_use]
    pub fn answered(&self) -> Answered {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Answered {
            memory: of(&self.memory),
            shared: of(&self.shared),
            viewed: of(&self.viewed),
            store: of(&self.store),
            stale: of(&self.stale),
        }
    }

    /// Queries that were sent, and askers who joined one.
    #[must_use]
    pub fn queries(&self) -> (u64, u64) {
        (self.flights.started(), self.flights.joined())
    }

    pub(super) const fn queries_under_way(&self) -> &Flights<Answer> {
        &self.flights
    }

    pub(super) fn count(&self, tier: Tier) {
        let counter = match tier {
            Tier::Memory => &self.memory,
            Tier::Shared => &self.shared,
            Tier::View => &self.viewed,
            Tier::Store => &self.store,
            Tier::Stale => &self.stale,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Lease first, then the rows and their slots, then the clock (R1).
    pub(super) fn look(&self, question: &Question<'_>, arrived: BootTime) -> Looked {
        let Some(reading) = self.coherence.read() else {
            return Looked::Missing;
        };
        match self.l1.look(question, &reading, arrived) {
            Ok(answer) if reading.is_live(BootTime::now()) => {
                Looked::Found(answer, reading.moment())
            }
            Ok(_) | Err(Missed::Apart) => Looked::Stale,
            Err(Missed::Absent) => Looked::Missing,
        }
    }

    /// The same, where it is found.
    pub(super) fn find(
        &self,
        question: &Question<'_>,
        arrived: BootTime,
    ) -> Option<(Answer, Moment)> {
        match self.look(question, arrived) {
            Looked::Found(answer, moment) => Some((answer, moment)),
            Looked::Missing | Looked::Stale => None,
        }
    }

    /// What is in memory, once a poll that began after an instant has been applied.
    ///
    /// Rows that are still apart then were read while that poll was under way: the next one mends it,
    /// and a query would set the subject's other resources apart instead.
    pub(super) async fn after_a_poll(
        &self,
        question: &Question<'_>,
        arrived: BootTime,
    ) -> Option<(Answer, Moment)> {
        let (mut since, mut patience) = (arrived, POLL_PATIENCE);
        for _ in 0..MOST_POLLS {
            let begin = BootTime::now();
            let reading = self.coherence.fresh(since, patience).await.ok()?;
            let now = BootTime::now();
            match self.l1.look(question, &reading, now) {
                Ok(answer) => {
                    let is_live = reading.is_live(BootTime::now());
                    return is_live.then(|| (answer, reading.moment()));
                }
                Err(Missed::Absent) => return None,
                Err(Missed::Apart) => since = now,
            }
            patience = patience.checked_sub(now.since(begin))?;
        }
        None
    }

    /// What is in memory and was known to be true at most so long ago. No change that the feed has heard
    /// of is passed over: only what it could not hear of may be missing.
    pub(super) fn stale(
        &self,
        question: &Question<'_>,
        at_most: Duration,
    ) -> Option<(Answer, Moment)> {
        if at_most.is_zero() {
            return None;
        }
        let reading = self.coherence.read()?;
        // Lifetimes are judged as of the reading, which `at_most` bounds: that a membership is missing is
        // kept for seconds only, and would end this long before.
        let answer = self.l1.answer(question, &reading, reading.start())?;
        let in_time = reading.is_within(at_most, BootTime::now());
        in_time.then(|| (answer, reading.moment()))
    }

    /// Whether an answer is surely of another database than the one that counts: the feed follows
    /// that one and has just heard from it. If it has not, its own knowledge may be the old one.
    pub(super) fn is_elsewhere(&self, origin: &Origin) -> bool {
        let live = |reading: Reading<'_>| reading.is_live(BootTime::now());
        self.coherence.is_foreign(origin) && self.coherence.read().is_some_and(live)
    }

    /// What instances share, or else what the view has, if it counts, and when it was true. Whoever asks while
    /// somebody looks gets what they find.
    pub(super) async fn shared(
        self: &Arc<Self>,
        question: &Question<'_>,
        store: &Arc<Store>,
    ) -> Option<(Answer, Moment, Tier)> {
        let is_routed = self.view.as_ref().is_some_and(|view| view.is_routed());
        if (self.l2.is_none() && !is_routed) || self.coherence.shared().is_none() {
            return None;
        }
        let terms = Terms {
            now: BootTime::now(),
            max_age: JOIN_WITHIN,
            since: None,
        };
        let make = || {
            let (kept, store) = (Arc::clone(self), Arc::clone(store));
            let asked = Asked::from(question);
            let lookup: BoxFuture<'static, _> =
                Box::pin(async move { Ok(kept.look_around(&asked.question(), &store).await) });
            lookup
        };
        let key = FlightKey::of(question);
        let landed = self.lookups.join(key, terms, || None, make).await.ok()?;
        let (Landed::Known(found) | Landed::Flown(found, _)) = landed;
        let (answer, moment, tier) = found?;
        // Last, as for rows in memory (R1); whoever joined came later than the one who looked.
        (BootTime::now().since(moment.true_at()) <= BOUND).then_some((answer, moment, tier))
    }

    async fn look_around(
        &self,
        question: &Question<'_>,
        store: &Store,
    ) -> Option<(Answer, Moment, Tier)> {
        if let Some((answer, moment)) = self.promote(question).await {
            return Some((answer, moment, Tier::Shared));
        }
        let view = self.view.as_ref().filter(|view| view.is_routed())?;
        let (store, shared) = (store.postgres()?, self.coherence.shared()?);
        let found = self.view_answer(view, store, &shared, question).await;
        found.map(|(answer, moment)| (answer, moment, Tier::View))
    }

    /// From the shared cache to memory. The answer, and an instant at which it was true.
    async fn promote(&self, question: &Question<'_>) -> Option<(Answer, Moment)> {
        let (l2, shared) = (self.l2.as_ref()?, self.coherence.shared()?);
        let found = l2.get(shared.namespace(), question).await?;
        let tags = tags(question, &found.answer);
        let admitted = self
            .coherence
            .admit_shared(Source::Instance, &shared, found.xmin, tags);
        l2.judged(&found, admitted.is_ok());
        let (reading, version) = admitted.ok()?;
        let now = BootTime::now();
        self.l1
            .keep(question, &found.answer, version, &self.coherence, now);
        Some((found.answer, reading.moment().from_elsewhere()))
    }

    pub(super) async fn fill(
        &self,
        store: &Store,
        question: &Question<'_>,
    ) -> Result<Answer, StoreError> {
        // In this order, and before the statement: what makes the conditions others is a flush too, and after
        // one nothing is admitted. So the answer is of the life, the triggers and the views that they stand for.
        let before = self.coherence.begin();
        let shared = self.l2.as_ref().zip(self.coherence.shared());
        let trust = |origin: &Origin| !self.is_elsewhere(origin);
        let answer = match store.postgres() {
            Some(store) => store.ask(question, Some(&trust)).await?,
            None => store.ask(question).await?,
        };
        if let (Some(before), Some(origin)) = (before, &answer.origin)
            && let Some(version) = self.coherence.admit(before, origin)
        {
            let now = BootTime::now();
            self.l1
                .keep(question, &answer, version, &self.coherence, now);
            if let Some((l2, shared)) = shared {
                l2.offer(shared.namespace(), question, &answer, origin.xmin);
            }
        }
        Ok(answer)
    }
}
