//! Questions to the database: unnamed statements in one read-only transaction, which a transaction pooler
//! passes on as they are.

use std::fmt;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::DoctorError;

/// A parameter of a check's statement.
pub(super) type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

/// Begins the transaction. Names mean what PostgreSQL means by them; a statement is given five seconds and
/// waits for a lock for one. Estimates for catalogs are so high that compiling the statements (`jit`)
/// would take longer than answering them.
const BEGIN: &str = "begin isolation level read committed, read only; \
    set local search_path = pg_catalog, pg_temp; set local statement_timeout = '5s'; \
    set local lock_timeout = '1s'; set local jit = off";

/// Begins the transaction that every question belongs to.
pub(super) async fn begin(client: &Client) -> Result<(), DoctorError> {
    Ok(client.batch_execute(BEGIN).await?)
}

/// All rows.
pub(super) async fn ask(
    client: &Client,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<Row>, DoctorError> {
    Ok(client.query_typed(sql, parameters).await?)
}

/// The one row that there always is.
pub(super) async fn one(
    client: &Client,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Row, DoctorError> {
    let rows = ask(client, sql, parameters).await?;
    rows.into_iter().next().ok_or(DoctorError::Empty)
}

/// A name as SQL writes it.
pub(super) struct Quoted<'n>(pub(super) &'n str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}
