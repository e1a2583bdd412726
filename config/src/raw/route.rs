//! A route as it is written.
//!
//! Promise: the keys of one entry of `routes`. It does not parse the path template (the proxy
//! does, when it builds its table), nor does it check that names exist: `parse` does.

use schemars::JsonSchema;
use serde::Deserialize;

use super::hardening::RuleName;
use super::link::RouteMedia;
use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(Route, RouteResource, ResourceId);

/// One rule: what is asked, and what must hold. Either `access`, or `action` and `resource`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Route {
    /// Its name in metrics, logs and `explain`. Unique. Default: methods and path, `GET /health`.
    pub(crate) id: Option<String>,
    /// Its methods, in upper case. HEAD follows GET where no route names it. Required.
    pub(crate) methods: Vec<String>,
    /// Its path template, such as `/api/generations/{id:uuid}`. Required.
    pub(crate) path: String,
    /// `public` (nothing must hold) or `authenticated` (a verified subject).
    pub(crate) access: Option<Access>,
    /// With `access: authenticated`: whether a subject without a row among the subjects is let
    /// through, for sign-up. Default: deny.
    pub(crate) unknown_subject: Option<UnknownSubjectName>,
    /// The action that the subject must be allowed on `resource`.
    pub(crate) action: Option<String>,
    /// The resource that is asked for.
    pub(crate) resource: Option<RouteResource>,
    /// What a service key must be for, one of these, to be accepted here. Default: none, so no key is.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// Answer 404 instead of 403 when the decision is a denial. Default: false.
    #[serde(default)]
    pub(crate) hide_denied: Lenient<bool>,
    /// While the database cannot be asked, what is in memory may still allow for so long after it was
    /// last known to be true, 0s to 30s. Reads only: a right taken away meanwhile counts that much
    /// later. Default: 0s.
    pub(crate) stale_if_error: Option<DurationText>,
    /// Whether a WebSocket handshake is passed on; needs GET among `methods`. Default: false.
    #[serde(default)]
    pub(crate) websocket: Lenient<bool>,
    /// Whether a link is a credential here: a request with a link's query parameters is decided on as one
    /// of its subject. Only on routes that read a resource. Default: false.
    #[serde(default)]
    pub(crate) links: Lenient<bool>,
    /// The object of `links.storage` that it answers: a permitted request is sent there. Only on routes
    /// that read a resource. Default: none, the application answers.
    pub(crate) media: Option<RouteMedia>,
    /// The rules of strictness that it relaxes. None of them opens a way around a decision. Default:
    /// none.
    #[serde(default)]
    pub(crate) relax: Vec<RuleName>,
    /// The longest body of a request, 0 to 1099511627776 bytes. Default: `limits.max_body_bytes`.
    pub(crate) max_body_bytes: Option<Lenient<u64>>,
    /// The group of `upstream.groups` that serves it. Default: the active one.
    pub(crate) upstream: Option<String>,
}

/// What must hold, where no resource is asked for.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    /// Nothing: no credential is looked at and no identity is passed on.
    Public,
    /// A verified subject.
    Authenticated,
}

/// What happens to a subject without a row.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UnknownSubjectName {
    /// Refused.
    Deny,
    /// Let through.
    Allow,
}

/// The resource that a route asks for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct RouteResource {
    /// Its kind, one of `policy.kinds`. Required.
    pub(crate) kind: String,
    /// Where its id is. Required.
    pub(crate) id: ResourceId,
}

/// Where a resource's id is: exactly one of `path`, `query`, `header`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct ResourceId {
    /// A parameter of the path template.
    pub(crate) path: Option<String>,
    /// A query parameter, present exactly once.
    pub(crate) query: Option<String>,
    /// A header, present exactly once.
    pub(crate) header: Option<String>,
}
