//! What comes in a path, a query and a body.
//!
//! Promises: an id that is no uuid names no row (404); a body that is not exactly the expected
//! JSON, unknown fields included, is 400; a page has 1 to 100 rows.
//!
//! Does not: look at the content type; there is one format.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::problem::Problem;

/// The id in the path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id(pub(crate) Uuid);

/// How many rows of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page(pub(crate) i64);

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        let id = id.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok());
        Ok(Self(id.ok_or(Problem::NotFound)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            limit: Option<i64>,
        }
        let fields = Query::<Fields>::from_request_parts(parts, state).await;
        let limit = fields
            .ok()
            .map(|Query(fields)| fields.limit.unwrap_or(PAGE));
        let limit = limit.filter(|limit| (1..=LARGEST_PAGE).contains(limit));
        Ok(Self(limit.ok_or(Problem::Bad("bad_query"))?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await;
        let value = bytes
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self(value.ok_or(Problem::Bad("bad_body"))?))
    }
}

const PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 100;
