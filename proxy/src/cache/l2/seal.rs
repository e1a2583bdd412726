//! Who wrote a value: somebody who has one of our keys.
//!
//! Promise: a value opens only under the key that it was sealed for, and only as it was: HMAC-SHA-256
//! (RFC 2104) over both, compared in constant time. The first secret seals, each of them opens, so that a
//! secret can be changed while instances run.
//!
//! Does not: hide what is written, or tell an old value from a new one.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key, Tag};

/// The form of a sealed value. A new one gets a new number.
const VERSION: u8 = 2;
/// Bytes of a seal.
const SEAL: usize = 32;

/// The secrets.
#[derive(Debug)]
pub(super) struct Seals {
    keys: Vec<Key>,
    #[cfg(feature = "fault-injection")]
    is_off: bool,
}

/// Nobody who has a key has written this for this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sealed by us")]
pub(super) struct Forged;

impl Seals {
    pub(super) fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        let secrets = secrets.into_iter();
        Self {
            keys: secrets.map(|it| Key::new(HMAC_SHA256, it)).collect(),
            #[cfg(feature = "fault-injection")]
            is_off: crate::coherence::is_without_mac(),
        }
    }

    /// The value for this place; `None` without a key.
    pub(super) fn seal(&self, place: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let tag = tag(self.keys.first()?, place, body);
        let mut sealed = Vec::with_capacity(1 + body.len() + SEAL);
        sealed.push(VERSION);
        sealed.extend_from_slice(body);
        sealed.extend_from_slice(tag.as_ref());
        Some(sealed)
    }

    /// What was sealed for this place.
    pub(super) fn open<'v>(&self, place: &[u8], value: &'v [u8]) -> Result<&'v [u8], Forged> {
        let (version, rest) = value.split_first().ok_or(Forged)?;
        let body_length = rest.len().checked_sub(SEAL).ok_or(Forged)?;
        let (body, seal) = rest.split_at_checked(body_length).ok_or(Forged)?;
        #[cfg(feature = "fault-injection")]
        if self.is_off {
            return Ok(body);
        }
        let fits = |key: &Key| {
            let tag = tag(key, place, body);
            verify_slices_are_equal(tag.as_ref(), seal).is_ok()
        };
        if *version == VERSION && self.keys.iter().any(fits) {
            Ok(body)
        } else {
            Err(Forged)
        }
    }
}

fn tag(key: &Key, place: &[u8], body: &[u8]) -> Tag {
    let mut context = Context::with_key(key);
    context.update(&[VERSION]);
    // With its length, so that nothing can move between the two.
    let length = u64::try_from(place.len()).unwrap_or(u64::MAX);
    context.update(&length.to_be_bytes());
    context.update(place);
    context.update(body);
    context.sign()
}
