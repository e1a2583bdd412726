//! The doctor's word on whether changes show in the log.

use std::time::Duration;

use tokio::time::timeout;

use super::FeedSettings;
use crate::database::connect;
use crate::doctor::{Severity, examine};

/// How long one look may take.
const EXAMINATION: Duration = Duration::from_secs(25);

/// Asks the doctor, over a connection of its own and of the login whose rights count.
pub(super) async fn look(settings: FeedSettings) -> Result<Vec<String>, String> {
    let examined = async {
        let database = &settings.store.database;
        let (client, _connection) = connect(&database.url, database)
            .await
            .map_err(|error| error.to_string())?;
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
