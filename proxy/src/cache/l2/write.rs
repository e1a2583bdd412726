//! Writing answers behind the requests that asked for them.
//!
//! Promise: a request only puts its rows into a queue of a fixed length, or does not; several writes are
//! under way at once; one that fails is counted and forgotten. What is written ends by itself: after the
//! shortest of its rows' times, less up to a tenth so that what was written together does not end
//! together, and not later than the membership that it speaks of.
//!
//! Does not: write in the order of the statements. An older answer over a newer one costs a miss.

use std::time::Duration;

use futures_util::future::join_all;
use sidegate_config::CacheSettings;
use sidegate_policy::{Id, UnixMicros, team_of};
use tokio::sync::mpsc;

use super::key::Key;
use super::link::{Link, MOST, Trouble};
use super::record::Record;
use super::tally::Write;
use super::{L2, Namespace};
use crate::cache::entry::early;
use crate::coherence::BootTime;
use crate::store::{Answer, Question};

/// Writes under way at once.
const AT_ONCE: usize = 64;

/// An answer to be written.
#[derive(Debug)]
pub(super) struct Offer {
    namespace: Namespace,
    subject: Id,
    resource: Option<(Box<str>, Id)>,
    answer: Answer,
    xmin: u64,
}

/// How long an answer is kept, by its rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetimes {
    subject: Duration,
    resource: Duration,
    membership: Duration,
    project: Duration,
    /// That there is no such membership or project.
    absent: Duration,
}

impl Offer {
    pub(super) fn new(
        namespace: Namespace,
        question: &Question<'_>,
        answer: &Answer,
        xmin: u64,
    ) -> Self {
        let resource = question.resource;
        Self {
            namespace,
            subject: question.subject.clone(),
            resource: resource.map(|(kind, id)| (kind.into(), id.clone())),
            answer: answer.clone(),
            xmin,
        }
    }

    fn question(&self) -> Question<'_> {
        let resource = self.resource.as_ref();
        Question {
            subject: &self.subject,
            resource: resource.map(|(kind, id)| (&**kind, id)),
        }
    }
}

impl Lifetimes {
    pub(super) fn new(settings: &CacheSettings) -> Self {
        Self {
            subject: settings.user_auth.l2_ttl,
            resource: settings.direct_ownership.l2_ttl,
            membership: settings.team_access.l2_ttl,
            project: settings.project_visibility.l2_ttl,
            absent: settings.negative_ttl,
        }
    }

    /// Below a second: not at all. `now` is in microseconds since 1970.
    fn of(&self, answer: &Answer, now: UnixMicros) -> Duration {
        let mut least = self.subject;
        if let Some(resource) = &answer.resource {
            least = least.min(self.resource);
            if resource.project.is_some() {
                let known = answer.project.is_some();
                least = least.min(if known { self.project } else { self.absent });
            }
            if team_of(resource, answer.project.as_deref()).is_some() {
                let known = answer.membership.is_some();
                least = least.min(if known { self.membership } else { self.absent });
            }
        }
        let end = answer.membership.as_ref().and_then(|row| row.expires_at);
        // One that has ended grants nothing, and lasts.
        let left = end
            .map(|end| end.0.saturating_sub(now.0))
            .filter(|left| *left > 0);
        if let Some(left) = left.and_then(|left| u64::try_from(left).ok()) {
            least = least.min(Duration::from_micros(left));
        }
        least
    }
}

impl L2 {
    /// Writes what is offered, for ever.
    pub(super) async fn write(&self, link: &Link, queue: &mut mpsc::Receiver<Offer>) {
        let mut offers = Vec::with_capacity(AT_ONCE);
        // Its sender is ours, so it never ends.
        while queue.recv_many(&mut offers, AT_ONCE).await > 0 {
            let writes = offers.drain(..).map(|offer| self.write_one(link, offer));
            join_all(writes).await;
        }
    }

    async fn write_one(&self, link: &Link, offer: Offer) {
        if !self.is_closed() {
            self.tally.wrote(Write::Dropped);
            return;
        }
        let Some((key, value, ttl)) = self.sealed(offer) else {
            return;
        };
        match link.set(key.as_bytes(), value, ttl).await {
            Ok(()) => self.tally.wrote(Write::Done),
            // A full Redis still answers what it has: only look-ups tell whether it is away.
            Err(Trouble::Away | Trouble::Refused) => self.tally.wrote(Write::Failed),
        }
    }

    /// What is written of an answer, if it is.
    fn sealed(&self, offer: Offer) -> Option<(Key, Vec<u8>, u64)> {
        let question = offer.question();
        let key = Key::new(offer.namespace, &question);
        let ttl = self.lifetimes.of(&offer.answer, self.clock.now());
        let ttl = ttl.saturating_sub(early(BootTime::now(), ttl)).as_secs();
        if ttl == 0 {
            return None;
        }
        let now = self.now();
        let record = Record {
            answer: offer.answer.clone(),
            xmin: offer.xmin,
            since: now,
            until: now.saturating_add(ttl),
        };
        let body = record.write(&question, self.settings.compress_above)?;
        let value = self.seals.seal(key.as_bytes(), &body)?;
        (value.len() <= MOST).then_some((key, value, ttl))
    }
}
