//! The caches and what keeps them true.
//!
//! Promise: every bound is checked, and the classes' parts of the memory are relations that add up
//! to something. It says nothing of how much a row needs: the proxy weighs them.

use std::time::Duration;

/// What is kept of the database's answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Memory for rows in this process, in bytes: whole MiB, at most 64 GiB. 0: none are kept.
    pub l1_bytes: u64,
    /// Memory for tokens that were verified, in bytes: whole MiB, at most 4 GiB. 0: none are kept.
    pub token_bytes: u64,
    /// Subjects, and tokens that were verified.
    pub user_auth: ClassSettings,
    /// Resources.
    pub direct_ownership: ClassSettings,
    /// Memberships.
    pub team_access: ClassSettings,
    /// Projects.
    pub project_visibility: ClassSettings,
    /// Memory for URLs that the storage has signed, in bytes: whole MiB, at most 1 GiB. 0: none are kept.
    pub media_bytes: u64,
    /// The longest that such a URL is kept, 1 s..=1 h.
    pub media_ttl: Duration,
    /// With how many pairs of subject and resource memory is filled at the start, at most 1,000,000, if
    /// there is a materialized view; 0: it is not.
    pub warming_pairs: usize,
    /// How long the absence of a membership or a project is kept, 0..=60 s. 0: not at all.
    pub negative_ttl: Duration,
}

/// One kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassSettings {
    /// The longest that a row is kept after it was read, 1 s..=1 h.
    pub ttl: Duration,
    /// The longest that an answer with such a row is kept in Redis, 1 s..=24 h.
    pub l2_ttl: Duration,
    /// Its part of the memory, 1..=1,000, in relation to the other classes' parts.
    pub share: u32,
}

/// How changes in the database are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoherenceSettings {
    /// How often the change log is read, 5..=250 ms.
    pub poll_interval: Duration,
    /// How often a change of nothing is written, 1 s..=5 min. 0: never.
    pub canary_interval: Duration,
    /// Size of the table that says what has changed: a power of two, 1,024..=16,777,216.
    pub slots: usize,
}

impl CacheSettings {
    /// The memory of one of the classes, in bytes, rounded down. All of them together are at most
    /// [`l1_bytes`](Self::l1_bytes).
    #[must_use]
    pub fn bytes_of(&self, class: &ClassSettings) -> u64 {
        let parts: u64 = [
            &self.user_auth,
            &self.direct_ownership,
            &self.team_access,
            &self.project_visibility,
        ]
        .map(|class| u64::from(class.share))
        .iter()
        .sum();
        // At most 2^36 bytes times 1,000 parts.
        (self.l1_bytes * u64::from(class.share))
            .checked_div(parts)
            .unwrap_or(0)
    }
}
