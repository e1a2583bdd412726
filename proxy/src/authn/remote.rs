//! Keys behind a URL: fetched in the background, kept while they cannot be.
//!
//! Promise: a set is replaced only by a completely good one, and used for at most `max_age` after
//! it was fetched; past that, or before the first, the answer is "cannot know", never "no" and
//! never "yes". A key that is missing from a later set is withdrawn, even if that set is otherwise
//! unusable. A token whose key is unknown waits for one fetch that began after it came; however
//! many come, there is one fetch per second, and fewer while fetches fail. What is fetched is
//! bounded in size and time, comes over https (http only from loopback), without any proxy, and is
//! never sought on another host than the configured one (OpenID metadata may name another https
//! URL for the keys, but not our own loopback).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::Value;
use sidegate_config::{Algorithm, RemoteKeyKind, RemoteKeySettings};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::public_key::{self, Key};
use super::{json, keys};

/// The most often that a set is fetched, however many tokens ask for it.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The most redirects, all on one host.
const MAX_REDIRECTS: usize = 3;

/// The keys of one issuer behind one URL.
#[derive(Debug)]
pub struct RemoteKeys {
    issuer: String,
    settings: RemoteKeySettings,
    algorithms: BTreeSet<Algorithm>,
    good: ArcSwapOption<Good>,
    /// Rises after `good` has got other keys.
    version: AtomicU64,
    problem: Mutex<Option<String>>,
    wanted: Notify,
    /// When the last finished fetch began.
    finished: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct Good {
    keys: Vec<Key>,
    at: Instant,
}

impl From<reqwest::Error> for FetchError {
    /// Without the URL, whose query may hold a key.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

/// Why a fetch brought no keys.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL, or one that it led to, may not be fetched.
    #[error("{0}: expected https, or http on loopback")]
    Forbidden(String),
    /// The server cannot be reached, or does not answer in time.
    #[error("{0}")]
    Http(reqwest::Error),
    /// The server answers, but not with 200.
    #[error("the server answers {0}")]
    Status(u16),
    /// The answer is too long.
    #[error("the answer is longer than 256 KiB")]
    TooLong,
    /// The answer is no usable key set, or no metadata of this issuer.
    #[error("{0}")]
    Unusable(String),
}

impl RemoteKeys {
    /// Keys that were not fetched yet.
    #[must_use]
    pub fn new(
        issuer: &str,
        settings: &RemoteKeySettings,
        algorithms: &BTreeSet<Algorithm>,
    ) -> Self {
        Self {
            issuer: issuer.to_owned(),
            settings: settings.clone(),
            algorithms: algorithms.clone(),
            good: ArcSwapOption::empty(),
            version: AtomicU64::new(0),
            problem: Mutex::new(None),
            wanted: Notify::new(),
            finished: watch::Sender::new(None),
        }
    }

    /// Whether these are the keys that another configuration asks for too.
    #[must_use]
    pub fn serves(
        &self,
        issuer: &str,
        settings: &RemoteKeySettings,
        algorithms: &BTreeSet<Algorithm>,
    ) -> bool {
        self.issuer == issuer && self.settings == *settings && self.algorithms == *algorithms
    }

    /// Shows the keys to `look`; `None` while there are none that may still be used.
    pub(super) fn with_keys<T>(&self, look: impl FnOnce(&[Key]) -> T) -> Option<T> {
        let good = self.good.load();
        let good = good
            .as_ref()
            .filter(|good| good.at.elapsed() <= self.settings.max_age)?;
        Some(look(&good.keys))
    }

    /// A number that rises whenever the keys become others; `None` while there are none that may be used.
    pub(super) fn version(&self) -> Option<u64> {
        self.is_usable()
            .then(|| self.version.load(Ordering::Acquire))
    }

    /// Whether there are keys that may be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.with_keys(|_| ()).is_some()
    }

    /// That something is wrong, as a sentence for everybody.
    #[must_use]
    pub fn state(&self) -> Option<String> {
        self.problem.lock().as_ref()?;
        let age = self
            .good
            .load()
            .as_ref()
            .map(|good| good.at.elapsed().as_secs());
        let state = match age {
            Some(age) if self.is_usable() => format!("keys from {age} s ago serve"),
            Some(_) | None => "there are no keys".to_owned(),
        };
        Some(format!(
            "issuer `{}`: its keys cannot be fetched: {state}",
            self.issuer
        ))
    }

