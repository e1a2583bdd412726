//! The doorbell: who writes to the change log tells us, and the next poll does not wait for its turn.
//!
//! Promise: a hint and nothing more. One that is lost, late, forged or repeated costs or saves a poll:
//! the feed rests on its polls alone, which [`SPACING`](super::fresh::SPACING) keeps apart. The session
//! that listens is in no transaction, so that the server's queue of notifications does not fill up
//! behind it. A connection that ends is opened again, with a pause.

use std::sync::Arc;
use std::time::Duration;

use sidegate_config::DatabaseSettings;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::link::LinkError;
use crate::database::{DatabaseError, Notice, connect_ringing};

/// The pause before another try.
const PAUSE: Duration = Duration::from_secs(1);
const LISTEN: &str = "listen sidegate_changes";

/// Listens for ever, and rings.
pub(super) async fn listen(settings: DatabaseSettings, bell: Arc<Notify>) {
    let notice = Notice::new("listening at the change log's doorbell");
    loop {
        match listened(&settings, &bell, &notice).await {
            Ok(()) => notice.failed("the connection has ended"),
            Err(error) => notice.failed(&error.to_string()),
        }
        sleep(PAUSE).await;
    }
}

async fn listened(
    settings: &DatabaseSettings,
    bell: &Arc<Notify>,
    notice: &Notice,
) -> Result<(), LinkError> {
    let url = settings.feed_url.as_ref().unwrap_or(&settings.url);
    let ringer = Arc::clone(bell);
    let (client, connection) = connect_ringing(url, settings, move || ringer.notify_one()).await?;
    timeout(settings.connect_timeout, client.batch_execute(LISTEN))
        .await
        .map_err(|_elapsed| DatabaseError::TimedOut)??;
    notice.worked();
    // The client is kept: without it the connection would end.
    connection.ended().await;
    drop(client);
    Ok(())
}
