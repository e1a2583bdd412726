//! Introspection: how an issuer is asked about a token (RFC 7662).
//!
//! Promise: every bound is checked, and what happens while the issuer cannot be asked was chosen. Nothing
//! is connected to.

use std::time::Duration;

use crate::secret::Secret;
use crate::settings::BreakerSettings;

/// How an issuer is asked about its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// Its endpoint: https, or http on loopback; no user information, no fragment.
    pub url: String,
    /// Who we are there (RFC 6749 §2.3.1).
    pub client_id: String,
    /// What proves it.
    pub client_secret: Secret,
    /// Bound on one question, 10 ms..=10 s, at most half of `limits.decision_timeout`.
    pub timeout: Duration,
    /// How long a good answer is believed without asking again, 0..=5 min: a token that is revoked at the
    /// issuer is good for so much longer.
    pub ttl: Duration,
    /// What happens while the issuer cannot be asked.
    pub fallback: IntrospectionFallback,
    /// When it is left alone.
    pub breaker: BreakerSettings,
    /// Questions under way at once, 1..=1,000.
    pub max_in_flight: usize,
}

/// What happens to tokens while their issuer cannot be asked (DESIGN §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntrospectionFallback {
    /// They are verified by key, for reads only.
    Local,
    /// Nobody can know.
    Deny,
}
