//! Where the rows of a decision come from: memory, a query that is under way, the store.
//!
//! Promises: rows that are allowed on were true at one instant, at most [`BOUND`] ago (DESIGN §5, R1), or
//! where the route has opted in and the store cannot be asked, as long ago as the route says; rows that
//! are refused on were read after the request arrived (R5); a store that cannot answer is an error, never
//! an empty answer. A lease that has ended makes everybody wait for one poll, not for a query each, and
//! so do rows that were read apart; and one question that many miss is one query.
//!
//! Does not: decide.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;

use sidegate_config::CacheSettings;
use sidegate_policy::Id;

use crate::cache::{FlightKey, Flights, L1, Missed, Terms};
use crate::coherence::{BOUND, BootTime, Coherence, Reading};
use crate::store::{Answer, Origin, Question, Store, StoreError};

/// How long a request waits for a poll: the feed gives one up after a quarter of the bound, and
/// tries a second time.
const POLL_PATIENCE: Duration = Duration::from_millis(500);
/// And for how many, while its rows are being read anew.
const MOST_POLLS: usize = 4;
/// A query that began longer ago is not joined: its answer could be too old when it comes.
const JOIN_WITHIN: Duration = Duration::from_millis(500);
const _: () = assert!(JOIN_WITHIN.as_millis() * 2 <= BOUND.as_millis());

/// A store, and what is kept of its answers.
#[derive(Debug)]
pub struct Facts {
    store: Arc<Store>,
    kept: Option<Arc<Kept>>,
}

/// What is kept in this process.
#[derive(Debug)]
pub struct Kept {
    coherence: Arc<Coherence>,
    l1: L1,
    flights: Flights<Answer>,
    /// Questions by [`Tier`].
    answered: [AtomicU64; 3],
}

/// Where rows came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Memory,
    /// Also where it had no answer.
    Store,
    /// From memory, because the store could not be asked.
    Stale,
}

/// Rows for a decision.
#[derive(Debug)]
pub struct Sourced {
    /// The rows.
    pub answer: Answer,
    /// Whether they were read after the request arrived: only then may it be refused on them.
    pub is_fresh: bool,
    /// Whether they may be older than [`BOUND`], because the store could not be asked.
    pub is_stale: bool,
}

enum Looked {
    Found(Answer),
    Missing,
    /// The lease has ended, or the rows do not go together yet: one poll mends both.
    Stale,
}

impl Facts {
    /// Over a store of which nothing is kept.
    #[must_use]
    pub const fn uncached(store: Arc<Store>) -> Self {
        Self { store, kept: None }
    }

    /// Over a store of whose answers some are kept.
    #[must_use]
    pub const fn cached(store: Arc<Store>, kept: Arc<Kept>) -> Self {
        Self {
            store,
            kept: Some(kept),
        }
    }

    /// What is kept, if anything is.
    #[must_use]
    pub const fn kept(&self) -> Option<&Arc<Kept>> {
        self.kept.as_ref()
    }

    /// The rows that a question is about, from wherever they may come. `stale_if_error` is how old those
    /// in memory may be if the store cannot be asked.
    ///
    /// # Errors
    /// When they are not in memory and the store cannot tell.
    pub async fn ask(
        &self,
        question: &Question<'_>,
        arrived: BootTime,
        stale_if_error: Duration,
    ) -> Result<Sourced, StoreError> {
        let Some(kept) = &self.kept else {
            return self.plain(question).await;
        };
        let found = match kept.look(question, arrived) {
            Looked::Found(answer) => Some(answer),
            Looked::Missing => None,
            Looked::Stale => kept.after_a_poll(question, arrived).await,
        };
        if let Some(answer) = found {
            kept.count(Tier::Memory);
            return Ok(Sourced {
                answer,
                is_fresh: false,
                is_stale: false,
            });
        }
        let error = match self.query(kept, question, arrived, None).await {
            Ok(sourced) => {
                kept.count(Tier::Store);
                return Ok(sourced);
            }
            Err(error) => error,
        };
        let stale = if error.is_outage() {
            kept.stale(question, stale_if_error)
        } else {
            None
        };
        kept.count(stale.as_ref().map_or(Tier::Store, |_| Tier::Stale));
        stale.ok_or(error).map(|answer| Sourced {
            answer,
            is_fresh: false,
            is_stale: true,
        })
    }

    /// The same rows as of an instant after the request arrived, for who would be refused on others.
    ///
    /// # Errors
    /// When neither the feed nor the store can tell.
    pub async fn confirm(
        &self,
        question: &Question<'_>,
        arrived: BootTime,
    ) -> Result<Sourced, StoreError> {
        let Some(kept) = &self.kept else {
            return self.plain(question).await;
        };
        match kept.after_a_poll(question, arrived).await {
            Some(answer) => Ok(Sourced {
                answer,
                is_fresh: true,
                is_stale: false,
            }),
            None => self.query(kept, question, arrived, Some(arrived)).await,
        }
    }

    async fn plain(&self, question: &Question<'_>) -> Result<Sourced, StoreError> {
        Ok(Sourced {
            answer: self.store.ask(question).await?,
            is_fresh: true,
            is_stale: false,
        })
    }

