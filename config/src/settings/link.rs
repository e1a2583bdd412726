//! Links, and the storage behind media.
//!
//! Promise: keys are long enough to sign with, every time is bounded, and the storage is asked over TLS or
//! on this machine. Nothing is connected to.

use std::time::Duration;

use crate::secret::Secret;
use crate::settings::BreakerSettings;

/// Links that carry their own credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSettings {
    /// What they are signed with, 32 bytes or more.
    pub key: Secret,
    /// What they may have been signed with before, each of 32 bytes or more.
    pub previous_keys: Vec<Secret>,
    /// The longest life of one, 1 s..=24 h, whole seconds.
    pub max_ttl: Duration,
    /// The storage that signs URLs for routes with media; `None`: there is none.
    pub storage: Option<StorageSettings>,
}

/// An object storage that signs URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageSettings {
    /// Where it is, without a `/` at its end, a query or a fragment.
    pub url: String,
    /// The bearer token that it accepts: printable ASCII without spaces.
    pub token: Secret,
    /// How long a URL that it signs is good, 10..=180 s, whole seconds.
    pub expires_in: Duration,
    /// Bound on one question, 1 ms..=10 s.
    pub timeout: Duration,
    /// When it is left alone.
    pub breaker: BreakerSettings,
}

/// The object in the storage that is what a route answers: `before`, the resource's id, `after`.
///
/// Of letters, digits and marks that a URL's path holds unescaped; no segment is empty, `.` or `..`,
/// whatever the id is made of, as long as the id is none of these itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSettings {
    /// Its bucket.
    pub bucket: String,
    /// What stands before the id.
    pub before: String,
    /// What stands after it.
    pub after: String,
}
