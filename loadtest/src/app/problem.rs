//! Why a request is not answered with what it asked for.
//!
//! Promises: one status and one short code per problem; what the database says stays here (it goes
//! to standard error). A database that cannot be reached, or takes too long, is 503.
//!
//! Does not: tell a row that is missing from an id that is none: both are 404.

use std::error::Error;
use std::io::{self, Write};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use thiserror::Error;
use tokio_postgres::error::SqlState;

use super::database::DatabaseError;

/// A request's failure.
#[derive(Debug, Error)]
pub(crate) enum Problem {
    #[error("no subject")]
    Unauthenticated,
    #[error("not allowed")]
    Forbidden,
    #[error("no such row")]
    NotFound,
    #[error("a bad request: {0}")]
    Bad(&'static str),
    #[error("not in this state")]
    Conflict,
    #[error(transparent)]
    Unavailable(#[from] DatabaseError),
    #[error("the database refused")]
    Database(#[from] tokio_postgres::Error),
}

impl Problem {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::Bad(what) => (StatusCode::BAD_REQUEST, what),
            Self::Conflict => (StatusCode::CONFLICT, "conflict"),
            Self::Unavailable(_) => UNAVAILABLE,
            Self::Database(error) => refusal(error),
        }
    }
}

/// What a statement's failure means to the client.
fn refusal(error: &tokio_postgres::Error) -> (StatusCode, &'static str) {
    let Some(code) = error.code() else {
        // Not the database's answer: the connection is gone, or an answer cannot be read.
        return if error.is_closed() || io_error(error) {
            UNAVAILABLE
        } else {
            INTERNAL
        };
    };
    if *code == SqlState::FOREIGN_KEY_VIOLATION {
        (StatusCode::BAD_REQUEST, "no_such_reference")
    } else if *code == SqlState::CHECK_VIOLATION {
        (StatusCode::BAD_REQUEST, "value_not_allowed")
    } else if *code == SqlState::QUERY_CANCELED
        || *code == SqlState::ADMIN_SHUTDOWN
        || *code == SqlState::CRASH_SHUTDOWN
    {
        UNAVAILABLE
    } else {
        INTERNAL
    }
}

fn io_error(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<io::Error>())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        if status.is_server_error() {
            let mut text = format!("{status}: {self}");
            let mut cause = self.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            // When nobody reads standard error, there is nobody to tell.
            let _ = writeln!(io::stderr(), "{text}");
        }
        (status, Json(json!({ "error": code }))).into_response()
    }
}

const UNAVAILABLE: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "unavailable");
const INTERNAL: (StatusCode, &str) = (StatusCode::INTERNAL_SERVER_ERROR, "internal");
