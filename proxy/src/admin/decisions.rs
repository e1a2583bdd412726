//! `GET /decisions/{id}`: why a request that was decided on was allowed or refused.
//!
//! Promise: it says what this instance has kept, or that it has not, how far back that reaches, and whom to ask.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Shared;
use crate::coherence::BootTime;
use crate::decisions::Reach;
use crate::explain;

/// How the answer is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// For programs.
    #[default]
    Json,
    /// For a person at a terminal.
    Text,
}

pub(super) async fn handle(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
) -> Response {
    let Ok(id) = Uuid::try_parse(&id) else {
        let why = "expected the id of a decision: a uuid, as in X-Sidegate-Decision-Id";
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))).into_response();
    };
    let Some(record) = shared.telemetry.decisions.find(id) else {
        let reach = shared.telemetry.decisions.reach();
        let error = missing(&reach);
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
    };
    let explanation = explain::recorded(&record, &shared.current.load());
    match wish.format {
        Format::Json => Json(explanation).into_response(),
        Format::Text => explanation.to_string().into_response(),
    }
}

/// In words. A client of the command line repeats 300 characters.
fn missing(reach: &[Reach]) -> String {
    if reach.iter().all(|group| group.most == 0) {
        return "no decisions are kept here: `telemetry.decisions` is 0".to_owned();
    }
    let now = BootTime::now();
    let groups = reach.iter().map(|group| {
        let back = group.since.map_or_else(
            || "none".to_owned(),
            |since| {
                let seconds = Duration::from_secs(now.since(since).as_secs());
                format!("{} ago", humantime::format_duration(seconds))
            },
        );
        format!("{}: {back}", group.group.name())
    });
    let groups: Vec<_> = groups.collect();
    format!(
        "not among the decisions kept here (the oldest {}). Each instance has its own: ask the one that answered. What \
         lasts is kept once it has ended",
        groups.join("; ")
    )
}