    async fn query(
        &self,
        kept: &Arc<Kept>,
        question: &Question<'_>,
        arrived: BootTime,
        since: Option<BootTime>,
    ) -> Result<Sourced, StoreError> {
        let terms = Terms {
            now: BootTime::now(),
            max_age: JOIN_WITHIN,
            since,
        };
        let make = || {
            let (store, kept) = (Arc::clone(&self.store), Arc::clone(kept));
            let subject = question.subject.clone();
            let resource = question
                .resource
                .map(|(kind, id)| (Box::<str>::from(kind), id.clone()));
            let query: BoxFuture<'static, _> =
                Box::pin(async move { kept.fill(&store, &subject, resource.as_ref()).await });
            query
        };
        let key = FlightKey::of(question);
        let (answer, began) = kept.flights.join(key, terms, make).await?;
        Ok(Sourced {
            answer,
            is_fresh: began >= arrived,
            is_stale: false,
        })
    }
}

impl Kept {
    /// Nothing yet.
    #[must_use]
    pub fn new(settings: &CacheSettings, coherence: Arc<Coherence>) -> Self {
        Self {
            l1: L1::new(settings),
            coherence,
            flights: Flights::new(),
            answered: Default::default(),
        }
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

    /// Questions that were answered from memory, those that needed the store, and those that memory
    /// answered past the bound because the store could not be asked.
    #[must_use]
    pub fn answered(&self) -> [u64; 3] {
        let [memory, store, stale] = &self.answered;
        [memory, store, stale].map(|count| count.load(Ordering::Relaxed))
    }

    /// Queries that were sent, and askers who joined one.
    #[must_use]
    pub fn queries(&self) -> (u64, u64) {
        (self.flights.started(), self.flights.joined())
    }

    fn count(&self, tier: Tier) {
        let [memory, store, stale] = &self.answered;
        let counter = match tier {
            Tier::Memory => memory,
            Tier::Store => store,
            Tier::Stale => stale,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Lease first, then the rows and their slots, then the clock (R1).
    fn look(&self, question: &Question<'_>, arrived: BootTime) -> Looked {
        let Some(reading) = self.coherence.read() else {
            return Looked::Missing;
        };
        match self.l1.look(question, &reading, arrived) {
            Ok(answer) if reading.is_live(BootTime::now()) => Looked::Found(answer),
            Ok(_) | Err(Missed::Apart) => Looked::Stale,
            Err(Missed::Absent) => Looked::Missing,
        }
    }

    /// What is in memory, once a poll that began after an instant has been applied.
    ///
    /// Rows that are still apart then were read while that poll was under way: the next one mends it,
    /// and a query would set the subject's other resources apart instead.
    async fn after_a_poll(&self, question: &Question<'_>, arrived: BootTime) -> Option<Answer> {
        let (mut since, mut patience) = (arrived, POLL_PATIENCE);
        for _ in 0..MOST_POLLS {
            let begin = BootTime::now();
            let reading = self.coherence.fresh(since, patience).await.ok()?;
            let now = BootTime::now();
            match self.l1.look(question, &reading, now) {
                Ok(answer) => return reading.is_live(BootTime::now()).then_some(answer),
                Err(Missed::Absent) => return None,
                Err(Missed::Apart) => since = now,
            }
            patience = patience.checked_sub(now.since(begin))?;
        }
        None
    }

    /// What is in memory and was known to be true at most so long ago. No change that the feed has heard
    /// of is passed over: only what it could not hear of may be missing.
    fn stale(&self, question: &Question<'_>, at_most: Duration) -> Option<Answer> {
        if at_most.is_zero() {
            return None;
        }
        let reading = self.coherence.read()?;
        // Lifetimes are judged as of the reading, which `at_most` bounds: that a membership is missing is
        // kept for seconds only, and would end this long before.
        let answer = self.l1.answer(question, &reading, reading.start())?;
        (reading.age(BootTime::now()) <= at_most).then_some(answer)
    }

    /// Whether an answer is surely of another database than the one that counts: the feed follows
    /// that one and has just heard from it. If it has not, its own knowledge may be the old one.
    fn is_elsewhere(&self, origin: &Origin) -> bool {
        let live = |reading: Reading<'_>| reading.is_live(BootTime::now());
        self.coherence.is_foreign(origin) && self.coherence.read().is_some_and(live)
    }

    async fn fill(
        &self,
        store: &Store,
        subject: &Id,
        resource: Option<&(Box<str>, Id)>,
    ) -> Result<Answer, StoreError> {
        let question = Question {
            subject,
            resource: resource.map(|(kind, id)| (&**kind, id)),
        };
        let before = self.coherence.begin();
        let trust = |origin: &Origin| !self.is_elsewhere(origin);
        let answer = match store.postgres() {
            Some(store) => store.ask(&question, Some(&trust)).await?,
            None => store.ask(&question).await?,
        };
        if let (Some(before), Some(origin)) = (before, &answer.origin)
            && let Some(version) = self.coherence.admit(before, origin)
        {
            let now = BootTime::now();
            self.l1
                .keep(&question, &answer, version, &self.coherence, now);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
