//! The doctor's word on whether changes show in the log.

use std::time::Duration;

use tokio::time::timeout;

use super::FeedSettings;
use crate::database::{connect, describe};
use crate::doctor::{Severity, examine};

const VOID: &str = "select sidegate.invalidate('{*}')::text";
/// How long one look may take.
const EXAMINATION: Duration = Duration::from_secs(25);

/// Asks the doctor, over a connection of its own and of the login whose rights count.
pub(super) async fn look(settings: FeedSettings, void: bool) -> Result<Vec<String>, String> {
    let examined = async {
        let database = &settings.store.database;
        let (client, _connection) = connect(&database.url, database)
            .await
            .map_err(|error| error.to_string())?;
        if void {
            // A login that may not write it may not be cached for.
            let written = client.query_typed(VOID, &[]).await;
            written.map_err(|error| describe(&error))?;
        }
        let examination = examine(&client, &settings.expectations).await;
        examination.map_err(|error| error.to_string())
    };
    let examination = timeout(EXAMINATION, Box::pin(examined))
        .await
        .map_err(|_elapsed| "the examination takes too long".to_owned())??;
    let against = examination.findings.into_iter();
    Ok(against
        .filter(|finding| finding.severity >= Severity::Uncached)
        .map(|finding| format!("{}: {}", finding.check.name(), finding.what))
        .collect())
}
