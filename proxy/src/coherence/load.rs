//! What is read whole: the log as it is at the start (DESIGN §5, R3), and all credentials.
//!
//! Promise: its snapshot is later than that of the last poll that was applied before it began, so what that
//! poll does not tell is told here: of the log, as far back as it goes. It is read over a connection of its
//! own, row by row, while polls go on; it makes nothing void that this process has read itself.

use std::pin::pin;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::Coherence;
use super::link::LinkError;
use super::poll::{Malformed, history};
use super::register::MOST_ROWS;
use super::snapshot::{NoSnapshot, number};
use super::tag::EVERYTHING;
use crate::credential::{Change, MalformedRecord, Table};
use crate::database::connect;
use crate::store::History;
use sidegate_config::DatabaseSettings;

/// In the place of a shorter bound that the login may have: the log of a busy hour takes a while.
const BOUND: &str = "set local statement_timeout = '5min'";
const HEAD: &str = "select h.system::text, h.timeline::text, h.incarnation::text, \
                    (select f.xid::text from sidegate.floor f) from sidegate.history h";
const CREDENTIALS: &str = "select record from sidegate.revocation_records \
                           union all select record from sidegate.key_records";
const LOG: &str = "select l.xid::text, l.tags from sidegate.change_log l \
                   where l.xid >= $1::text::pg_catalog.xid8";

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Whose log it is.
    pub(super) history: History,
    /// Changes below this may be missing.
    pub(super) floor: u64,
    /// Rows of the log.
    pub(super) rows: u64,
}

/// All credentials, as one snapshot has them.
#[derive(Debug)]
pub(super) struct Credentials {
    /// Whose they are.
    pub(super) history: History,
    /// By which id the reading was begun.
    pub(super) id: u64,
    /// What they are.
    pub(super) table: Table,
}

/// Reads all credentials; fails where there are more than are kept.
pub(super) async fn credentials(
    id: u64,
    settings: DatabaseSettings,
) -> Result<Credentials, LinkError> {
    let url = settings.feed_url.as_ref().unwrap_or(&settings.url);
    let (mut client, _connection) = connect(url, &settings).await?;
    let transaction = snapshot(&mut client).await?;
    let head = transaction.query_typed(HEAD, &[]).await?;
    let history = history(head.first().ok_or(Malformed::Empty)?, 0)?;
    let mut table = Table::default();
    let none: [(&(dyn ToSql + Sync), Type); 0] = [];
    let mut rows = pin!(transaction.query_typed_raw(CREDENTIALS, none).await?);
    let mut count = 0_usize;
    while let Some(row) = rows.try_next().await? {
        count = count.saturating_add(1);
        if count > MOST_ROWS {
            return Err(LinkError::TooMany);
        }
        let malformed = || Malformed::Column("records");
        let record: &str = row.try_get(0).map_err(|_type| malformed())?;
        table.apply(Change::parse(record).map_err(|MalformedRecord| malformed())?);
    }
    Ok(Credentials { history, id, table })
}

/// One snapshot for all that is read in it.
async fn snapshot(client: &mut Client) -> Result<Transaction<'_>, tokio_postgres::Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    transaction.batch_execute(BOUND).await?;
    Ok(transaction)
}

/// Reads the log into the slots.
pub(super) async fn log(
    coherence: Arc<Coherence>,
    settings: DatabaseSettings,
) -> Result<Loaded, LinkError> {
    let url = settings.feed_url.as_ref().unwrap_or(&settings.url);
    let (mut client, _connection) = connect(url, &settings).await?;
    // One snapshot for both: rows that are deleted meanwhile are below the floor that it sees.
    let transaction = snapshot(&mut client).await?;
    let head = transaction.query_typed(HEAD, &[]).await?;
    let head = head.first().ok_or(Malformed::Empty)?;
    let floor: &str = head
        .try_get(3)
        .map_err(|_type| Malformed::Column("floor"))?;
    let mut loaded = Loaded {
        history: history(head, 0)?,
        floor: number(floor).map_err(|NoSnapshot| Malformed::Column("floor"))?,
        rows: 0,
    };
    let floor = loaded.floor.to_string();
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&floor, Type::TEXT)];
    let mut rows = pin!(transaction.query_typed_raw(LOG, parameters).await?);
    while let Some(row) = rows.try_next().await? {
        touch(&coherence, &row)?;
        loaded.rows = loaded.rows.saturating_add(1);
    }
    Ok(loaded)
}

/// Under no poll's number: what this process has read itself is judged by polls (R2').
fn touch(coherence: &Coherence, row: &Row) -> Result<(), Malformed> {
    let xid: &str = row.try_get(0).map_err(|_type| Malformed::Column("xid"))?;
    let xid = number(xid).map_err(|NoSnapshot| Malformed::Column("xid"))?;
    let tags: Vec<Option<&str>> = row.try_get(1).map_err(|_type| Malformed::Column("tags"))?;
    for tag in tags {
        coherence.touch(tag.unwrap_or(EVERYTHING), xid, 0);
    }
    Ok(())
}
