//! Locks on the application's tables, and how not to be in its way.
//!
//! Promise: a writer of the table never waits behind a lock that `migrate` only asks for: it is had at
//! once or not at all ([`AT_ONCE`] tries). Only on a table that is in use at every instant is it waited
//! for, a tenth of a second at a time with a pause four times as long, so that no write is held up for
//! longer than that. A lock that is had is held for the few milliseconds that a trigger takes.
//!
//! Does not: end anybody's transaction. A table that cannot be had is named, with who holds it.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{MigrateError, Session, refused};

/// Tries that do not wait.
const AT_ONCE: usize = 40;
/// Further tries, that wait: for a minute in all.
const WAITING: usize = 120;
/// Between two tries that do not wait.
const PAUSE: Duration = Duration::from_millis(25);
/// How long a try waits.
const WAIT: Duration = Duration::from_millis(100);
/// Between two tries that wait, for the writers behind the last one.
const LONG_PAUSE: Duration = Duration::from_millis(400);

/// Creates the triggers that a table lacks.
pub(super) async fn install(session: &mut Session, relation: &str) -> Result<(), MigrateError> {
    let work = format!("select sidegate.install({})", literal(relation));
    with(session, relation, "share row exclusive", &work).await
}

/// Drops the triggers that are not wanted.
pub(super) async fn remove(session: &mut Session, relation: &str) -> Result<(), MigrateError> {
    let work = format!("select sidegate.remove({})", literal(relation));
    with(session, relation, "access exclusive", &work).await
}

/// Tries a transaction again that waits for a lock in vain: on our own objects, which only Sidegate and
/// the log's writers use.
pub(super) async fn retried(
    client: &mut Client,
    doing: &str,
    work: impl AsyncFn(&mut Client) -> Result<(), tokio_postgres::Error>,
) -> Result<(), MigrateError> {
    let mut tries = WAITING;
    loop {
        match work(client).await {
            Ok(()) => return Ok(()),
            Err(error) if tries > 1 && is_lock(&error) => {
                tries = tries.saturating_sub(1);
                tokio::time::sleep(PAUSE).await;
            }
            Err(source) => return Err(refused(doing, source)),
        }
    }
}

/// Does `work` under a lock. `relation` is a quoted name of the catalog.
pub(super) async fn with(
    session: &mut Session,
    relation: &str,
    mode: &str,
    work: &str,
) -> Result<(), MigrateError> {
    let doing = format!("triggers on {relation}");
    for number in 0..AT_ONCE + WAITING {
        let (nowait, pause) = if number < AT_ONCE {
            (" nowait", PAUSE)
        } else {
            ("", LONG_PAUSE)
        };
        let sql = format!(
            "begin; set local lock_timeout = {}; lock table only {relation} in {mode} mode{nowait}; {work}; commit",
            WAIT.as_millis()
        );
        match session.client.batch_execute(&sql).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                session.batch(&doing, "rollback").await?;
                if !is_lock(&error) {
                    return Err(refused(&doing, error));
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
    let rows = session.client.query(HOLDERS, &[&relation]).await;
    let holders = rows
        .and_then(|rows| {
            rows.iter()
                .map(|row| row.try_get::<_, String>(0))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(|source| refused(&doing, source))?;
    Err(MigrateError::Busy {
        relation: relation.to_owned(),
        tries: AT_ONCE + WAITING,
        holders: holders.join("; "),
    })
}

pub(super) fn is_lock(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::T_R_DEADLOCK_DETECTED)
}

/// A name as text in SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

const HOLDERS: &str = "select format('pid %s, user %s, application %s, transaction since %s', \
        a.pid, a.usename, nullif(a.application_name, ''), a.xact_start) \
    from pg_stat_activity a where a.pid <> pg_backend_pid() and a.pid in \
        (select l.pid from pg_locks l where l.relation = $1::text::regclass and l.granted) \
    order by a.xact_start";
