//! What is written back about credentials, now and then.
//!
//! Promise: which keys were used is noted once a minute, and revocations that nothing can be good against any more
//! are deleted; that another pepper is configured than keys were made with is said; a failure is said once, and the next round goes on (uses that could not be noted are lost). No request
//! waits for it.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::types::Type;

use super::Table;
use crate::authn::Pepper;
use crate::coherence::Coherence;
use crate::database::{Database, DatabaseError, Notice, Purpose, describe};

/// How often.
const PERIOD: Duration = Duration::from_secs(60);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most keys that are noted at once.
const MOST: usize = 10_000;
/// As many as one statement deletes: then there may be more.
const BATCH: i64 = 500;
const USED: &str = "select sidegate.keys_used($1)";
const MARK: &str = "select s.value #>> '{}' from sidegate.state s where s.key = 'pepper'";
const FORGET: &str = "select sidegate.forget_revocations()";

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
enum UpkeepError {
    #[error(
        "service_keys.pepper is another one than the keys were made with: none of them is good here"
    )]
    Pepper,
    #[error("{0}")]
    Connect(#[from] DatabaseError),
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
}

/// Works for ever.
pub async fn run(database: &Database, coherence: Option<&Coherence>, pepper: Option<Pepper>) {
    let mark = pepper.map(|pepper| pepper.mark());
    let notice = Notice::new("noting which keys are used, and deleting old revocations");
    loop {
        sleep(PERIOD).await;
        match timeout(PATIENCE, round(database, coherence, mark.as_deref())).await {
            Ok(Ok(())) => notice.worked(),
            Ok(Err(error)) => notice.failed(&error.to_string()),
            Err(_elapsed) => notice.failed("no answer in time"),
        }
    }
}

async fn round(
    database: &Database,
    coherence: Option<&Coherence>,
    mark: Option<&str>,
) -> Result<(), UpkeepError> {
    let take = |table: &Table| table.take_used(MOST);
    let used = coherence.and_then(|coherence| coherence.register().look(take));
    let used = used.unwrap_or_default();
    let lease = database.acquire(Purpose::Maintenance).await?;
    if !used.is_empty() {
        lease
            .query_typed(USED, &[(&used, Type::TEXT_ARRAY)])
            .await?;
    }
    loop {
        let rows = lease.query_typed(FORGET, &[]).await?;
        let gone: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        if gone < BATCH {
            break;
        }
    }
    let rows = match mark {
        Some(_) => lease.query_typed(MARK, &[]).await?,
        None => Vec::new(),
    };
    let made_with: Option<String> = rows.first().map_or(Ok(None), |row| row.try_get(0))?;
    lease.finish();
    if made_with.is_some_and(|made_with| mark.is_some_and(|mark| mark != made_with)) {
        return Err(UpkeepError::Pepper);
    }
    Ok(())
}
