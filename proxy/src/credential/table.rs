//! Credentials by what they are looked up by.

use std::collections::HashMap;
use std::sync::Arc;

use sidegate_policy::UnixMicros;

use super::record::{Change, Digest, Record, ServiceKey};
use crate::coherence::{CREDENTIAL, canonical_tag};

/// What is known of credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    keys: HashMap<Box<str>, Arc<ServiceKey>>,
    /// Those whose secret names no id, by every digest they have.
    imported: HashMap<Digest, Arc<ServiceKey>>,
    users: HashMap<Box<str>, UnixMicros>,
    sessions: HashMap<Box<str>, UnixMicros>,
    tokens: HashMap<Box<str>, UnixMicros>,
    everybody: Option<UnixMicros>,
}

/// A credential that was verified, as revocations name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented<'p> {
    /// For whom it speaks.
    pub subject: &'p str,
    /// The session it is of (`sid`).
    pub session: Option<&'p str>,
    /// Its own name (`jti`).
    pub token: Option<&'p str>,
    /// When it was issued; `None`: long ago.
    pub issued_at: Option<UnixMicros>,
    /// Whether it is a service key, which a revocation of everybody's tokens is not about.
    pub is_key: bool,
}

/// A service key that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'w> {
    /// By its id.
    Id(&'w str),
    /// One that was imported, by its digest.
    Digest(&'w Digest),
}

impl Table {
    /// Takes what a row says now into account.
    pub fn apply(&mut self, change: Change) {
        let named = change.tag.strip_prefix(CREDENTIAL);
        let Some((kind, value)) = named.and_then(|tag| tag.split_once(':')) else {
            return;
        };
        let before = match change.record {
            Some(Record::Key(key)) if kind == "key" => return self.keep_key(key),
            None if kind == "key" => return self.drop_key(value),
            Some(Record::Revoked(before)) => Some(before),
            Some(Record::Key(_)) | None => None,
        };
        let rows = match kind {
            "user" => &mut self.users,
            "session" => &mut self.sessions,
            "token" => &mut self.tokens,
            "all" => {
                self.everybody = before;
                return;
            }
            _ => return,
        };
        match before {
            Some(before) => {
                // Written by hand in another spelling, it is the same subject.
                if kind == "user"
                    && let Some(value) = canonical_tag(value)
                {
                    rows.insert(value.into(), before);
                }
                rows.insert(value.into(), before);
            }
            None => {
                rows.remove(value);
            }
        }
    }

    /// Whether a credential that is good for itself was revoked.
    #[must_use]
    pub fn revokes(&self, presented: &Presented<'_>) -> bool {
        let issued = presented.issued_at.unwrap_or(UnixMicros(i64::MIN));
        let ends = |before: &UnixMicros| issued <= *before;
        let named = |rows: &HashMap<Box<str>, UnixMicros>, name: Option<&str>| {
            name.and_then(|name| rows.get(name)).is_some_and(ends)
        };
        named(&self.users, Some(presented.subject))
            || named(&self.sessions, presented.session)
            || named(&self.tokens, presented.token)
            || (!presented.is_key && self.everybody.as_ref().is_some_and(ends))
    }

    /// The key that is looked for.
    #[must_use]
    pub fn key(&self, wanted: Wanted<'_>) -> Option<&Arc<ServiceKey>> {
        match wanted {
            // One that was brought along and rotated here has an id in its key, too.
            Wanted::Id(id) => self.keys.get(id),
            Wanted::Digest(digest) => self.imported.get(digest),
        }
    }

    /// Ids of keys that were used since this was asked last, at most so many.
    #[must_use]
    pub fn take_used(&self, most: usize) -> Vec<String> {
        let used = self.keys.values().filter(|key| key.take_use());
        used.take(most).map(|key| key.id.to_string()).collect()
    }

    /// Whether nothing was revoked.
    #[must_use]
    pub fn revokes_nothing(&self) -> bool {
        self.users.is_empty()
            && self.sessions.is_empty()
            && self.tokens.is_empty()
            && self.everybody.is_none()
    }

    /// Service keys, and revocations.
    #[must_use]
    pub fn rows(&self) -> (usize, usize) {
        let revocations = self.users.len() + self.sessions.len() + self.tokens.len();
        let everybody = usize::from(self.everybody.is_some());
        (self.keys.len(), revocations + everybody)
    }

    fn keep_key(&mut self, key: Arc<ServiceKey>) {
        self.drop_key(&key.id);
        if key.imported {
            if let Some((previous, _)) = key.previous {
                // A key whose own it is now comes first.
                let known = self.imported.entry(previous);
                known.or_insert_with(|| Arc::clone(&key));
            }
            self.imported.insert(key.digest, Arc::clone(&key));
        }
        self.keys.insert(key.id.clone(), key);
    }

    fn drop_key(&mut self, id: &str) {
        if let Some(key) = self.keys.remove(id)
            && key.imported
        {
            let previous = key.previous.map(|(digest, _)| digest);
            for digest in previous.into_iter().chain([key.digest]) {
                if self
                    .imported
                    .get(&digest)
                    .is_some_and(|known| known.id == key.id)
                {
                    self.imported.remove(&digest);
                }
            }
        }
    }
}
