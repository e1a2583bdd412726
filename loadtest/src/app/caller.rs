//! Who asks, and what Sidegate has decided about it.
//!
//! Promises: no caller without `X-Sidegate-Subject`, and only a uuid is one, unless the steps of a
//! profile have found out who it is: then theirs counts alone. A decision counts for exactly the
//! action, kind and id that it names.
//!
//! Does not: verify the header's origin; see [`super`].

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use uuid::Uuid;

use super::problem::Problem;

/// The acting user.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) id: Uuid,
    authorized: Option<String>,
}

/// What a caller does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Read,
    Write,
    Delete,
    Share,
}

/// A resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Generation(Uuid),
    Project(Uuid),
    Team(Uuid),
    User(Uuid),
}

impl Caller {
    /// Somebody who was found out by a profile, with what was decided, as `<action> <kind>:<id>`.
    pub(super) const fn found(id: Uuid, authorized: Option<String>) -> Self {
        Self { id, authorized }
    }

    /// Whether this very action on this very resource was allowed.
    pub(super) fn is_authorized(&self, action: Action, resource: Resource) -> bool {
        let decided = self.authorized.as_deref();
        decided.is_some_and(|text| text == decision(action, resource))
    }
}

/// A decision as it is written.
pub(super) fn decision(action: Action, resource: Resource) -> String {
    let (kind, id) = match resource {
        Resource::Generation(id) => ("generation", id),
        Resource::Project(id) => ("project", id),
        Resource::Team(id) => ("team", id),
        Resource::User(id) => ("user", id),
    };
    format!("{} {kind}:{id}", action.as_str())
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Share => "share",
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        if let Some(found) = parts.extensions.remove::<Self>() {
            return Ok(found);
        }
        let id = single(&parts.headers, "x-sidegate-subject").ok_or(Problem::Unauthenticated)?;
        Ok(Self {
            id: Uuid::try_parse(id).ok().ok_or(Problem::Unauthenticated)?,
            authorized: single(&parts.headers, "x-sidegate-authorized").map(str::to_owned),
        })
    }
}

/// A header that is there once: of two, nobody knows which one holds.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(5);

    fn caller(authorized: Option<String>) -> Caller {
        Caller {
            id: Uuid::nil(),
            authorized,
        }
    }

    #[test]
    fn a_decision_counts_for_what_it_names() {
        let caller = caller(Some(format!("read generation:{ID}")));
        assert!(caller.is_authorized(Action::Read, Resource::Generation(ID)));
    }

    #[test]
    fn a_decision_counts_for_nothing_else() {
        let decided = caller(Some(format!("read generation:{ID}")));
        assert!(!decided.is_authorized(Action::Write, Resource::Generation(ID)));
        assert!(!decided.is_authorized(Action::Read, Resource::Project(ID)));
        assert!(!decided.is_authorized(Action::Read, Resource::Generation(Uuid::nil())));
        assert!(!caller(None).is_authorized(Action::Read, Resource::Generation(ID)));
    }

    #[test]
    fn a_header_that_is_there_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.append("x-sidegate-subject", "a".parse().unwrap());
        assert_eq!(single(&headers, "x-sidegate-subject"), Some("a"));
        headers.append("x-sidegate-subject", "a".parse().unwrap());
        assert_eq!(single(&headers, "x-sidegate-subject"), None);
    }
}