    /// What is wrong, for who operates this. It may repeat what the other side said.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let problem = self.problem.lock();
        problem
            .as_ref()
            .map(|problem| format!("issuer `{}`: {problem}", self.issuer))
    }

    /// Asks for a fetch and waits until one that began after now has ended; says whether the set is
    /// up to date then. While fetches fail it does not wait: they are tried again in the background.
    /// Never longer than the caller's own time-out lets it.
    pub(super) async fn refetched(&self) -> bool {
        let asked = Instant::now();
        let mut finished = self.finished.subscribe();
        self.wanted.notify_one();
        if self.problem.lock().is_none() {
            // The sender is ours: this ends with a fetch, or with the caller's time-out.
            let _ = finished
                .wait_for(|began| began.is_some_and(|began| began >= asked))
                .await;
        }
        self.problem.lock().is_none()
    }

    /// Fetches for ever: at once, then every `refresh_interval`, when a token asks for it, and
    /// sooner while fetches fail. `report` hears of every fetch.
    pub async fn run(self: Arc<Self>, client: Client, report: impl Fn(Result<usize, &FetchError>)) {
        let mut failures: u32 = 0;
        loop {
            let began = Instant::now();
            let fetched = self.fetch(&client).await;
            failures = if fetched.is_ok() {
                0
            } else {
                failures.saturating_add(1)
            };
            report(fetched.as_ref().copied());
            self.finished.send_replace(Some(began));
            let pause = match failures {
                0 => self.settings.refresh_interval,
                _ => MIN_INTERVAL
                    .saturating_mul(1 << failures.min(5))
                    .min(self.settings.refresh_interval),
            };
            // Who asks does not make us come more often while the other side fails.
            let floor = if failures == 0 { MIN_INTERVAL } else { pause };
            tokio::select! {
                () = sleep_until(began + pause) => {}
                () = self.wanted.notified() => sleep_until(began + floor).await,
            }
        }
    }

    /// Fetches once. The number of usable keys, if it went well; otherwise those that are good stay.
    ///
    /// # Errors
    /// When no usable set was brought back.
    pub async fn fetch(&self, client: &Client) -> Result<usize, FetchError> {
        let fetched = match self.text(client).await {
            Ok(text) => self.adopt(&text),
            Err(error) => Err(error),
        };
        *self.problem.lock() = fetched.as_ref().err().map(ToString::to_string);
        fetched
    }

    fn adopt(&self, text: &[u8]) -> Result<usize, FetchError> {
        let read = public_key::jwks(text, &self.algorithms)
            .and_then(|keys| keys::check_set(&keys).map(|()| keys));
        match read {
            Ok(keys) => {
                let usable = keys.len();
                self.replace(Some(Good {
                    keys,
                    at: Instant::now(),
                }));
                Ok(usable)
            }
            Err(message) => {
                if let Some(members) = public_key::members(text) {
                    self.withdraw(&members);
                }
                Err(FetchError::Unusable(message))
            }
        }
    }

    /// Forgets every key that a set no longer has. The age of the others does not change.
    fn withdraw(&self, members: &[Value]) {
        let good = self.good.load_full();
        let Some(good) = good else { return };
        let is_member = |key: &&Key| {
            key.written
                .as_ref()
                .is_some_and(|key| members.contains(key))
        };
        let keys: Vec<Key> = good.keys.iter().filter(is_member).cloned().collect();
        self.replace((!keys.is_empty()).then_some(Good { keys, at: good.at }));
    }

    /// A set that was fetched again and is the same is the same version.
    fn replace(&self, good: Option<Good>) {
        let before = self.good.swap(good.map(Arc::new));
        let after = self.good.load();
        let written = |good: &Option<Arc<Good>>| {
            let keys = good.iter().flat_map(|good| &good.keys);
            keys.map(|key| key.written.clone()).collect::<Vec<_>>()
        };
        if written(&before) != written(&after) {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    async fn text(&self, client: &Client) -> Result<Vec<u8>, FetchError> {
        let url = permitted(&self.settings.url)?;
        let url = match self.settings.kind {
            RemoteKeyKind::KeySet => url,
            RemoteKeyKind::Discovery => {
                let document = get(client, url.clone(), self.settings.timeout).await?;
                let named = permitted(&metadata(&document, &self.issuer)?)?;
                // Metadata from afar must not make us ask our own loopback.
                if is_loopback(&named) && !is_loopback(&url) {
                    return Err(FetchError::Forbidden("loopback".to_owned()));
                }
                named
            }
        };
        get(client, url, self.settings.timeout).await
    }
}

/// The client that key sets are fetched with.
///
/// # Errors
/// When the system's certificates cannot be read.
pub fn client() -> Result<Client, reqwest::Error> {
    let same_host = Policy::custom(|attempt| {
        let first = attempt.previous().first();
        let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
        if same && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    Client::builder()
        .redirect(same_host)
        // Whoever runs a proxy could choose the keys of an http URL.
        .no_proxy()
        .user_agent("sidegate")
        .build()
}

async fn get(client: &Client, url: Url, timeout: Duration) -> Result<Vec<u8>, FetchError> {
    let mut answer = client.get(url).timeout(timeout).send().await?;
    // A redirect to another host was not followed, and is no key set either.
    if answer.status() != http::StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BYTES {
            return Err(FetchError::TooLong);
        }
    }
    Ok(body)
}

/// OpenID Connect Discovery 1.0 section 4.3: the metadata's issuer must be the configured one.
fn metadata(document: &[u8], issuer: &str) -> Result<String, FetchError> {
    let unusable = |message: &str| FetchError::Unusable(message.to_owned());
    let metadata =
        json::object(document).ok_or_else(|| unusable("the metadata is no JSON object"))?;
    if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(unusable("the metadata is of another issuer"));
    }
    let uri = metadata.get("jwks_uri").and_then(Value::as_str);
    uri.map(str::to_owned)
        .ok_or_else(|| unusable("the metadata has no jwks_uri"))
}

/// A URL that may be spoken to: https, or http on this machine.
pub(super) fn permitted(url: &str) -> Result<Url, FetchError> {
    let parsed = Url::parse(url).map_err(|_no_url| FetchError::Forbidden("no URL".to_owned()))?;
    if parsed.scheme() == "https" || (parsed.scheme() == "http" && is_loopback(&parsed)) {
        Ok(parsed)
    } else {
        Err(FetchError::Forbidden(
            parsed.host_str().unwrap_or("no host").to_owned(),
        ))
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(['.', ']']);
    let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
