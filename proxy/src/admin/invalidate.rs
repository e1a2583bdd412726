//! `POST /invalidate`: an administrator says that facts have changed.
//!
//! Promise: it does what `sidegate invalidate` does, over this instance's own pool for maintenance. The
//! answer says whether this instance knows of it already; every other one does within the bound.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Json, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::Shared;
use crate::coherence::{BootTime, Stale};
use crate::database::{Database, Purpose, describe};
use crate::invalidate::{InvalidateError, PATIENCE, Tags, write};
use crate::store::PostgresStore;

/// How long a client may wait for this instance's own feed, once the database has answered.
const FEED_PATIENCE: Duration = Duration::from_millis(500);

/// The request's body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    tags: Vec<String>,
}

pub(super) async fn handle(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let current = shared.current.load();
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let tags = match Tags::parse(&request.tags, &current.settings.policy) {
        Ok(tags) => tags,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Some(database) = current.store.postgres().map(PostgresStore::database) else {
        let why = "an edit of the directory file counts by itself";
        return refused(StatusCode::CONFLICT, why);
    };
    let written = match timeout(PATIENCE, written(database, &tags)).await {
        Ok(written) => written,
        // The connection is thrown away; the transaction may yet have been committed.
        Err(_elapsed) => return unavailable("the database does not answer in time"),
    };
    let xid = match written {
        Ok(xid) => xid,
        Err(error) => {
            let reason = match &error {
                InvalidateError::Connect(error) => error.to_string(),
                InvalidateError::Postgres(error) => describe(error),
                InvalidateError::TimedOut => error.to_string(),
            };
            tracing::warn!(reason, "an invalidation cannot be written");
            return unavailable("the database does not take it (why: the log)");
        }
    };
    tracing::info!(tags = ?tags.as_slice(), %xid, "facts were invalidated by an administrator");
    let applied = match current.facts.kept() {
        Some(kept) => {
            let since = BootTime::now();
            match kept.coherence().fresh(since, FEED_PATIENCE).await {
                // While caching is off nothing that is kept counts, and later it is read anew.
                Ok(_) | Err(Stale::Closed) => true,
                Err(Stale::Failed | Stale::Late) => false,
            }
        }
        // Nothing is kept, so nothing has to end.
        None => true,
    };
    Json(json!({ "tags": tags, "xid": xid, "applied_here": applied })).into_response()
}

async fn written(database: &Database, tags: &Tags) -> Result<String, InvalidateError> {
    let lease = database.acquire(Purpose::Maintenance).await?;
    let xid = write(&lease, tags).await?;
    lease.finish();
    Ok(xid)
}

pub(super) fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

pub(super) fn unavailable(why: &str) -> Response {
    let retry = [(header::RETRY_AFTER, "1")];
    let body = Json(json!({ "error": why }));
    (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
}
