//! What bounds a request, and which rules of strictness apply, as it is written.
//!
//! Promise: the keys of `limits` and `hardening`, and the names of the rules. Bounds are in `parse`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(Limits, Hardening);

/// Bounds on one request.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Limits {
    /// The whole decision, from the parsed header to the verdict, 1ms to 60s. Default: 2s.
    pub(crate) decision_timeout: Option<DurationText>,
    /// How long an idle client connection is kept, a new one too, 1s to 1h, whole seconds. Default: 60s.
    pub(crate) keepalive_timeout: Option<DurationText>,
    /// How long the unread body of a refused request is drained before the connection is closed,
    /// 0s to 60s. Default: 2s.
    pub(crate) drain_timeout: Option<DurationText>,
    /// Bound on each read of a request's body, 1s to 1h. Default: 60s.
    pub(crate) read_timeout: Option<DurationText>,
    /// Bound on each write of an answer to a client that does not read, 1s to 1h. Default: 60s.
    pub(crate) write_timeout: Option<DurationText>,
    /// The longest token that is looked at, 64 to 65536 bytes. Default: 8192.
    pub(crate) max_token_bytes: Option<Lenient<usize>>,
    /// How long a request's head may take, from its first byte to its last, 100ms to 5m. Default: 10s.
    pub(crate) header_timeout: Option<DurationText>,
    /// The longest head, request line included, 1024 to 262144 bytes. Default: 32768.
    pub(crate) max_header_bytes: Option<Lenient<usize>>,
    /// The most header lines, 1 to 256. Default: 100.
    pub(crate) max_headers: Option<Lenient<usize>>,
    /// The longest body of a request, 0 to 1099511627776 bytes; a route may name another. Default:
    /// 10485760.
    pub(crate) max_body_bytes: Option<Lenient<u64>>,
    /// The pace at which a body must arrive after its first ten seconds, 0 to 1048576 bytes per
    /// second; 0 is any. Default: 1024.
    pub(crate) min_body_rate: Option<Lenient<u64>>,
    /// How many credentials that are not good a client may present within the window before it is
    /// answered with 429, 0 to 1000000; 0 is any number. Default: 200 where there are `trusted_proxies`,
    /// else 0.
    pub(crate) max_failed_authentications: Option<Lenient<usize>>,
    /// The window for them, 1s to 1h. Default: 10s.
    pub(crate) failed_authentication_window: Option<DurationText>,
    /// How long one request may last, from its decision on: a WebSocket, a stream of events, a long
    /// upload or download, 1s to 24h. Default: 1h.
    pub(crate) max_stream_age: Option<DurationText>,
}

/// Rules of strictness.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Hardening {
    /// What happens to a request that breaks a rule which its route does not relax. Default: strict.
    pub(crate) mode: Option<ModeName>,
    /// The rules that every route relaxes. Default: none.
    #[serde(default)]
    pub(crate) relax: Vec<RuleName>,
}

/// What happens to a request that breaks a rule.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModeName {
    /// It is refused.
    Strict,
    /// It is counted and logged, and goes on.
    ReportOnly,
}

/// A rule that a route may relax.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RuleName {
    /// A bare LF ends a line of the head, too.
    BareLf,
    /// Values of headers hold other bytes than ASCII.
    ObsText,
    /// What follows a `#` in the target is dropped.
    Fragment,
    /// Headers with other names than letters, digits and `-` are dropped.
    HeaderNames,
    /// Trailers are announced; they are dropped.
    Trailers,
    /// GET, HEAD, DELETE and OPTIONS have a body.
    UnexpectedBody,
    /// A path holds `;`, and leads to the same route without it.
    MatrixParameters,
    /// A body arrives at any pace.
    SlowBody,
}
