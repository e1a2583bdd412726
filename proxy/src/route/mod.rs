//! Which rule applies to a request.
//!
//! Promise: the answer depends on the method and the canonical path alone, never on the order in
//! which routes are written. No rule means refused. Precedence: a literal segment beats a
//! parameter or a rest (`{*name}`), from the left (a parameter and a rest cannot stand beside each
//! other in one place); among routes of the same shape
//! `uuid` beats `bigint` beats `text`; two routes that would still answer the same request are an
//! error when the table is built. The path decides first: a method that the most specific path
//! does not list is not looked for on a less specific one. `HEAD` follows `GET`.

mod overlap;
mod table;
mod template;

pub use table::{AmbiguousPath, Found, RouteTable, RouteTableError};
pub use template::{Template, TemplateError};

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use sidegate_config::{Rules, UnknownSubject};
use sidegate_policy::{Action, IdType, Kind};

use crate::media::Object;

/// One compiled rule.
#[derive(Debug)]
pub struct Route {
    /// Its place among the routes.
    pub index: usize,
    /// Its name in metrics, logs and `explain`.
    pub id: Arc<str>,
    /// Its methods.
    pub methods: Vec<Method>,
    /// Its path.
    pub template: Template,
    /// What must hold.
    pub access: Access,
    /// A service key needs one of them; empty: none is accepted.
    pub scopes: Vec<String>,
    /// Whether a denial looks like a missing route.
    pub hide_denied: bool,
    /// How old an answer from memory may be while the store cannot be asked; zero: as ever.
    pub stale_if_error: Duration,
    /// Whether a WebSocket handshake is passed on.
    pub websocket: bool,
    /// Whether a link is a credential here.
    pub links: bool,
    /// The object in the storage that it answers; `None`: the application does.
    pub media: Option<Object>,
    /// The rules of strictness that it relaxes.
    pub relax: Rules,
    /// The longest body, in bytes; `None`: that of the limits.
    pub max_body_bytes: Option<u64>,
    /// The group of instances that serves it; `None`: the active one.
    pub upstream: Option<String>,
}

/// What must hold for a request on a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// A verified subject.
    Authenticated {
        /// Whether it needs a row.
        unknown_subject: UnknownSubject,
    },
    /// A verified subject that may do `action` on the resource.
    Resource {
        /// The action.
        action: Action,
        /// The resource's kind.
        kind: Kind,
        /// How ids of the kind are written.
        id_type: IdType,
        /// Where the resource's id is.
        id: IdSource,
    },
}

/// Where a resource's id is in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdSource {
    /// The template's parameter at this position, counted from 0.
    Path(usize),
    /// A query parameter, present exactly once.
    Query(String),
    /// A header, present exactly once.
    Header(HeaderName),
}

impl Route {
    /// Whether it answers this method. `HEAD` is `GET` without a body (RFC 9110 section 9.3.2).
    #[must_use]
    pub fn answers(&self, method: &Method) -> bool {
        self.methods.contains(method)
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}

#[cfg(test)]
mod tests;
