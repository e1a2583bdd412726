//! One row about a credential, as the views of schema `sidegate` write it.
//!
//! Promise: a record is understood whole or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use sidegate_policy::UnixMicros;

use crate::coherence::CREDENTIAL;

/// HMAC-SHA-256 of a secret under the pepper.
pub type Digest = [u8; 32];

/// A tag of the log that is about credentials, and what its row says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `credential:` and `key:I`, `user:U`, `session:S`, `token:J` or `all:*`.
    pub tag: Box<str>,
    /// `None`: there is no such row.
    pub record: Option<Record>,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// What was issued until then counts no longer.
    Revoked(UnixMicros),
    /// A service key.
    Key(Arc<ServiceKey>),
}

/// A service key.
#[derive(Debug, PartialEq, Eq)]
pub struct ServiceKey {
    /// Its id, 1 to 64 letters and digits.
    pub id: Box<str>,
    /// Of its secret.
    pub digest: Digest,
    /// Of the secret that it had before it was rotated, and until when that is good.
    pub previous: Option<(Digest, UnixMicros)>,
    /// Whether its secret is one that Sidegate has not made: it is found by its digest.
    pub imported: bool,
    /// For whom it speaks, as it is written there.
    pub subject: Box<str>,
    /// What it is for: names that routes ask for.
    pub scopes: Arc<[Arc<str>]>,
    /// When it was made.
    pub created_at: UnixMicros,
    /// From then on it is not good.
    pub expires_at: Option<UnixMicros>,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether it was used since somebody asked.
    pub(super) used: Used,
}

/// Not a part of what the row says.
#[derive(Debug, Default)]
pub(super) struct Used(AtomicBool);

impl PartialEq for Used {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Used {}

impl ServiceKey {
    /// It was used.
    pub fn note_use(&self) {
        // Most have been noted: a line of the processor's cache that all of them share stays shared.
        if !self.used.0.load(Ordering::Relaxed) {
            self.used.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was used since this was asked last.
    #[must_use]
    pub fn take_use(&self) -> bool {
        self.used.0.swap(false, Ordering::Relaxed)
    }
}

/// A record that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record about a credential cannot be understood")]
pub struct MalformedRecord;

/// As it is written.
#[derive(Deserialize)]
struct Written {
    tag: Box<str>,
    before: Option<i64>,
    key: Option<WrittenKey>,
}

#[derive(Deserialize)]
struct WrittenKey {
    digest: Box<str>,
    previous_digest: Option<Box<str>>,
    previous_until: Option<i64>,
    imported: bool,
    subject: Box<str>,
    scopes: Vec<Arc<str>>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked: bool,
}

impl Change {
    /// Reads a record.
    ///
    /// # Errors
    /// When it is not what the views write.
    pub fn parse(text: &str) -> Result<Self, MalformedRecord> {
        let written: Written = serde_json::from_str(text).map_err(|_json| MalformedRecord)?;
        let record = match (written.before, written.key) {
            (Some(before), None) => Record::Revoked(UnixMicros(before)),
            (None, Some(key)) => Record::Key(Arc::new(service_key(&written.tag, key)?)),
            (Some(_), Some(_)) | (None, None) => return Err(MalformedRecord),
        };
        Ok(Self {
            tag: written.tag,
            record: Some(record),
        })
    }

    /// Whether a tag is about a credential.
    #[must_use]
    pub fn concerns(tag: &str) -> bool {
        tag.starts_with(CREDENTIAL)
    }
}

fn service_key(tag: &str, key: WrittenKey) -> Result<ServiceKey, MalformedRecord> {
    let id = tag
        .strip_prefix(CREDENTIAL)
        .and_then(|tag| tag.strip_prefix("key:"))
        .ok_or(MalformedRecord)?;
    let previous = match (key.previous_digest, key.previous_until) {
        (Some(of), Some(until)) => Some((digest(&of)?, UnixMicros(until))),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(MalformedRecord),
    };
    Ok(ServiceKey {
        id: id.into(),
        digest: digest(&key.digest)?,
        previous,
        imported: key.imported,
        subject: key.subject,
        scopes: key.scopes.into(),
        created_at: UnixMicros(key.created_at),
        expires_at: key.expires_at.map(UnixMicros),
        revoked: key.revoked,
        used: Used::default(),
    })
}

/// 64 hexadecimal digits.
fn digest(text: &str) -> Result<Digest, MalformedRecord> {
    let mut digest = [0; 32];
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(MalformedRecord);
    };
    if pairs.len() != digest.len() {
        return Err(MalformedRecord);
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let pair = std::str::from_utf8(pair).map_err(|_utf8| MalformedRecord)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_digit| MalformedRecord)?;
    }
    Ok(digest)
}
