//! Introspection as it is written.
//!
//! Promise: each key with its bounds and its default in its description. It does not know which keys and
//! algorithms a fallback needs: `parse` does.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::redis::Breaker;
use super::scalar::{DurationText, Lenient};

only_mapping!(Introspection);

/// How the issuer is asked about its tokens (RFC 7662).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Introspection {
    /// The URL of its introspection endpoint: https, or http on loopback. Required.
    pub(crate) url: String,
    /// Who Sidegate is there. Sent by HTTP Basic (RFC 6749 section 2.3.1). Required.
    pub(crate) client_id: String,
    /// What proves it; `file:PATH` reads it from a file. Required.
    pub(crate) client_secret: String,
    /// Bound on one question, 10ms to 10s, at most half of `limits.decision_timeout`. Default: 1s.
    pub(crate) timeout: Option<DurationText>,
    /// How long a good answer is believed without asking again, 0s to 5m. A token that is revoked at the
    /// issuer is good for so much longer. Default: 10s.
    pub(crate) ttl: Option<DurationText>,
    /// What happens to tokens while the issuer cannot be asked. Required.
    pub(crate) fallback: FallbackName,
    /// When the issuer is left alone. Default: after 3 failures, for 45s.
    #[serde(default)]
    pub(crate) breaker: Breaker,
    /// Questions under way at once, 1 to 1000. Further ones wait for a quarter of `timeout`. Default: 64.
    pub(crate) max_in_flight: Option<Lenient<usize>>,
}

/// What happens to tokens while their issuer cannot be asked.
#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FallbackName {
    /// They are verified by key, and count for GET and HEAD. Needs `keys` and `algorithms`.
    Local,
    /// 503.
    Deny,
}
