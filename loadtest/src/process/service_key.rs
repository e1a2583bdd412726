//! Service keys that the run's configuration accepts, made without Sidegate's commands.
//!
//! Promises: a key's digest is what Sidegate keeps of it (`docs/credentials.md`): HMAC-SHA-256 under the pepper, of
//! the SHA-256 of the whole key. Does not: write it into the table.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use uuid::Uuid;

use super::setup::PEPPER;

/// A key as it is presented, and what is kept of it.
#[derive(Debug, Clone)]
pub(crate) struct ServiceKey {
    pub(crate) text: String,
    /// In hexadecimal.
    pub(crate) digest: String,
}

impl ServiceKey {
    pub(crate) fn new(id: Uuid, secret: Uuid) -> Self {
        let text = format!("sgk_{}_{}", id.simple(), secret.simple());
        let pepper = Key::new(HMAC_SHA256, PEPPER.as_bytes());
        let sealed = sign(&pepper, digest(&SHA256, text.as_bytes()).as_ref());
        let digest = sealed.as_ref().iter().map(|byte| format!("{byte:02x}"));
        Self {
            digest: digest.collect(),
            text,
        }
    }
}
