//! Media: what some routes answer is an object in a storage, and a permitted client is sent there.
//!
//! Promise: whoever learns where an object is has a permit for it, made now: what is kept is read after an
//! allow alone, and never on stale facts. A storage that is slow, away or talks nonsense costs a request
//! `links.storage.timeout` at most, and the application answers; after some failures in a row it is left
//! alone. One object is asked for once at a time. Memory, connections and times are bounded.
//!
//! Does not: end a URL that was given. The storage does, `links.storage.expires_in` after it signed: the
//! one stated exception to the bound on revoked rights.

mod kept;
mod object;
mod storage;
mod tally;

pub use object::Object;
pub use storage::{MediaError, StorageError};
pub use tally::Asked;
pub(crate) use tally::METRICS;

use std::sync::Arc;

use http::HeaderValue;
use parking_lot::Mutex;
use sidegate_config::{CacheSettings, StorageSettings};
use sidegate_policy::Policy;
use tokio::sync::Semaphore;

use crate::authz::{Grant, Permit};
use crate::breaker::Breaker;
use crate::cache::{Flights, Landed, Terms};
use crate::coherence::BootTime;
use crate::metrics::Scrape;
use kept::{Entry, Kept, Key};
use storage::Storage;
use tally::Tally;

/// The most questions under way. With one more the application answers.
const MAX_QUESTIONS: usize = 64;

/// A storage, and what it has signed.
#[derive(Debug)]
pub struct Media {
    settings: StorageSettings,
    storage: Storage,
    kept: Kept,
    flights: Flights<Option<Entry>, Key>,
    breaker: Mutex<Breaker>,
    slots: Semaphore,
    tally: Tally,
}

impl Media {
    /// With nothing in memory. Connects to nothing.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(settings: &StorageSettings, cache: &CacheSettings) -> Result<Self, MediaError> {
        Ok(Self {
            storage: Storage::new(settings)?,
            // Whoever is given a URL from memory has half of its life at least.
            kept: Kept::new(
                cache.media_bytes,
                cache.media_ttl.min(settings.expires_in / 2),
            ),
            flights: Flights::new(),
            breaker: Mutex::new(Breaker::new(&settings.breaker)),
            slots: Semaphore::new(MAX_QUESTIONS),
            tally: Tally::default(),
            settings: settings.clone(),
        })
    }

    /// Whether other settings ask for just this.
    #[must_use]
    pub fn serves(&self, settings: &StorageSettings, cache: &CacheSettings) -> bool {
        let ttl = cache.media_ttl.min(settings.expires_in / 2);
        self.settings == *settings && self.kept.is(cache.media_bytes, ttl)
    }

    /// Where the storage has what was permitted; `None`: the application answers.
    pub async fn location(
        self: &Arc<Self>,
        permit: &Permit,
        policy: &Policy,
    ) -> Option<HeaderValue> {
        let Grant::Decided { resource, .. } = permit.grant() else {
            return None;
        };
        // A right that may be gone for longer than the bound already gets no URL that outlives it.
        if permit.is_stale() {
            return None;
        }
        let id = resource.id.as_ref()?;
        let key = Key {
            kind: policy.kind_name(resource.kind).into(),
            id: id.clone(),
            object: permit.route().media.as_ref()?.of(id)?.into(),
        };
        let terms = Terms {
            now: BootTime::now(),
            max_age: self.settings.timeout,
            since: None,
        };
        let known = || self.kept.find(&key, BootTime::now()).map(Some);
        let media = Arc::clone(self);
        let asked = key.clone();
        let make = || -> futures_util::future::BoxFuture<'static, _> {
            Box::pin(async move { Ok(media.ask(asked).await) })
        };
        let found = match known() {
            Some(found) => Landed::Known(found),
            None => self
                .flights
                .join(key.clone(), terms, known, make)
                .await
                .ok()?,
        };
        let entry = match found {
            Landed::Known(entry) => {
                self.tally.hit();
                entry
            }
            Landed::Flown(entry, _) => entry,
        };
        entry.map(|entry| entry.location)
    }

    /// How the storage was asked, and what is in memory, as metrics.
    pub fn gather(&self, scrape: &mut Scrape) {
        self.breaker.lock().gather(["storage", ""], scrape);
        self.tally.gather(self.kept.bytes(), scrape);
    }

    async fn ask(self: Arc<Self>, key: Key) -> Option<Entry> {
        let (asked, entry) = match (self.slots.try_acquire(), Pass::admitted(&self.breaker)) {
            (Ok(_slot), Some(pass)) => {
                let now = BootTime::now();
                let signed = self.storage.sign(&key.object).await;
                pass.end(&signed);
                match signed {
                    Ok(location) => (Asked::Signed, Some(self.kept.keep(key, location, now))),
                    Err(error) => (Asked::Failed(error), None),
                }
            }
            (Err(_), _) => (Asked::Busy, None),
            (Ok(_), None) => (Asked::LeftAlone, None),
        };
        self.tally.asked(asked);
        entry
    }
}

/// Leave to ask the storage. Given up without an end, the next one may probe.
struct Pass<'m> {
    breaker: &'m Mutex<Breaker>,
    is_probe: bool,
    has_ended: bool,
}

impl<'m> Pass<'m> {
    fn admitted(breaker: &'m Mutex<Breaker>) -> Option<Self> {
        let mut state = breaker.lock();
        let is_probe = !state.is_closed();
        if is_probe && !state.probe(BootTime::now()) {
            return None;
        }
        drop(state);
        Some(Self {
            breaker,
            is_probe,
            has_ended: false,
        })
    }

    fn end(mut self, signed: &Result<HeaderValue, StorageError>) {
        self.has_ended = true;
        let mut breaker = self.breaker.lock();
        let was_closed = breaker.is_closed();
        let now = BootTime::now();
        match (signed, self.is_probe) {
            (Err(error), true) if error.is_failure() => breaker.probe_failed(now),
            (Err(error), false) if error.is_failure() => breaker.failed(now),
            (Ok(_) | Err(_), true) => breaker.probe_succeeded(),
            (Ok(_) | Err(_), false) => breaker.succeeded(),
        }
        let is_closed = breaker.is_closed();
        drop(breaker);
        match (was_closed, is_closed) {
            (true, false) => {
                let reason = signed.as_ref().err().map(ToString::to_string);
                tracing::warn!(
                    reason,
                    "the storage fails and is left alone: the application answers"
                );
            }
            (false, true) => tracing::info!("the storage signs again"),
            (true, true) | (false, false) => {}
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe && !self.has_ended {
            self.breaker.lock().abandoned();
        }
    }
}

#[cfg(test)]
mod tests;
