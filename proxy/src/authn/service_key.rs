//! Service keys: `sgk_<id>_<secret>`, and keys of another make that were brought along.
//!
//! Promise: a key is good if the digest of the whole of it is the one that its row has, or had before a rotation
//! that is not over; compared in constant time, and with the same work whether there is such a row or not. The
//! secret itself is kept nowhere: what is kept is HMAC-SHA-256 under the pepper, of its SHA-256.
//!
//! Does not: know any row.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use sidegate_config::{Secret, ServiceKeySettings};
use sidegate_policy::{Id, IdType, UnixMicros};

use super::credential::Credential;
use super::{Carrier, Principal, SubjectType, TokenError};
use crate::coherence::Tag;
use crate::credential::{Digest, Presented, ServiceKey, Table, Wanted};

/// How every key begins that Sidegate has made.
pub const PREFIX: &str = "sgk_";

/// The pepper, ready for use.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

/// Where keys are looked for, and with what they are checked.
#[derive(Debug)]
pub(super) struct ServiceKeys {
    pepper: Pepper,
    carriers: Vec<Carrier>,
    forward: bool,
    subject_id: IdType,
}

/// A key that somebody presents, good or bad.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// `None`: it has no id, so it may be one that was brought along.
    id: Option<Box<str>>,
    /// Of a key that was found, its own.
    found: Option<Box<str>>,
    digest: Digest,
    carrier: (Carrier, bool),
    subject_id: IdType,
}

/// What rows make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyVerdict {
    /// It is good.
    Good(Arc<ServiceKey>),
    /// There is no such key, or its secret is another one.
    Unknown,
    /// It was revoked, or its subject's credentials were.
    Revoked,
    /// Its time is over.
    Expired,
}

impl Pepper {
    /// From the configuration's secret.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))
    }

    /// What is kept of a key.
    #[must_use]
    pub fn digest(&self, key: &str) -> Digest {
        let mut hash = [0; 32];
        copy(digest(&SHA256, key.as_bytes()).as_ref(), &mut hash);
        self.digest_of_hash(&hash)
    }

    /// What tells this pepper from another one and gives nothing of it away, in hexadecimal.
    #[must_use]
    pub fn mark(&self) -> String {
        let digest = self.digest("sidegate: which pepper is this?");
        digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The same, of a key that is known by its SHA-256 alone.
    #[must_use]
    pub fn digest_of_hash(&self, hash: &[u8; 32]) -> Digest {
        let mut sealed = [0; 32];
        copy(hmac::sign(&self.0, hash).as_ref(), &mut sealed);
        sealed
    }
}

impl ServiceKeys {
    pub(super) fn new(settings: &ServiceKeySettings, subject_id: IdType) -> Self {
        Self {
            pepper: Pepper::new(&settings.pepper),
            carriers: settings.sources.iter().map(Carrier::from).collect(),
            forward: settings.forward,
            subject_id,
        }
    }

    #[cfg(test)]
    pub(super) const fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    pub(super) const fn forwards(&self) -> bool {
        self.forward
    }

    pub(super) fn carriers(&self) -> impl Iterator<Item = &Carrier> {
        self.carriers.iter()
    }

    /// The key that a credential is, where it is one.
    pub(super) fn present(&self, credential: &Credential<'_>) -> Option<PresentedKey> {
        if !self.carriers.contains(&credential.carrier) {
            return None;
        }
        let ours = credential.token.strip_prefix(PREFIX);
        // Beside tokens only its form tells a key.
        if ours.is_none() && credential.carrier == Carrier::Bearer {
            return None;
        }
        let id = ours.and_then(|rest| rest.split_once('_'));
        Some(PresentedKey {
            id: id.map(|(id, _)| id.into()),
            found: None,
            digest: self.pepper.digest(credential.token),
            carrier: (credential.carrier.clone(), self.forward),
            subject_id: self.subject_id,
        })
    }
}

impl PresentedKey {
    /// What it is looked up by.
    #[must_use]
    pub fn wanted(&self) -> Wanted<'_> {
        match &self.id {
            Some(id) => Wanted::Id(id),
            None => Wanted::Digest(&self.digest),
        }
    }

    /// Its id, once it was found.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// What the log names it by, once it was found.
    #[must_use]
    pub fn tag(&self) -> Option<Tag<'_>> {
        self.found.as_deref().map(Tag::Key)
    }

    /// What rows make of it.
    #[must_use]
    pub fn judge(&self, table: &Table, now: UnixMicros) -> KeyVerdict {
        let key = table.key(self.wanted());
        if !self.fits(key.map(|key| &**key), now) {
            return KeyVerdict::Unknown;
        }
        let Some(key) = key else {
            return KeyVerdict::Unknown;
        };
        if key.revoked || table.revokes(&presented(key)) {
            KeyVerdict::Revoked
        } else if key.expires_at.is_some_and(|end| end <= now) {
            KeyVerdict::Expired
        } else {
            KeyVerdict::Good(Arc::clone(key))
        }
    }

    /// Whether the digest is the row's. Without a row, the same is done with digests that nothing has.
    fn fits(&self, key: Option<&ServiceKey>, now: UnixMicros) -> bool {
        let none = ([0; 32], UnixMicros(i64::MIN));
        let (current, previous) = match key {
            Some(key) => (key.digest, key.previous.unwrap_or(none)),
            None => (none.0, none),
        };
        let is_current = verify_slices_are_equal(&self.digest, &current).is_ok();
        let is_previous = verify_slices_are_equal(&self.digest, &previous.0).is_ok();
        (is_current | (is_previous & (now < previous.1))) & key.is_some()
    }

    /// Until when it is good: a secret that the key had before it was rotated may end earlier.
    fn end(&self, key: &ServiceKey) -> Option<UnixMicros> {
        let is_previous = self.digest != key.digest;
        let previous = key.previous.filter(|_| is_previous).map(|(_, until)| until);
        previous.into_iter().chain(key.expires_at).min()
    }

    /// For whom a good key speaks.
    ///
    /// # Errors
    /// When no row could have its subject.
    pub fn principal(&self, key: &ServiceKey) -> Result<Principal, TokenError> {
        let subject = Id::parse(self.subject_id, &key.subject).ok_or(TokenError::Subject)?;
        Ok(Principal {
            kind: SubjectType::Service,
            issued_at: Some(key.created_at),
            expires_at: self.end(key),
            scopes: Some(Arc::clone(&key.scopes)),
            key: Some(Arc::new(Self {
                found: Some(key.id.clone()),
                ..self.clone()
            })),
            carrier: Some(self.carrier.clone()),
            ..Principal::assumed(subject)
        })
    }
}

fn presented(key: &ServiceKey) -> Presented<'_> {
    Presented {
        subject: &key.subject,
        session: None,
        token: None,
        issued_at: Some(key.created_at),
        is_key: true,
    }
}

fn copy(from: &[u8], to: &mut [u8; 32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedKey")
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(***)")
    }
}
