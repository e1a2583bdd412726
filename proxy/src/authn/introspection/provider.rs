//! An issuer that can be asked: how many questions at once, and what if it does not answer (DESIGN §7).
//!
//! Promise: no more questions are under way than `max_in_flight`, and none waits for its turn for longer
//! than a quarter of `timeout`. After so many failures in a row the issuer is left alone for a while; then
//! one question at a time may try whether it is back. What a single client's token leads to, and a
//! question that is given up, is no failure. It outlives a reload that asks for the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sidegate_config::IntrospectionSettings;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::question::{Endpoint, Said, Trouble};
use super::tally::{Outcome, Tally};
use crate::breaker::Breaker;
use crate::coherence::BootTime;
use crate::metrics::Scrape;

/// The issuer.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: Arc<str>,
    settings: IntrospectionSettings,
    endpoint: Endpoint,
    slots: Semaphore,
    breaker: Mutex<Breaker>,
    tally: Tally,
    /// Why the last question had no answer.
    problem: Mutex<Option<String>>,
    /// Whether it was said that there was a question which it did not understand.
    unclear: AtomicBool,
}

/// Leave for one question. Given up, it says so.
struct Passage<'p> {
    provider: &'p Provider,
    is_probe: bool,
    is_over: bool,
}

impl Provider {
    /// Of an issuer that has not failed yet. Nothing is connected to.
    pub(super) fn new(issuer: &Arc<str>, settings: &IntrospectionSettings) -> Result<Self, String> {
        Ok(Self {
            issuer: Arc::clone(issuer),
            endpoint: Endpoint::new(settings)?,
            slots: Semaphore::new(settings.max_in_flight),
            breaker: Mutex::new(Breaker::new(&settings.breaker)),
            tally: Tally::default(),
            problem: Mutex::new(None),
            unclear: AtomicBool::new(false),
            settings: settings.clone(),
        })
    }

    /// Whether it is the same in these words.
    pub(super) fn serves(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.settings == other.settings
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) const fn settings(&self) -> &IntrospectionSettings {
        &self.settings
    }

    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn gather_breaker(&self, scrape: &mut Scrape) {
        let labels = ["introspection", self.issuer()];
        self.breaker.lock().gather(labels, scrape);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.breaker.lock().is_closed()
    }

    pub(super) fn in_flight(&self) -> usize {
        let free = self.slots.available_permits();
        self.settings.max_in_flight.saturating_sub(free)
    }

    /// Why it does not answer, for who operates this.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    /// Whether a question would be asked now, as far as the breaker is concerned.
    pub(super) fn may_be_asked(&self) -> bool {
        let may = self.breaker.lock().may_pass(BootTime::now());
        if !may {
            self.tally.add(Outcome::Open);
        }
        may
    }

    /// Asks about a token; `None` without an answer. Within one and a quarter of `timeout`.
    pub(super) async fn ask(&self, token: &str) -> Option<Said> {
        let Some(_slot) = self.slot().await else {
            self.tally.add(Outcome::Busy);
            return None;
        };
        // Only now: those who waited must not go on to an issuer that has failed meanwhile.
        let Some(passage) = self.passage() else {
            self.tally.add(Outcome::Open);
            return None;
        };
        match self.endpoint.ask(token).await {
            Ok(said) => {
                passage.went_well();
                Some(said)
            }
            Err(trouble) => {
                passage.went_wrong(&trouble);
                None
            }
        }
    }

    async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Some(slot);
        }
        let wait = self.settings.timeout / 4;
        timeout(wait, self.slots.acquire()).await.ok()?.ok()
    }

    fn passage(&self) -> Option<Passage<'_>> {
        let mut breaker = self.breaker.lock();
        let is_probe = !breaker.is_closed();
        (!is_probe || breaker.probe(BootTime::now())).then_some(Passage {
            provider: self,
            is_probe,
            is_over: false,
        })
    }

    /// Says once what goes wrong again and again.
    fn say(&self, trouble: Option<String>, open: Option<Duration>) {
        let mut problem = self.problem.lock();
        if *problem == trouble && open.is_none() {
            return;
        }
        let issuer = &*self.issuer;
        match (&trouble, open) {
            (Some(reason), Some(open)) => {
                tracing::warn!(
                    issuer,
                    reason,
                    ?open,
                    "an issuer cannot be asked about tokens: it is left alone"
                );
            }
            (Some(reason), None) => {
                tracing::warn!(
                    issuer,
                    reason,
                    "an issuer has not answered a question about a token"
                );
            }
            (None, _) => tracing::info!(issuer, "an issuer answers questions about tokens again"),
        }
        *problem = trouble;
    }
}

impl Passage<'_> {
    fn went_well(mut self) {
        self.is_over = true;
        let mut breaker = self.provider.breaker.lock();
        if self.is_probe {
            breaker.probe_succeeded();
        } else {
            breaker.succeeded();
        }
        let is_closed = breaker.is_closed();
        drop(breaker);
        if is_closed {
            self.provider.say(None, None);
        }
    }

    fn went_wrong(mut self, trouble: &Trouble) {
        let provider = self.provider;
        if !trouble.is_failure() {
            provider.tally.add(Outcome::Unclear);
            // Once: clients choose how often it happens. The metric has the rest.
            if !provider.unclear.swap(true, Ordering::Relaxed) {
                let issuer = provider.issuer();
                tracing::warn!(issuer, reason = %trouble, "an issuer has not answered a question about a token");
            }
            return;
        }
        self.is_over = true;
        provider.tally.add(Outcome::Failed);
        let now = BootTime::now();
        let mut breaker = provider.breaker.lock();
        let was_closed = breaker.is_closed();
        if self.is_probe {
            breaker.probe_failed(now);
        } else {
            breaker.failed(now);
        }
        let opens = was_closed && !breaker.is_closed();
        drop(breaker);
        let open = opens.then_some(provider.settings.breaker.open);
        provider.say(Some(trouble.to_string()), open);
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.is_probe && !self.is_over {
            self.provider.breaker.lock().abandoned();
        }
    }
}
