//! Why there is no connection, and what may be said about it.
//!
//! Promise: no message repeats a URL or a part of it. What the server says is meant for the log: it
//! may name users, tables and columns, so no client of the proxy sees it.

use std::error::Error as _;

use crate::tls::TlsError;

/// Why there is no connection, or cannot be one.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The driver does not understand a URL. Its own message may repeat parts of it.
    #[error("{0}: the driver does not understand this URL: check host, port and parameters")]
    Url(&'static str),
    /// TLS cannot be set up.
    #[error("database: {0}")]
    Tls(#[from] TlsError),
    /// Two metrics have one name, which a test rules out.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// So many wait for a connection already that another one would wait in vain.
    #[error("too many wait for a connection")]
    Busy,
    /// There was no connection in time.
    #[error("no connection in time")]
    TimedOut,
    /// The pool is being closed.
    #[error("the pool is closed")]
    Closed,
    /// The server cannot be reached, or does not let us in.
    #[error("cannot connect: {}", describe(.0))]
    Connect(tokio_postgres::Error),
}

/// An error in words, for the log: the SQLSTATE and the server's message, or the chain of causes.
#[must_use]
pub fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(answer) = error.as_db_error() {
        let severity = answer.severity();
        return format!("{severity} {}: {}", answer.code().code(), answer.message());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
