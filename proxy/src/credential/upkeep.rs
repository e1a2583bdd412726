//! What is written back about credentials, now and then.
//!
//! Promise: which keys were used is noted once a minute, and revocations that nothing can be good against any more
//! are deleted; a failure is said once, and the next round goes on (uses that could not be noted are lost). No request
//! waits for it.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::types::Type;

use super::Table;
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
const FORGET: &str = "select sidegate.forget_revocations()";

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
enum UpkeepError {
    #[error("{0}")]
    Connect(#[from] DatabaseError),
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
}

/// Works for ever.
pub async fn run(database: &Database, coherence: Option<&Coherence>) {
    let notice = Notice::new("noting which keys are used, and deleting old revocations");
    loop {
        sleep(PERIOD).await;
        match timeout(PATIENCE, round(database, coherence)).await {
            Ok(Ok(())) => notice.worked(),
            Ok(Err(error)) => notice.failed(&error.to_string()),
            Err(_elapsed) => notice.failed("no answer in time"),
        }
    }
}

async fn round(database: &Database, coherence: Option<&Coherence>) -> Result<(), UpkeepError> {
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
    lease.finish();
    Ok(())
}
