//! The log as it is at the start (DESIGN §5, R3): what has changed before the first poll.
//!
//! Promise: its snapshot is later than that of the poll by which a life of the database was taken up, so
//! what that poll does not tell is told here, as far back as the log goes. It is read over a connection of
//! its own, row by row, while polls go on; it makes nothing void that this process has read itself.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{IsolationLevel, Row};

use super::Coherence;
use super::link::LinkError;
use super::poll::{Malformed, history};
use super::snapshot::{NoSnapshot, number};
use super::tag::EVERYTHING;
use crate::database::{Notice, connect};
use crate::store::History;
use sidegate_config::DatabaseSettings;

/// How soon again, after it failed.
const RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// In the place of a shorter bound that the login may have: the log of a busy hour takes a while.
const BOUND: &str = "set local statement_timeout = '5min'";
const HEAD: &str = "select h.system::text, h.timeline::text, h.incarnation::text, \
                    (select f.xid::text from sidegate.floor f) from sidegate.history h";
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

/// A load that goes on, or is due.
#[derive(Debug)]
pub(super) struct Loader {
    task: JoinSet<Result<Loaded, LinkError>>,
    due: Option<Instant>,
    pause: Duration,
    notice: Notice,
}

impl Default for Loader {
    fn default() -> Self {
        Self {
            task: JoinSet::new(),
            due: None,
            pause: RETRY,
            notice: Notice::new("reading the change log, without which only own answers are kept"),
        }
    }
}

/// What is to be done about it.
#[derive(Debug)]
pub(super) enum Turn {
    /// It has ended.
    Ended(Result<Loaded, String>),
    /// It is to begin.
    Due,
}

impl Loader {
    /// Begins; one that goes on is given up.
    pub(super) fn begin(&mut self, coherence: &Arc<Coherence>, settings: &DatabaseSettings) {
        self.task = JoinSet::new();
        self.task
            .spawn(load(Arc::clone(coherence), settings.clone()));
        self.due = None;
    }

    /// It was of no use: one is to begin soon.
    pub(super) fn again(&mut self, reason: &str) {
        self.notice.failed(reason);
        self.due = Some(Instant::now() + self.pause);
        self.pause = self.pause.saturating_mul(2).min(LONGEST_RETRY);
    }

    /// It was of use.
    pub(super) fn worked(&mut self) {
        self.notice.worked();
        self.pause = RETRY;
    }

    /// Waits for the one that goes on to end, or for one to be due; for ever while there is neither.
    pub(super) async fn turn(&mut self) -> Turn {
        match self.task.join_next().await {
            Some(Ok(loaded)) => Turn::Ended(loaded.map_err(|error| error.to_string())),
            Some(Err(error)) => Turn::Ended(Err(error.to_string())),
            None => match self.due {
                Some(due) => {
                    sleep_until(due).await;
                    Turn::Due
                }
                None => std::future::pending().await,
            },
        }
    }
}

async fn load(coherence: Arc<Coherence>, settings: DatabaseSettings) -> Result<Loaded, LinkError> {
    let url = settings.feed_url.as_ref().unwrap_or(&settings.url);
    let (mut client, _connection) = connect(url, &settings).await?;
    // One snapshot for both: rows that are deleted meanwhile are below the floor that it sees.
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    transaction.batch_execute(BOUND).await?;
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
