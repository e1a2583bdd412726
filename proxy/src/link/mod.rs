//! Links: a path that carries its own credential, signed by Sidegate, for one subject and one resource.
//!
//! Promise: a link counts only with a signature by a configured key over exactly this method, path,
//! resource, subject and life; it is compared in constant time. Whoever follows a good one is decided on
//! as any request of its subject, with the rights of that moment: a link gives nobody a right, and ends
//! with the right. Its parameters are in no log and are not passed on.
//!
//! Does not: bind a link to a host, to whoever uses it, to a number of uses or to the other parameters of
//! its query. Two deployments that share a key accept each other's links.

mod answer;
mod follow;
mod mint;
mod parameters;
mod tally;

pub(crate) use answer::keep_private;
pub(crate) use follow::{follow, taken};
pub use mint::{By, MintError, Minted, mint};
pub use parameters::Presented;
pub use tally::LinkEnd;
pub(crate) use tally::METRICS;

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sidegate_config::{LinkSettings, Secret};
use sidegate_policy::{Id, IdType, UnixMicros};

use crate::metrics::Scrape;

use tally::Tally;

/// What the message of every link begins with: no other thing that the key may ever sign does.
const DOMAIN: &str = "sidegate link 1";
/// `HEAD` is `GET` without a body (RFC 9110 section 9.3.2): a link is good for both.
const METHOD: &str = "GET";
/// How far the clock of the instance that signed may be ahead, in seconds.
const LEEWAY: i64 = 30;

/// Signs and verifies. Its counters begin with it.
pub struct Links {
    settings: LinkSettings,
    sign: hmac::Key,
    previous: Vec<hmac::Key>,
    tally: Tally,
}

/// What a link is asked for, or leads to.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The canonical path.
    pub path: &'a str,
    /// The resource's kind.
    pub kind: &'a str,
    /// The resource's id.
    pub id: &'a Id,
}

/// Who a link speaks for, and when: seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The subject.
    pub subject: Id,
    /// From when on.
    pub issued: i64,
    /// Until when, this instant not included.
    pub expires: i64,
}

/// Why a link is not good. To a client all of them are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LinkError {
    /// A parameter is missing, doubled, or there in another spelling.
    #[error("a parameter of the link is missing, doubled or misspelled")]
    Parameters,
    /// A time that is no decimal number, a subject or a signature that is not in its one spelling.
    #[error("the link is malformed")]
    Malformed,
    /// It begins later.
    #[error("the link is not valid yet")]
    NotYetValid,
    /// It has ended.
    #[error("the link has expired")]
    Expired,
    /// It ends before it begins, or lives longer than `links.max_ttl`.
    #[error("the link lives longer than is accepted")]
    Lifetime,
    /// No key of ours has signed it for this method, path, resource, subject and life.
    #[error("the link's signature is wrong")]
    Signature,
}

impl LinkError {
    /// Each of them.
    pub const ALL: [Self; 6] = [
        Self::Parameters,
        Self::Malformed,
        Self::NotYetValid,
        Self::Expired,
        Self::Lifetime,
        Self::Signature,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parameters => "link_parameters",
            Self::Malformed => "link_malformed",
            Self::NotYetValid => "link_not_yet_valid",
            Self::Expired => "link_expired",
            Self::Lifetime => "link_lifetime",
            Self::Signature => "link_signature",
        }
    }

    /// Whether it speaks against whoever presents the link: one that was good, or will be, does not.
    #[must_use]
    pub const fn is_suspicious(self) -> bool {
        !matches!(self, Self::Expired | Self::NotYetValid)
    }
}

impl Links {
    /// With the keys of these settings.
    #[must_use]
    pub fn new(settings: &LinkSettings) -> Self {
        let key = |secret: &Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        Self {
            sign: key(&settings.key),
            previous: settings.previous_keys.iter().map(key).collect(),
            settings: settings.clone(),
            tally: Tally::default(),
        }
    }

