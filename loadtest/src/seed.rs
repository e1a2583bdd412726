//! Fills a database with a [`Dataset`].
//!
//! Promises: all of it or nothing (one transaction); rows that are there already are never mixed
//! with the dataset's: a database that holds some is refused, or emptied when the caller says so.
//! Statistics are gathered, so that the first measurement is like the last.
//!
//! Does not: drop what is not the application's. Views over its tables make the dropping fail.

mod dataset;

use std::fmt::{self, Write};
use std::pin::pin;

use bytes::Bytes;
use deadpool_postgres::Transaction;
use futures_util::SinkExt;
use thiserror::Error;
use tokio_postgres::CopyInSink;
use uuid::Uuid;

pub use dataset::{AmountError, Dataset, Ends, Generation, Member, Project, User};

use crate::app::{Database, DatabaseError, SCHEMA};
use crate::ids::Table;

/// What becomes of rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They are a reason not to fill the database.
    Refuse,
    /// The application's tables are dropped first.
    Drop,
}

/// How far the filling is.
#[derive(Debug, Clone, Copy)]
pub struct Filled {
    /// The table that is being filled.
    pub table: &'static str,
    /// Rows of all tables so far.
    pub rows: u64,
    /// Rows of all tables in the end.
    pub total: u64,
}

/// Why a database was not filled.
#[derive(Debug, Error)]
pub enum SeedError {
    /// The database does not answer.
    #[error(transparent)]
    Connect(#[from] DatabaseError),
    /// It holds rows, and nobody said that they may go.
    #[error("the database holds rows already; --drop removes the application's tables first")]
    NotEmpty,
    /// It refused something.
    #[error("the database refused")]
    Postgres(#[from] tokio_postgres::Error),
}

/// Fills `database` with `set`; calls `progress` after every batch.
///
/// # Errors
///
/// When the database holds rows and `existing` does not drop them, or the database refuses.
pub async fn seed(
    database: &Database,
    set: Dataset,
    existing: Existing,
    progress: impl FnMut(Filled),
) -> Result<(), SeedError> {
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    // Filling takes longer than a request may.
    transaction
        .batch_execute("set local statement_timeout = 0")
        .await?;
    if existing == Existing::Drop {
        transaction.batch_execute(DROP).await?;
    }
    transaction.batch_execute(SCHEMA).await?;
    if transaction.query_one(ANY, &[]).await?.try_get(0)? {
        return Err(SeedError::NotEmpty);
    }
    fill(&transaction, set, progress).await?;
    transaction.batch_execute(ANALYZE).await?;
    Ok(transaction.commit().await?)
}

/// The tables in the order of their references.
async fn fill(
    transaction: &Transaction<'_>,
    set: Dataset,
    progress: impl FnMut(Filled),
) -> Result<(), tokio_postgres::Error> {
    let total = [
        set.users(),
        set.teams(),
        set.members(),
        set.projects(),
        set.generations(),
    ];
    let mut filling = Filling {
        transaction,
        set,
        progress,
        rows: 0,
        total: total.iter().sum(),
    };
    filling.copy("users", set.users(), user).await?;
    filling.copy("teams", set.teams(), team).await?;
    filling.copy("team_members", set.members(), member).await?;
    filling.copy("projects", set.projects(), project).await?;
    filling
        .copy("generations", set.generations(), generation)
        .await
}

/// One filling of all tables.
struct Filling<'a, P> {
    transaction: &'a Transaction<'a>,
    set: Dataset,
    progress: P,
    rows: u64,
    total: u64,
}

impl<P: FnMut(Filled)> Filling<'_, P> {
    /// Copies rows 0 to `count` into `table`; `line` writes one of them. A statement per batch:
    /// the database checks references at the end of each, and keeps a list of them until then.
    async fn copy(
        &mut self,
        table: &'static str,
        count: u64,
        line: fn(&mut String, &Dataset, u64) -> fmt::Result,
    ) -> Result<(), tokio_postgres::Error> {
        let mut text = String::new();
        let mut start = 0;
        while start < count {
            let end = count.min(start.saturating_add(BATCH));
            for index in start..end {
                // Writing to a String cannot fail.
                let _ = line(&mut text, &self.set, index);
            }
            let statement = format!("copy {table} from stdin");
            let sink: CopyInSink<Bytes> = self.transaction.copy_in(&statement).await?;
            let mut sink = pin!(sink);
            sink.send(std::mem::take(&mut text).into()).await?;
            sink.finish().await?;
            self.rows = self.rows.saturating_add(end.saturating_sub(start));
            (self.progress)(Filled {
                table,
                rows: self.rows,
                total: self.total,
            });
            start = end;
        }
        Ok(())
    }
}

fn user(text: &mut String, set: &Dataset, index: u64) -> fmt::Result {
    let User {
        id,
        email,
        is_active,
    } = set.user(index);
    writeln!(text, "{id}\t{email}\t{is_active}")
}

fn team(text: &mut String, set: &Dataset, index: u64) -> fmt::Result {
    let (id, name) = set.team(index);
    writeln!(text, "{id}\t{name}")
}

fn member(text: &mut String, set: &Dataset, index: u64) -> fmt::Result {
    let Member {
        team,
        user,
        role,
        ends,
    } = set.member(index);
    let (team, user) = (set.id(Table::Teams, team), set.id(Table::Users, user));
    writeln!(text, "{team}\t{user}\t{role}\t{ends}")
}

fn project(text: &mut String, set: &Dataset, index: u64) -> fmt::Result {
    let row = set.project(index);
    write!(text, "{}\t{}\t", row.id, set.id(Table::Users, row.owner))?;
    optional(text, row.team.map(|team| set.id(Table::Teams, team)))?;
    write!(text, "\t{}\t", row.visibility)?;
    moment(text, row.updated)
}

fn generation(text: &mut String, set: &Dataset, index: u64) -> fmt::Result {
    let row = set.generation(index);
    write!(text, "{}\t{}\t", row.id, set.id(Table::Users, row.owner))?;
    optional(
        text,
        row.project.map(|project| set.id(Table::Projects, project)),
    )?;
    write!(text, "\t{}\t", row.status)?;
    moment(text, row.updated)
}

fn optional(text: &mut String, id: Option<Uuid>) -> fmt::Result {
    match id {
        Some(id) => write!(text, "{id}"),
        None => text.write_str(r"\N"),
    }
}

/// Ends the line with a time: seconds since the start of 2025.
fn moment(text: &mut String, seconds: u64) -> fmt::Result {
    let (day, second) = (seconds / 86_400 + 1, seconds % 86_400);
    // Postgres reads a year and a day of it.
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    writeln!(text, "2025.{day:03} {hour:02}:{minute:02}:{second:02}Z")
}

/// Rows of one COPY: 2 MB of text at most.
const BATCH: u64 = 10_000;

const DROP: &str = "drop table if exists generations, projects, team_members, teams, users";

const ANY: &str = "select exists (select from users) or exists (select from teams)";

const ANALYZE: &str = "analyze users, teams, team_members, projects, generations";
