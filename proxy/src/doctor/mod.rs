//! `sidegate doctor`: whether the database is what Sidegate takes it for (DESIGN §3, §5).
//!
//! Promises: an examination changes nothing and holds no lock that anybody waits for (one read-only
//! transaction, each statement bounded to five seconds); it needs no state of a session, so that it works
//! behind a transaction pooler. Every finding says what to do about it. `run` looks every
//! half minute and shows the same at `/readyz` and `/config`.
//!
//! Does not: mend anything, see whether tags name the right rows (that the columns of
//! `member:{team_id}:{user_id}` are the team and the user), or look into functions: a view that calls
//! one which is not PostgreSQL's own is refused.

mod ask;
mod board;
mod contract;
mod expect;
mod finding;
mod lineage;
mod migrations;
mod report;
mod rights;
mod server;
mod sources;
mod tags;
mod tree;
mod triggers;
mod upkeep;
mod views;

pub use board::Board;
pub use expect::Expectations;
pub use finding::{Check, Examination, Finding, Severity};
pub use report::{json, text};

use sidegate_config::PostgresSettings;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::database::{self, DatabaseError, describe};
use ask::Parameter;
use server::Server;

/// Why a database could not be examined.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is no connection.
    #[error("{0}")]
    Database(#[from] DatabaseError),
    /// A question was refused, or the connection was lost.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// A question that always has an answer had none.
    #[error("an empty answer")]
    Empty,
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
}

/// Examines the database of a configuration over a connection of its own. That it cannot be reached is
/// a finding too.
pub async fn examine_once(store: &PostgresSettings, expected: &Expectations) -> Examination {
    let examined = async {
        let (client, _connection) = database::connect(&store.database.url, &store.database).await?;
        examine(&client, expected).await
    };
    match examined.await {
        Ok(examination) => examination,
        Err(error) => Examination {
            findings: vec![unexamined(&error)],
            passed: Vec::new(),
        },
    }
}

/// Examines a database.
///
/// # Errors
/// When the connection is lost, or a question is refused that should not be.
pub async fn examine(client: &Client, expected: &Expectations) -> Result<Examination, DoctorError> {
    ask::begin(client).await?;
    let examined = Box::pin(checks(client, expected)).await;
    // A connection that does not take this is lost, and the pool will see.
    let ended = client.batch_execute("rollback").await;
    let mut examination = examined?;
    ended?;
    examination.sort();
    Ok(examination)
}

async fn checks(client: &Client, expected: &Expectations) -> Result<Examination, DoctorError> {
    let mut made = Examination::default();
    let (skew, seen) = server::clock(client, expected).await?;
    let server = Server::read(client).await?;
    made.made(Check::Reachable, server.version(), &server.seen());
    made.made(Check::Primary, server.primary(), "");
    made.made(Check::Connections, server.connections(expected), "");
    made.made(Check::Clock, skew, &seen);
    if !server.migrated {
        let what = "there is no schema sidegate in this database";
        let mend = "run `sidegate migrate`, or correct the database's name in `database.url`";
        let finding = Finding::new(Check::Migrations, Severity::Broken, what, mend);
        made.made(Check::Migrations, vec![finding], "");
        return Ok(made);
    }
    let views = expected.views();
    let rights = rights::examine(client, &server, &views).await?;
    made.made(Check::Rights, rights.findings, "");
    if !rights.may_look {
        return Ok(made);
    }
    let (found, seen) = migrations::examine(client).await?;
    let complete = found
        .iter()
        .all(|finding| finding.severity < Severity::Broken);
    made.made(Check::Migrations, found, &seen);
    if !complete {
        return Ok(made);
    }
    made.made(
        Check::Contract,
        contract::examine(client, expected).await?,
        &views.join(", "),
    );
    let reach = sources::Reach::read(client, &views).await?;
    let oids = reach.oids();
    let parameter: [Parameter<'_>; 1] = [(&oids, Type::OID_ARRAY)];
    made.made(Check::Rows, views::rows(client, &parameter).await?, "");
    let (found, seen) = sources::examine(client, &reach, &parameter, expected).await?;
    made.made(Check::Sources, found, &seen);
    made.made(
        Check::Functions,
        views::functions(client, &parameter).await?,
        "",
    );
    let (found, seen) = triggers::examine(client).await?;
    made.made(Check::Triggers, found, &seen);
    let (found, seen) = upkeep::log(client, expected).await?;
    made.made(Check::Log, found, &seen);
    made.made(
        Check::Snapshots,
        upkeep::holders(client, &server).await?,
        "",
    );
    Ok(made)
}

/// The finding that there could be no examination.
fn unexamined(error: &DoctorError) -> Finding {
    let mend = match error {
        DoctorError::Database(DatabaseError::Connect(cause)) => match cause.as_db_error() {
            Some(said) if said.code().code().starts_with("28") => {
                "correct the user and the password in `database.url`, and the server's pg_hba.conf"
            }
            Some(said) if said.code().code() == "3D000" => {
                "correct the database's name in `database.url`"
            }
            Some(said) if said.code().code() == "53300" => {
                "raise max_connections, or end sessions that nobody needs"
            }
            Some(_) => "do what the server says, and try again",
            None => {
                "start the server, correct host and port in `database.url`, or let the network and TLS \
                 (`database.ca_file`) through"
            }
        },
        DoctorError::Database(DatabaseError::TimedOut) | DoctorError::TimedOut => {
            "see whether the server is overloaded or a firewall drops what is sent to it; \
             `database.connect_timeout` bounds the wait"
        }
        DoctorError::Database(
            DatabaseError::Url(_)
            | DatabaseError::Tls(_)
            | DatabaseError::Metrics(_)
            | DatabaseError::Busy
            | DatabaseError::Closed,
        ) => "correct the section `database`",
        DoctorError::Postgres(_) | DoctorError::Empty => {
            "try again; if it stays, run `sidegate migrate` with this version of Sidegate"
        }
    };
    let what = format!("the database cannot be examined: {error}");
    Finding::new(Check::Reachable, Severity::Broken, what, mend)
}
