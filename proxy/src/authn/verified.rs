//! Tokens that were verified, by what they hash to (class `user_auth` of the caches).
//!
//! Promise: a token is found only while it would verify again: under the settings it was verified with (a
//! new configuration begins with nothing), with the keys that its issuer has now, where it was found then,
//! before its end, and for `cache.classes.user_auth.ttl` at most. One that its issuer has said to be active
//! is found for as long as that is believed, by the clock that nobody sets. Only good tokens are kept, so no
//! flood of others pushes them out. Memory is bounded in bytes.
//!
//! Does not: say whether the subject may do anything, or is still active: its row says, every time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sidegate_policy::UnixMicros;

use super::{Carrier, Principal};
use crate::coherence::BootTime;
use crate::metrics::{Definition, Label, Scrape};

/// What stands for a token: its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name([u8; 32]);

/// The cache.
pub(super) struct VerifiedTokens {
    /// `None`: none are kept.
    entries: Option<Cache<Name, Entry, Weight>>,
    ttl: Duration,
    from_memory: AtomicU64,
    verified: AtomicU64,
    confirmed: AtomicU64,
}

/// A token that was good.
#[derive(Debug, Clone)]
struct Entry {
    principal: Arc<Principal>,
    /// Of the issuer's keys, before its signature was checked.
    keys: u64,
    /// When it was verified: earlier, its `nbf` may not have come.
    since: UnixMicros,
    until: UnixMicros,
    /// Until when its issuer's answer is believed, if it was asked.
    believed: Option<BootTime>,
}

impl Name {
    pub(super) fn of(token: &str) -> Self {
        let hash = digest(&SHA256, token.as_bytes());
        let mut name = [0; 32];
        for (byte, hashed) in name.iter_mut().zip(hash.as_ref()) {
            *byte = *hashed;
        }
        Self(name)
    }
}

impl VerifiedTokens {
    /// Of at most so many bytes; 0 keeps none.
    pub(super) fn new(bytes: u64, ttl: Duration) -> Self {
        let entries = usize::try_from(bytes).unwrap_or(usize::MAX) / TYPICAL;
        let cache = || Cache::with_weighter(entries.max(1), bytes, Weight);
        Self {
            entries: (bytes > 0).then(cache),
            ttl,
            from_memory: AtomicU64::new(0),
            verified: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
        }
    }

    /// Who presents a token that was verified. `keys` is the version of an issuer's keys, or `None` while
    /// they cannot be used.
    pub(super) fn find(
        &self,
        name: &Name,
        carrier: &Carrier,
        now: UnixMicros,
        keys: impl FnOnce(&str) -> Option<u64>,
    ) -> Option<Arc<Principal>> {
        let entry = self.entries.as_ref()?.get(name)?;
        let principal = entry.principal;
        let same_place = principal
            .carrier
            .as_ref()
            .is_some_and(|(known, _)| known == carrier);
        let version = principal.issuer.as_deref().and_then(keys)?;
        let is_believed = entry.believed.is_none_or(|until| BootTime::now() < until);
        let in_time = entry.since <= now && now < entry.until && is_believed;
        if !in_time || version != entry.keys || !same_place {
            return None;
        }
        self.from_memory.fetch_add(1, Ordering::Relaxed);
        Some(principal)
    }

    /// Keeps a token that has just been verified with keys of this version.
    pub(super) fn keep(&self, name: Name, principal: &Arc<Principal>, keys: u64, now: UnixMicros) {
        self.verified.fetch_add(1, Ordering::Relaxed);
        // A token that was verified has an end.
        if principal.expires_at.is_some() {
            self.insert(name, principal, keys, now, None);
        }
    }

    /// Keeps a token that its issuer has just said to be active, for as long as that is believed.
    pub(super) fn believe(
        &self,
        name: Name,
        principal: &Arc<Principal>,
        version: u64,
        now: UnixMicros,
        until: BootTime,
    ) {
        self.confirmed.fetch_add(1, Ordering::Relaxed);
        if BootTime::now() < until {
            self.insert(name, principal, version, now, Some(until));
        }
    }

    fn insert(
        &self,
        name: Name,
        principal: &Arc<Principal>,
        keys: u64,
        now: UnixMicros,
        believed: Option<BootTime>,
    ) {
        let Some(entries) = &self.entries else {
            return;
        };
        let end = principal.expires_at.map_or(i64::MAX, |end| end.0);
        let ttl = i64::try_from(self.ttl.as_micros()).unwrap_or(i64::MAX);
        let until = UnixMicros(end.min(now.0.saturating_add(ttl)));
        let principal = Arc::clone(principal);
        entries.insert(
            name,
            Entry {
                principal,
                keys,
                since: now,
                until,
                believed,
            },
        );
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.as_ref().map_or(0, Cache::weight)
    }

    /// Read when somebody scrapes.
    pub(super) fn gather(&self, scrape: &mut Scrape) {
        let counts = [&self.from_memory, &self.verified, &self.confirmed];
        for (from, count) in FROM.iter().zip(counts) {
            scrape.add(&TOKENS, &[from], count.load(Ordering::Relaxed));
        }
        scrape.add(&BYTES, &[], self.bytes());
    }
}

/// What has said that a token is good.
const FROM: [&str; 3] = ["memory", "signature", "issuer"];

static TOKENS: Definition = Definition::counter(
    "sidegate_tokens_total",
    "Good tokens that were presented, by what said so",
)
.by(&[Label::closed("from", || FROM.into())]);
static BYTES: Definition =
    Definition::gauge("sidegate_token_bytes", "What the tokens in memory weigh");

/// What is told of tokens.
pub(super) static METRICS: [&Definition; 2] = [&TOKENS, &BYTES];

/// Names, entries and what they point to.
#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Name, Entry> for Weight {
    fn weight(&self, _name: &Name, entry: &Entry) -> u64 {
        let principal = &entry.principal;
        let roles: usize = principal.roles.iter().map(|role| role.len() + ROLE).sum();
        let names = [&principal.session, &principal.token];
        let names: usize = names
            .into_iter()
            .flatten()
            .map(|name| name.len() + ROLE)
            .sum();
        let subject = principal.subject.as_str().len();
        let asked = principal
            .asked
            .as_ref()
            .map_or(0, |token| token.len() + ROLE);
        let bytes = PLACE + size_of::<Principal>() + subject + roles + names + asked;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// An entry's place in the cache, half a place for one that was pushed out and is remembered, the index.
const PLACE: usize = (size_of::<Name>() + size_of::<Entry>() + 16) * 3 / 2 + 16;
/// A role beside its text: two counts and a pointer.
const ROLE: usize = 32;
/// A token of a subject with a uuid and no roles; only how many are remembered depends on it.
const TYPICAL: usize = PLACE + size_of::<Principal>() + 48;

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens")
            .field("bytes", &self.bytes())
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