    /// Whether other settings ask for just these.
    #[must_use]
    pub fn serves(&self, settings: &LinkSettings) -> bool {
        let Self {
            settings: known, ..
        } = self;
        known.key == settings.key
            && known.previous_keys == settings.previous_keys
            && known.max_ttl == settings.max_ttl
    }

    /// The longest life of a link.
    #[must_use]
    pub const fn max_ttl(&self) -> Duration {
        self.settings.max_ttl
    }

    /// The signature of a link, in base64url.
    #[must_use]
    pub fn sign(&self, asked: &Asked<'_>, claims: &Claims) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.sign, &message(asked, claims)))
    }

    /// Who a link speaks for, if it is good for what is asked now.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(
        &self,
        presented: &Presented,
        asked: &Asked<'_>,
        subject_id: IdType,
        now: UnixMicros,
    ) -> Result<Claims, LinkError> {
        let verified = self.check(presented, asked, subject_id, now);
        self.tally.count(match &verified {
            Ok(_) => LinkEnd::Good,
            Err(error) => LinkEnd::Bad(*error),
        });
        verified
    }

    /// How links were used, and how many were made, as metrics.
    pub fn gather(&self, scrape: &mut Scrape) {
        self.tally.gather(scrape);
    }

    fn check(
        &self,
        presented: &Presented,
        asked: &Asked<'_>,
        subject_id: IdType,
        now: UnixMicros,
    ) -> Result<Claims, LinkError> {
        let signed = presented.signed().ok_or(LinkError::Parameters)?;
        let subject = Id::parse(subject_id, &signed.subject).ok_or(LinkError::Malformed)?;
        if subject.as_str() != signed.subject {
            return Err(LinkError::Malformed);
        }
        let claims = Claims {
            subject,
            issued: seconds(&signed.issued).ok_or(LinkError::Malformed)?,
            expires: seconds(&signed.expires).ok_or(LinkError::Malformed)?,
        };
        self.check_times(&claims, now.0.div_euclid(1_000_000))?;
        let tag = URL_SAFE_NO_PAD.decode(&signed.sig);
        let tag = tag.map_err(|_not_base64url| LinkError::Malformed)?;
        let message = message(asked, &claims);
        let mut keys = std::iter::once(&self.sign).chain(&self.previous);
        // Each in constant time; which key it was is no secret.
        if keys.any(|key| hmac::verify(key, &message, &tag).is_ok()) {
            Ok(claims)
        } else {
            Err(LinkError::Signature)
        }
    }

    fn check_times(&self, claims: &Claims, now: i64) -> Result<(), LinkError> {
        let Claims {
            issued, expires, ..
        } = *claims;
        let max_ttl = i64::try_from(self.settings.max_ttl.as_secs()).unwrap_or(i64::MAX);
        if issued >= expires || expires.saturating_sub(issued) > max_ttl {
            return Err(LinkError::Lifetime);
        }
        if issued > now.saturating_add(LEEWAY) {
            return Err(LinkError::NotYetValid);
        }
        if now >= expires {
            return Err(LinkError::Expired);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links")
            .field("max_ttl", &self.settings.max_ttl)
            .field("previous_keys", &self.previous.len())
            .finish_non_exhaustive()
    }
}

/// What is signed: each part after its length, so that no two links have one message.
fn message(asked: &Asked<'_>, claims: &Claims) -> Vec<u8> {
    let (issued, expires) = (claims.issued.to_string(), claims.expires.to_string());
    let parts = [
        DOMAIN,
        METHOD,
        asked.path,
        asked.kind,
        asked.id.as_str(),
        claims.subject.as_str(),
        &issued,
        &expires,
    ];
    let mut message = Vec::with_capacity(256);
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        message.extend(length.to_be_bytes());
        message.extend(part.as_bytes());
    }
    message
}

/// A time in its one spelling: decimal, without sign and leading zeros, before the year 33658.
fn seconds(text: &str) -> Option<i64> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text.len() == 1 || !text.starts_with('0'));
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
