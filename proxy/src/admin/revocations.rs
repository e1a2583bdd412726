//! `/revocations`: takes credentials away, and says when this instance knows it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::Shared;
use super::invalidate::{refused, unavailable};
use crate::coherence::{BootTime, Stale};
use crate::database::{Database, Purpose, describe};
use crate::generation::Generation;
use crate::revoke::{Kind, PATIENCE, Revocation, WriteError, write};
use crate::store::PostgresStore;

/// How long a client may wait for this instance's own feed, once the database has answered.
const FEED_PATIENCE: Duration = Duration::from_millis(500);

/// The request's body: exactly one of the first four.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    user: Option<String>,
    session: Option<String>,
    token: Option<String>,
    /// Everybody's, issued until then.
    all_before: Option<String>,
    /// With `user`: what was issued until then. Default: until now.
    before: Option<String>,
    #[serde(default)]
    note: String,
}

pub(super) async fn handle(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let current = shared.current.load();
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let revocation = match revocation(&request, &current) {
        Ok(revocation) => revocation,
        Err(why) => return refused(StatusCode::BAD_REQUEST, &why),
    };
    let Some(database) = current.store.postgres().map(PostgresStore::database) else {
        let why = "revocations are kept in a database: expected `store.postgres`";
        return refused(StatusCode::CONFLICT, why);
    };
    let xid = match timeout(PATIENCE, written(database, &revocation, &current)).await {
        Ok(Ok(xid)) => xid,
        Ok(Err(error)) => {
            let reason = match &error {
                WriteError::Connect(error) => error.to_string(),
                WriteError::Postgres(error) => describe(error),
                WriteError::TimedOut => error.to_string(),
            };
            tracing::warn!(reason, "a revocation cannot be written");
            return unavailable("the database does not take it (why: the log)");
        }
        // The connection is thrown away; the transaction may yet have been committed.
        Err(_elapsed) => return unavailable("the database does not answer in time"),
    };
    let about = revocation.tag();
    tracing::info!(about, %xid, "an administrator has revoked credentials");
    let applied = match current.facts.kept() {
        Some(kept) => {
            let since = BootTime::now();
            match kept.coherence().fresh(since, FEED_PATIENCE).await {
                Ok(_) | Err(Stale::Closed) => true,
                Err(Stale::Failed | Stale::Late) => false,
            }
        }
        None => true,
    };
    Json(json!({ "about": about, "xid": xid, "applied_here": applied })).into_response()
}

fn revocation(request: &Request, current: &Generation) -> Result<Revocation, String> {
    let (kind, value, before) = match (
        &request.user,
        &request.session,
        &request.token,
        &request.all_before,
    ) {
        (Some(user), None, None, None) => (Kind::User, user.as_str(), request.before.as_deref()),
        (None, Some(session), None, None) => (Kind::Session, session.as_str(), None),
        (None, None, Some(token), None) => (Kind::Token, token.as_str(), None),
        (None, None, None, Some(before)) => (Kind::All, "*", Some(before.as_str())),
        _ => {
            return Err(
                "expected exactly one of `user`, `session`, `token` and `all_before`".to_owned(),
            );
        }
    };
    if request.before.is_some() && kind != Kind::User {
        return Err("expected `before` only with `user`".to_owned());
    }
    Revocation::new(kind, value, before, &request.note, &current.settings)
        .map_err(|error| error.to_string())
}

async fn written(
    database: &Database,
    revocation: &Revocation,
    current: &Generation,
) -> Result<String, WriteError> {
    let lease = database.acquire(Purpose::Maintenance).await?;
    let xid = write(&lease, revocation, &current.settings).await?;
    lease.finish();
    Ok(xid)
}
