//! What somebody has to do for the database now and then, and no request should wait for.
//!
//! Promise: the log of changes is cleaned every minute, in small batches, by one instance at a
//! time; a database that begins a new life gets its id; a failure is said once and tried again. It
//! also asks the database how it is: until it has answered, and while it fails, every second.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::PostgresStore;
use super::trouble::Trouble;
use crate::database::{Notice, Purpose};

/// How often something is due.
const PERIOD: Duration = Duration::from_secs(60);
/// How soon after it failed.
const AGAIN: Duration = Duration::from_secs(5);
/// How often to look.
const ROUND: Duration = Duration::from_secs(1);
/// The most rows that one statement deletes, so that it is short.
const BATCH: i64 = 5000;
/// Changes are kept for an hour: whoever was away for longer reads everything anew.
const CLEAN: &str = "select sidegate.clean('1 hour', 5000)";
const BEGIN: &str = "select sidegate.begin_incarnation()";
/// What the client allows beyond the server's own bound on a statement.
const MARGIN: Duration = Duration::from_secs(5);

/// Works for ever.
pub(super) async fn run(store: &PostgresStore) {
    let notice = Notice::new("the change log's clean-up");
    let mut due = Instant::now();
    loop {
        let now = Instant::now();
        if now >= due || !store.has_answered() || store.is_failing() {
            // Its failure is said by whoever asks.
            if let Ok(answer) = store.probe().await
                && now >= due
            {
                let lives = answer
                    .origin
                    .is_some_and(|origin| origin.history.incarnation.is_some());
                match work(store, lives).await {
                    Ok(()) => {
                        due = now + PERIOD;
                        notice.worked();
                    }
                    Err(trouble) => {
                        due = now + AGAIN;
                        notice.failed(&trouble.detail);
                    }
                }
            }
        }
        sleep(ROUND).await;
    }
}

async fn work(store: &PostgresStore, lives: bool) -> Result<(), Trouble> {
    if !lives {
        one(store, BEGIN).await?;
        tracing::info!("the database begins a new life: it has an id now");
    }
    // `None`: another instance is at it.
    while let Some(deleted) = one(store, CLEAN).await? {
        if deleted < BATCH {
            break;
        }
    }
    Ok(())
}

/// The number that a statement yields, if it yields one.
async fn one(store: &PostgresStore, statement: &str) -> Result<Option<i64>, Trouble> {
    let lease = store.database.acquire(Purpose::Maintenance).await?;
    let bound = store
        .database
        .settings()
        .statement_timeout
        .saturating_add(MARGIN);
    let rows = timeout(bound, lease.query_typed(statement, &[]))
        .await
        .map_err(|_elapsed| Trouble::timed_out())?
        .map_err(|error| Trouble::of_statement(&error))?;
    lease.finish();
    // `void` reads as no number.
    Ok(rows
        .first()
        .and_then(|row| row.try_get::<_, Option<i64>>(0).ok())
        .flatten())
}
