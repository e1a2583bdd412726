//! Answers that instances share, in Redis: they outlive a restart, and spare the database what another
//! instance has asked already (DESIGN §4).
//!
//! Promise: Redis is never believed. What is read was [sealed](seal) by somebody with a key for this very
//! question, and its caller admits it only by [`admit_shared`](crate::coherence::Coherence::admit_shared)
//! (R2); so whoever can write to Redis, and a Redis that forgets, goes back in time or lies, can cause
//! misses and nothing else. A question costs Redis one command and the request at most `total_timeout`;
//! after a few failures in a row it is left alone ([`Breaker`]), and only a probe in the background asks
//! whether it is back. Nobody waits for a write.
//!
//! Does not: keep that there is no such subject or resource, or decide what counts.

mod key;
mod link;
mod record;
mod seal;
mod tally;
mod untrusted;
mod write;

#[cfg(test)]
mod tests;

pub use untrusted::is_refused_unsealed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use sidegate_config::{CacheSettings, RedisSettings, Secret};
use sidegate_policy::IdType;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::breaker::Breaker;
use crate::cache::age::Ages;
use crate::clock::Clock;
use crate::coherence::{BootTime, Namespace};
use crate::database::Notice;
use crate::metrics::Scrape;
use crate::store::{Answer, Question};
use crate::tls::{self, TlsError};
use key::Key;
use link::{Link, Links, MOST, Trouble};
use record::Record;
use seal::Seals;
use tally::Tally;
use write::{Lifetimes, Offer};

pub use tally::{Lookup, Write};

/// How soon the connections are opened anew, after their client has given up.
const REOPEN: Duration = Duration::from_secs(1);
/// How often it is looked whether there is a connection.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked whether a probe is due.
const ROUND: Duration = Duration::from_millis(100);

/// The shared cache.
#[derive(Debug)]
pub struct L2 {
    settings: RedisSettings,
    /// Of the certificate authority's file.
    authority: Option<[u8; 32]>,
    subject_id: IdType,
    clock: Clock,
    lifetimes: Lifetimes,
    seals: Seals,
    links: Links,
    /// There while it is tended.
    link: ArcSwapOption<Link>,
    breaker: Mutex<Breaker>,
    /// What the breaker says, for those who only ask.
    is_closed: AtomicBool,
    /// Whether the last command that says something about Redis failed.
    failing: AtomicBool,
    offers: mpsc::Sender<Offer>,
    queue: tokio::sync::Mutex<mpsc::Receiver<Offer>>,
    tally: Tally,
    notice: Notice,
    connecting: Notice,
}

/// Why there can be none.
#[derive(Debug, thiserror::Error)]
pub enum L2Error {
    /// The client does not understand the address. Its own message may repeat parts of it.
    #[error("url: the client does not understand this URL: check host, port and parameters")]
    Url,
    /// The certificates cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
}

/// What a command was sent for.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// A request, while the breaker was closed.
    Request,
    /// To see whether Redis is back.
    Probe,
}

/// An answer that was found, and what it takes to tell whether it counts.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its rows.
    pub answer: Answer,
    /// The xmin of the statement that made it (R2).
    pub xmin: u64,
    /// How long ago it was written, by the wall clocks of two instances.
    pub age: Duration,
}

impl L2 {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the address or the certificates cannot be used.
    pub fn new(
        settings: &RedisSettings,
        cache: &CacheSettings,
        subject_id: IdType,
    ) -> Result<Self, L2Error> {
        let (offers, queue) = mpsc::channel(settings.write_queue);
        Ok(Self {
            authority: tls::fingerprint(settings.ca_file.as_deref()),
            subject_id,
            clock: Clock::System,
            lifetimes: Lifetimes::new(cache),
            seals: Seals::new(settings.mac_keys.iter().map(Secret::expose)),
            links: Links::new(settings)?,
            link: ArcSwapOption::empty(),
            breaker: Mutex::new(Breaker::new(&settings.breaker)),
            is_closed: AtomicBool::new(true),
            failing: AtomicBool::new(false),
            offers,
            queue: tokio::sync::Mutex::new(queue),
            tally: Tally::default(),
            notice: Notice::new("asking Redis"),
            connecting: Notice::new("connecting to Redis"),
            settings: settings.clone(),
        })
    }

    /// Whether it is what these settings ask for.
    #[must_use]
    pub fn serves(&self, settings: &RedisSettings) -> bool {
        self.settings == *settings
            && self.authority == tls::fingerprint(settings.ca_file.as_deref())
    }

    /// The answer to a question, if one is there that was sealed for it and is in time. Within
    /// `total_timeout`. To be called where tokio's time goes on.
    pub async fn get(&self, namespace: Namespace, question: &Question<'_>) -> Option<Found> {
        let key = Key::new(namespace, question);
        let looked = self.look(&key, question).await;
        match looked {
            // Counted by [`Self::judged`], when it is known whether it counts.
            Ok(found) => Some(found),
            Err(lookup) => {
                self.tally.looked(lookup);
                None
            }
        }
    }

    /// What became of an answer that was found.
    pub fn judged(&self, found: &Found, counts: bool) {
        if counts {
            self.tally.hit(found.age);
        } else {
            self.tally.looked(Lookup::Changed);
        }
    }

    /// Takes over writing an answer, if there is room for it. Returns at once.
    pub fn offer(&self, namespace: Namespace, question: &Question<'_>, answer: &Answer, xmin: u64) {
        if !self.is_closed() {
            self.tally.wrote(Write::Dropped);
            return;
        }
        let offer = Offer::new(namespace, question, answer, xmin);
        if self.offers.try_send(offer).is_err() {
            self.tally.wrote(Write::Dropped);
        }
    }

