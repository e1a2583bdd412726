//! Where the rows of a decision come from: memory, the shared cache, a query that is under way, the store.
//!
//! Promises: rows that are allowed on were true at one instant, at most [`BOUND`] ago (DESIGN §5, R1), or
//! where the route has opted in and the store cannot be asked, as long ago as the route says; rows that
//! are refused on were read after the request arrived (R5); a store that cannot answer is an error, never
//! an empty answer. A lease that has ended makes everybody wait for one poll, not for a query each, and
//! so do rows that were read apart; and one question that many miss is one query.
//!
//! Does not: decide.

mod asked;
mod credentials;
mod kept;
mod view;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::cache::{FlightKey, Landed, Terms};
use crate::coherence::{BOUND, BootTime, Ground, Moment, Tag};
use crate::store::{Answer, Question, Store, StoreError};
use asked::Asked;
use kept::Looked;
use sidegate_policy::Id;

pub(crate) use asked::tags;
pub use credentials::{Known, Patience};
pub use kept::{Answered, Kept, Tier};

/// A query that began longer ago is not joined: its answer could be too old when it comes.
const JOIN_WITHIN: Duration = Duration::from_millis(500);
const _: () = assert!(JOIN_WITHIN.as_millis() * 2 <= BOUND.as_millis());

/// A store, and what is kept of its answers.
#[derive(Debug)]
pub struct Facts {
    store: Arc<Store>,
    kept: Option<Arc<Kept>>,
}

/// Who asks. Hit rates are of requests: one that lasts asks again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A request that has just come.
    Request,
    /// One that is being forwarded.
    Stream,
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
    /// When they were true.
    pub moment: Moment,
    /// Where they came from.
    pub tier: Tier,
}

impl Sourced {
    const fn new(answer: Answer, moment: Moment, tier: Tier) -> Self {
        Self {
            tier,
            answer,
            is_fresh: false,
            is_stale: false,
            moment,
        }
    }

    /// Until when they may be allowed on, where `stale_if_error` is how old they may be if the store cannot
    /// be asked.
    #[must_use]
    pub fn good_until(&self, stale_if_error: Duration) -> BootTime {
        let age = if self.is_stale { stale_if_error } else { BOUND };
        self.moment.true_at().after(age)
    }
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
        asker: Asker,
    ) -> Result<Sourced, StoreError> {
        let Some(kept) = &self.kept else {
            return self.plain(question).await;
        };
        let count = |tier| {
            if asker == Asker::Request {
                kept.count(tier);
            }
        };
        let found = match kept.look(question, arrived) {
            Looked::Found(answer, moment) => Some((answer, moment)),
            Looked::Missing => None,
            Looked::Stale => kept.after_a_poll(question, arrived).await,
        };
        if let Some((answer, moment)) = found {
            count(Tier::Memory);
            return Ok(Sourced::new(answer, moment, Tier::Memory));
        }
        if let Some((answer, moment, tier)) = kept.shared(question, &self.store).await {
            count(tier);
            return Ok(Sourced::new(answer, moment, tier));
        }
        let error = match self.query(kept, question, arrived, None).await {
            Ok(sourced) => {
                count(Tier::Store);
                return Ok(sourced);
            }
            Err(error) => error,
        };
        let stale = if error.is_outage() {
            kept.stale(question, stale_if_error)
        } else {
            None
        };
        // What nobody has answered is no answer: hit rates are of answers.
        let (answer, moment) = stale.ok_or(error)?;
        count(Tier::Stale);
        Ok(Sourced {
            is_stale: true,
            ..Sourced::new(answer, moment, Tier::Stale)
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
            Some((answer, moment)) => Ok(Sourced {
                is_fresh: true,
                ..Sourced::new(answer, moment, Tier::Memory)
            }),
            None => self.query(kept, question, arrived, Some(arrived)).await,
        }
    }

    /// Until when a subject whose row nobody can read may be taken for an active one (DESIGN §7): it was not inactive
    /// when it was read last, no change of it was told that was not read, and the feed was heard of at most so
    /// long ago.
    #[must_use]
    pub fn may_be_active_until(&self, subject: &Id, at_most: Duration) -> Option<BootTime> {
        let kept = self.kept.as_ref().filter(|_| !at_most.is_zero())?;
        let coherence = kept.coherence();
        let reading = coherence.read()?;
        let active = kept.l1().was_active(subject, &reading);
        let unheard = || !coherence.has_told_of(Tag::User(subject.as_str()));
        let until = reading.start().after(at_most);
        let in_time = reading.is_within(at_most, BootTime::now());
        (active.unwrap_or_else(unheard) && in_time).then_some(until)
    }

    /// What an answer rests on, for whoever goes by it for longer than a moment; `None`: it has to be asked
    /// for again.
    #[must_use]
    pub fn ground<'t>(
        &self,
        question: &Question<'t>,
        sourced: &'t Sourced,
        credential: impl Iterator<Item = Tag<'t>>,
    ) -> Option<Ground> {
        let kept = self.kept.as_ref().filter(|_| !sourced.is_stale)?;
        let tags = tags(question, &sourced.answer).chain(credential);
        kept.coherence().ground(sourced.moment, tags)
    }

    async fn plain(&self, question: &Question<'_>) -> Result<Sourced, StoreError> {
        let asked = Moment::at(BootTime::now());
        Ok(Sourced {
            is_fresh: true,
            ..Sourced::new(self.store.ask(question).await?, asked, Tier::Store)
        })
    }

    async fn query(
        &self,
        kept: &Arc<Kept>,
        question: &Question<'_>,
        arrived: BootTime,
        since: Option<BootTime>,
    ) -> Result<Sourced, StoreError> {
        // Before the clock: whatever begins from then on has what was told until now.
        let applied = kept.coherence().applied();
        let now = BootTime::now();
        let terms = Terms {
            now,
            max_age: JOIN_WITHIN,
            since,
        };
        let make = || {
            let (store, kept) = (Arc::clone(&self.store), Arc::clone(kept));
            let asked = Asked::from(question);
            let query: BoxFuture<'static, _> =
                Box::pin(async move { kept.fill(&store, &asked.question()).await });
            query
        };
        let key = FlightKey::of(question);
        // Whoever needs what began after an instant is not served by what is in memory.
        let mut seen = None;
        let known = || match since {
            None => {
                let (answer, moment) = kept.find(question, arrived)?;
                seen = Some(moment);
                Some(answer)
            }
            Some(_) => None,
        };
        let landed = kept
            .queries_under_way()
            .join(key, terms, known, make)
            .await?;
        Ok(match landed {
            Landed::Known(answer) => {
                let moment = seen.unwrap_or(Moment::at(BootTime::START));
                Sourced::new(answer, moment, Tier::Memory)
            }
            Landed::Flown(answer, began) => {
                let moment = Moment::at(began);
                let moment = moment.with_polls_up_to(applied.filter(|_| began >= now));
                Sourced {
                    is_fresh: began >= arrived,
                    ..Sourced::new(answer, moment, Tier::Store)
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
