//! The feed's own two connections, past every pool and breaker.
//!
//! Promise: while one is in use the other is open, if the server lets us; they take turns, so that each is
//! known to work; one on which something may still be going on is never used again. Opening happens in
//! the background, at most once in [`LONGEST_PAUSE`] while it fails.

use std::collections::VecDeque;
use std::time::Duration;

use sidegate_config::{DatabaseSettings, Pooler};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

use super::poll::{Answer, BEGIN_INCARNATION, Malformed, POLL, parameters, read};
use super::snapshot::Snapshot;
use super::{BootTime, Namespace, PolicyDigest};
use crate::database::{ConnectionTask, DatabaseError, Notice, connect, describe};

/// How many connections there are.
const LINKS: usize = 2;
/// The longest pause before another try to open one.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Once per session, where it is ours. A poll that was given up on ends on the server too, or sessions
/// would pile up behind whatever holds it. Planned once, by indexes: planning takes longer than the poll,
/// and a plan made for a small log must do for one of a million rows.
const SESSION: &str = "set search_path = pg_catalog, pg_temp; set statement_timeout = '1s'; set jit = off; \
                       set plan_cache_mode = force_generic_plan; set enable_seqscan = off";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// There are more rows than are kept.
    #[error("there are more service keys and revocations than are kept in memory")]
    TooMany,
    /// There is no connection.
    #[error("{0}")]
    Database(#[from] DatabaseError),
    /// The server refuses, or the connection is lost.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The answer means nothing.
    #[error("a poll's answer: {0}")]
    Malformed(#[from] Malformed),
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    /// The poll, where the session is ours; else it is sent whole each time.
    statement: Option<Statement>,
    // Ends the connection when it is dropped.
    _connection: ConnectionTask,
}

impl Link {
    async fn open(settings: &DatabaseSettings) -> Result<Self, LinkError> {
        let url = settings.feed_url.as_ref().unwrap_or(&settings.url);
        let (client, connection) = connect(url, settings).await?;
        let own = settings.pooler == Pooler::None || settings.feed_url.is_some();
        let statement = if own {
            client.batch_execute(SESSION).await?;
            Some(
                client
                    .prepare_typed(POLL, &[Type::TEXT, Type::TEXT])
                    .await?,
            )
        } else {
            None
        };
        Ok(Self {
            client,
            statement,
            _connection: connection,
        })
    }

    /// Asks for what a snapshot did not see. The answer, and when it was there.
    pub(super) async fn poll(
        &self,
        cursor: Option<&Snapshot>,
    ) -> Result<(Answer, BootTime), LinkError> {
        let (xmax, in_progress) = parameters(cursor);
        let rows = match &self.statement {
            Some(statement) => self.client.query(statement, &[&xmax, &in_progress]).await?,
            None => {
                let typed: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
                    [(&xmax, Type::TEXT), (&in_progress, Type::TEXT)];
                self.client.query_typed(POLL, &typed).await?
            }
        };
        let received = BootTime::now();
        Ok((read(&rows)?, received))
    }

    /// Gives this life of the database its id.
    pub(super) async fn begin_incarnation(&self) -> Result<(), LinkError> {
        self.client.query_typed(BEGIN_INCARNATION, &[]).await?;
        Ok(())
    }
}

/// Why it cannot be told which values count.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The database cannot be asked.
    #[error("{0}")]
    Ask(String),
    /// It does not answer.
    #[error("the database does not answer in time")]
    TimedOut,
    /// No instance has given its life an id yet.
    #[error("no running Sidegate has met this database since it was started: start one first")]
    NoLife,
}

/// The namespace of what may be shared now, for whoever follows no feed: one poll over a connection of its
/// own.
///
/// # Errors
/// When the database cannot be asked.
pub async fn namespace(
    settings: &DatabaseSettings,
    policy: &PolicyDigest,
) -> Result<Namespace, NamespaceError> {
    let asked = async { Link::open(settings).await?.poll(None).await };
    let limit = settings.connect_timeout.saturating_mul(3);
    let (answer, _received) = timeout(limit, asked)
        .await
        .map_err(|_elapsed| NamespaceError::TimedOut)?
        .map_err(|error| NamespaceError::Ask(error.to_string()))?;
    if answer.history.incarnation.is_none() {
        return Err(NamespaceError::NoLife);
    }
    Ok(Namespace::new(policy, &answer.history, &answer.fingerprint))
}

/// Both of them.
#[derive(Debug)]
pub(super) struct Links {
    settings: DatabaseSettings,
    open: VecDeque<Link>,
    opening: JoinSet<Result<Link, LinkError>>,
    pause: Duration,
    notice: Notice,
}

impl Links {
    pub(super) fn new(settings: DatabaseSettings) -> Self {
        Self {
            settings,
            open: VecDeque::with_capacity(LINKS),
            opening: JoinSet::new(),
            pause: Duration::ZERO,
            notice: Notice::new("opening the change feed's connections"),
        }
    }

    /// The one that has waited longest. Whoever does not [give it back](Self::give_back) closes it.
    pub(super) fn take(&mut self) -> Option<Link> {
        self.open.pop_front()
    }

    /// It has answered to the end.
    pub(super) fn give_back(&mut self, link: Link) {
        self.pause = Duration::ZERO;
        self.open.push_back(link);
    }

    /// Begins to open what is missing. To be called when none is taken.
    pub(super) fn refill(&mut self) {
        while self.open.len() + self.opening.len() < LINKS {
            let (settings, pause) = (self.settings.clone(), self.pause);
            self.opening.spawn(async move {
                sleep(pause).await;
                // The session's set-up has no bound of its own.
                let bound = settings.connect_timeout.saturating_mul(2);
                match timeout(bound, Link::open(&settings)).await {
                    Ok(opened) => opened,
                    Err(_elapsed) => Err(DatabaseError::TimedOut.into()),
                }
            });
        }
    }

    /// Whether one is being opened.
    pub(super) fn is_opening(&self) -> bool {
        !self.opening.is_empty()
    }

    /// Waits for the next one to be open, or not to be. Whether it is.
    pub(super) async fn opened(&mut self) -> bool {
        match self.opening.join_next().await {
            Some(Ok(Ok(link))) => {
                self.notice.worked();
                self.open.push_back(link);
                true
            }
            Some(Ok(Err(error))) => {
                self.failed(&error.to_string());
                false
            }
            Some(Err(error)) => {
                self.failed(&error.to_string());
                false
            }
            None => false,
        }
    }

    /// One that was open was of no use: the next one is not opened at once.
    pub(super) fn useless(&mut self) {
        self.pause = self
            .pause
            .saturating_mul(2)
            .clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }

    fn failed(&mut self, reason: &str) {
        self.notice.failed(reason);
        self.useless();
    }
}