    /// Holds the connections, writes what was offered and asks whether Redis is back, for as long as it is
    /// polled. Once at a time.
    pub async fn tend(&self) {
        let mut queue = self.queue.lock().await;
        loop {
            match self.links.open() {
                Ok((link, mut drivers)) => {
                    let link = Arc::new(link);
                    self.link.store(Some(Arc::clone(&link)));
                    let _unlink = Unlink(self);
                    tokio::select! {
                        () = self.write(&link, &mut queue) => {}
                        () = self.probe(&link) => {}
                        () = self.watch(&link) => {}
                        reason = drivers.ended() => self.connecting.failed(&reason),
                    }
                }
                Err(error) => self.notice.failed(&error.to_string()),
            }
            sleep(REOPEN).await;
        }
    }

    /// Reads where its breaker stands.
    pub(crate) fn gather_breaker(&self, scrape: &mut Scrape) {
        self.breaker.lock().gather(["redis", ""], scrape);
    }

    /// Whether Redis is asked, rather than left alone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.link.load().as_ref().map_or(0, |link| link.connected())
    }

    /// The ages of what was found and counted.
    #[must_use]
    pub fn ages(&self) -> Ages {
        self.tally.ages()
    }

    /// Look-ups by how they ended.
    pub fn lookups(&self) -> impl Iterator<Item = (Lookup, u64)> {
        self.tally.lookups()
    }

    /// Writes by how they ended.
    pub fn writes(&self) -> impl Iterator<Item = (Write, u64)> {
        self.tally.writes()
    }

    async fn look(&self, key: &Key, question: &Question<'_>) -> Result<Found, Lookup> {
        if !self.is_closed() {
            return Err(Lookup::Skipped);
        }
        // Without a connection nothing is lost by asking for none, and it says nothing new about Redis.
        let link = self.link.load_full().filter(|link| link.is_connected());
        let link = link.ok_or(Lookup::Skipped)?;
        let asked = timeout(self.settings.total_timeout, link.get(key.as_bytes())).await;
        let value = match asked {
            Ok(Ok(value)) => {
                self.went(Way::Request, Ok(()));
                value
            }
            Ok(Err(Trouble::Refused)) => {
                self.went(Way::Request, Ok(()));
                return Err(Lookup::Malformed);
            }
            Ok(Err(Trouble::Away)) | Err(_) => {
                self.went(Way::Request, Err(Trouble::Away));
                return Err(Lookup::Away);
            }
        };
        if value.is_empty() {
            return Err(Lookup::Absent);
        }
        if value.len() > MOST {
            return Err(Lookup::Malformed);
        }
        let body = self.seals.open(key.as_bytes(), &value);
        let body = body.map_err(|_forged| Lookup::Forged)?;
        let record = Record::read(body, question, self.subject_id);
        let Record {
            answer,
            xmin,
            since,
            until,
        } = record.map_err(|_malformed| Lookup::Malformed)?;
        let now = self.now();
        if until <= now {
            return Err(Lookup::Expired);
        }
        let age = Duration::from_secs(now.saturating_sub(since));
        Ok(Found { answer, xmin, age })
    }

    /// How a command went that says something about Redis.
    fn went(&self, way: Way, outcome: Result<(), Trouble>) {
        // Well, nearly always: nothing to note and no lock to take.
        if outcome.is_ok() && self.is_closed() && !self.failing.load(Ordering::Relaxed) {
            return;
        }
        let mut breaker = self.breaker.lock();
        match (way, outcome) {
            (Way::Request, Ok(())) => breaker.succeeded(),
            (Way::Request, Err(_)) => breaker.failed(BootTime::now()),
            (Way::Probe, Ok(())) => breaker.probe_succeeded(),
            (Way::Probe, Err(_)) => breaker.probe_failed(BootTime::now()),
        }
        self.failing.store(outcome.is_err(), Ordering::Relaxed);
        let is_closed = breaker.is_closed();
        let was_closed = self.is_closed.swap(is_closed, Ordering::Relaxed);
        drop(breaker);
        match (was_closed, is_closed) {
            (true, false) => self.notice.failed("it is left alone for a while"),
            (false, true) => self.notice.worked(),
            _ => {}
        }
    }

    /// Asks whether it is back, so that no request has to.
    async fn probe(&self, link: &Link) {
        // One that went on when the connections were given up has not ended.
        self.breaker.lock().abandoned();
        loop {
            sleep(ROUND).await;
            while self.breaker.lock().probe(BootTime::now()) {
                let asked = timeout(self.settings.total_timeout, link.ping()).await;
                let outcome = match asked {
                    Ok(Ok(()) | Err(Trouble::Refused)) => Ok(()),
                    Ok(Err(Trouble::Away)) | Err(_) => Err(Trouble::Away),
                };
                self.went(Way::Probe, outcome);
            }
        }
    }

    /// Says when there is no connection, and why, and when there is one again.
    async fn watch(&self, link: &Link) {
        let mut was_connected = false;
        loop {
            let trouble = timeout(LOOK, link.trouble()).await;
            match (link.is_connected(), trouble) {
                (true, _) if was_connected => {}
                (true, _) => {
                    tracing::info!("connected to Redis");
                    self.connecting.worked();
                }
                (false, Ok(reason)) => self.connecting.failed(&reason),
                (false, Err(_elapsed)) => {}
            }
            was_connected = link.is_connected();
        }
    }

    /// Seconds since 1970. Expiry is no security bound: a clock that is wrong costs hits.
    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().0 / 1_000_000).unwrap_or_default()
    }
}

struct Unlink<'l>(&'l L2);

impl Drop for Unlink<'_> {
    fn drop(&mut self) {
        self.0.link.store(None);
    }
}
