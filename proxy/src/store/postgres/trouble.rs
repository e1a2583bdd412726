//! What went wrong with a question: what the request is told, whether to ask again, whether the
//! connection is still good.
//!
//! Promise: whatever the error, it is one of four, and none of them is an answer. A connection is
//! kept only after an error that leaves its session as it was.

use tokio_postgres::error::SqlState;

use super::answer::Malformed;
use crate::database::{DatabaseError, Ending, describe};
use crate::store::StoreError;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What the request is told.
    pub(super) error: StoreError,
    /// What the log is told. The server's words may name users and tables, never a password.
    pub(crate) detail: String,
    /// Whether to ask once more, on another connection.
    pub(super) again: bool,
    /// Whether the connection may be used for the next question.
    pub(super) keep: bool,
}

impl Trouble {
    /// The time for the question is over. The connection is still at it.
    pub(super) fn timed_out() -> Self {
        Self {
            error: StoreError::TimedOut,
            detail: "no answer within database.query_timeout".to_owned(),
            again: false,
            keep: false,
        }
    }

    /// The answer is of another life of the database than the one whose changes are followed
    /// (DESIGN §5, R4).
    pub(super) fn foreign() -> Self {
        Self {
            error: StoreError::Unavailable,
            detail: "this connection leads to another database than the change feed's".to_owned(),
            again: true,
            keep: false,
        }
    }

    /// From an error of a statement.
    pub(super) fn of_statement(error: &tokio_postgres::Error) -> Self {
        let detail = describe(error);
        let Some(state) = error.code() else {
            // The connection broke, or what came over it was no Postgres protocol.
            return Self {
                error: StoreError::Unavailable,
                detail,
                again: true,
                keep: false,
            };
        };
        let outdated = is_outdated(state);
        let class = class_of(state);
        Self {
            error: class,
            detail,
            again: outdated || class == StoreError::Unavailable,
            keep: !outdated && class != StoreError::Unavailable,
        }
    }
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        let detail = error.to_string();
        let error = match error {
            DatabaseError::TimedOut => StoreError::TimedOut,
            DatabaseError::Connect(error) => error.code().map_or(StoreError::Unavailable, class_of),
            DatabaseError::Busy
            | DatabaseError::Closed
            | DatabaseError::Url(_)
            | DatabaseError::Tls(_)
            | DatabaseError::Metrics(_) => StoreError::Unavailable,
        };
        Self {
            error,
            detail,
            again: false,
            keep: false,
        }
    }
}

impl From<Malformed> for Trouble {
    fn from(error: Malformed) -> Self {
        Self {
            error: StoreError::Malformed,
            detail: error.to_string(),
            again: false,
            keep: true,
        }
    }
}

/// What is counted.
pub(super) const fn ending(error: StoreError) -> Ending {
    match error {
        StoreError::Unavailable => Ending::Unavailable,
        StoreError::TimedOut => Ending::TimedOut,
        StoreError::Refused => Ending::Refused,
        StoreError::Malformed => Ending::Malformed,
    }
}

/// A prepared statement that the server no longer has, or whose tables have changed under it: a
/// new connection prepares it anew.
fn is_outdated(state: &SqlState) -> bool {
    [
        SqlState::FEATURE_NOT_SUPPORTED, // cached plan must not change result type
        SqlState::INVALID_SQL_STATEMENT_NAME, // somebody else has the session now
    ]
    .contains(state)
}

/// By the classes of the standard: `08` connection, `53` no resources, `57P` shut down or ended
/// by an operator, `57014` cancelled, which `statement_timeout` does too.
fn class_of(state: &SqlState) -> StoreError {
    let code = state.code();
    if *state == SqlState::QUERY_CANCELED {
        StoreError::TimedOut
    } else if ["08", "53", "57P"]
        .iter()
        .any(|class| code.starts_with(class))
        || *state == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
    {
        StoreError::Unavailable
    } else {
        StoreError::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_states_is_one_of_the_four() {
        for (code, expected) in [
            ("57P01", StoreError::Unavailable), // shut down by the administrator
            ("57P02", StoreError::Unavailable), // crashed
            ("57P03", StoreError::Unavailable), // starting up
            ("53300", StoreError::Unavailable), // too many connections
            ("08006", StoreError::Unavailable),
            ("25P03", StoreError::Unavailable),
            ("57014", StoreError::TimedOut), // statement_timeout
            ("42501", StoreError::Refused),  // no permission
            ("42P01", StoreError::Refused),  // no such view
            ("55000", StoreError::Refused),  // a standby's history
            ("22P02", StoreError::Refused),
            ("28P01", StoreError::Refused), // wrong password
            ("3D000", StoreError::Refused), // no such database
            ("0A000", StoreError::Refused), // after it was asked again
        ] {
            assert_eq!(class_of(&SqlState::from_code(code)), expected, "{code}");
        }
        assert!(is_outdated(&SqlState::from_code("0A000")));
        assert!(is_outdated(&SqlState::from_code("26000")));
        assert!(!is_outdated(&SqlState::UNDEFINED_TABLE));
    }
}
