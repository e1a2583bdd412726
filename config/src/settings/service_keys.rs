//! Service keys: where they are found, and what they are checked with.

use super::CredentialSource;
use crate::secret::Secret;

/// Keys of programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKeySettings {
    /// What digests are made with, at least 32 bytes.
    pub pepper: Secret,
    /// Where keys may be: bearer, or headers that no issuer's tokens are in. Never empty.
    pub sources: Vec<CredentialSource>,
    /// Whether the application sees them.
    pub forward: bool,
}
