//! `POST /links`: an administrator makes a link.
//!
//! Promise: it does what `sidegate link create` does, with what this instance knows.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use serde::Deserialize;
use serde_json::json;

use super::Shared;
use crate::link::{By, MintError, mint};
use crate::rejection::Rejection;

/// The request's body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    subject: String,
    path: String,
    #[serde(default)]
    ttl: Option<String>,
}

pub(super) async fn handle(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string(), None),
    };
    let ttl = request.ttl.as_deref().map(humantime::parse_duration);
    let Ok(ttl): Result<Option<Duration>, _> = ttl.transpose() else {
        let why = "ttl: expected a duration such as `5m`";
        return refused(StatusCode::BAD_REQUEST, why, None);
    };
    let current = shared.current.load();
    let asked = (request.subject.as_str(), request.path.as_str());
    match mint(&current.pipeline, asked, ttl, By::Admin).await {
        Ok(minted) => Json(minted).into_response(),
        Err(error) => {
            let (status, rejection) = judged(&error);
            refused(status, &error.to_string(), rejection)
        }
    }
}

const fn judged(error: &MintError) -> (StatusCode, Option<&Rejection>) {
    match error {
        MintError::NotConfigured => (StatusCode::CONFLICT, None),
        MintError::Subject(_)
        | MintError::Ttl(_)
        | MintError::Signed
        | MintError::Route(_)
        | MintError::TooLong => (StatusCode::BAD_REQUEST, None),
        MintError::Path(rejection) => (StatusCode::BAD_REQUEST, Some(rejection)),
        MintError::Undecided(rejection) => (StatusCode::SERVICE_UNAVAILABLE, Some(rejection)),
        MintError::Denied(rejection) => (StatusCode::FORBIDDEN, Some(rejection)),
    }
}

fn refused(status: StatusCode, why: &str, rejection: Option<&Rejection>) -> Response {
    let reason = rejection.map(|rejection| rejection.code().name());
    (status, Json(json!({ "error": why, "reason": reason }))).into_response()
}
