//! Routes: what may be asked, and what must hold.
//!
//! Promise: each has exactly one rule, and its kind and its group exist. Its template is parsed
//! by the proxy.

use std::time::Duration;

use http::{HeaderName, Method};

use super::{MediaSettings, Rules};

/// One rule: what is asked, and what must hold.
#[derive(Debug)]
pub struct RouteSettings {
    /// Its name in metrics, logs and `explain`. Unique.
    pub id: String,
    /// Its methods. Never empty. `HEAD` follows `GET` where no route names it.
    pub methods: Vec<Method>,
    /// Its path template, unparsed: `/api/generations/{id:uuid}`.
    pub path: String,
    /// What must hold.
    pub access: AccessSettings,
    /// A service key needs one of them; empty: none is accepted.
    pub scopes: Vec<String>,
    /// Answer 404 instead of 403 when the decision is a denial.
    pub hide_denied: bool,
    /// How long after it was last known to be true an answer from memory may allow while the store
    /// cannot be asked, 0 to 30 s. Not zero only on routes that read.
    pub stale_if_error: Duration,
    /// Whether a WebSocket handshake is passed on.
    pub websocket: bool,
    /// Whether a link is a credential here. True only on routes that read a resource whose id is in the
    /// path or the query, and with [`Settings::links`](super::Settings::links).
    pub links: bool,
    /// The object in the storage that it answers; `None`: the application does. Only on routes that read
    /// a resource, and with a storage.
    pub media: Option<MediaSettings>,
    /// The rules of strictness that it relaxes.
    pub relax: Rules,
    /// The longest body, in bytes; `None`: `limits.max_body_bytes`.
    pub max_body_bytes: Option<u64>,
    /// The group of `upstream.groups` that serves it; `None`: the active one.
    pub upstream: Option<String>,
}

/// What must hold for a request on a route.
#[derive(Debug)]
pub enum AccessSettings {
    /// Nothing: no credential is looked at and no identity is passed on.
    Public,
    /// A verified subject.
    Authenticated {
        /// Whether a subject without a row is let through (sign-up).
        unknown_subject: UnknownSubject,
    },
    /// A verified subject that may do `action` on the resource.
    Resource {
        /// The action's name.
        action: String,
        /// The resource's kind, one of `policy.kinds`.
        kind: String,
        /// Where the resource's id is.
        id: IdSource,
    },
}

/// What happens to a subject that has no row in the application's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownSubject {
    /// Refused.
    Deny,
    /// Let through.
    Allow,
}

/// Where a resource's id is in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdSource {
    /// A parameter of the path template.
    Path(String),
    /// A query parameter, present exactly once.
    Query(String),
    /// A header, present exactly once.
    Header(HeaderName),
}
