//! One connection to Postgres of our own, past every relay.
//!
//! Promises: a statement ends within [`STATEMENT`]; dropping the session ends it. Does not: reconnect.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::HistoryError;
use super::fact::{FIND, FIND_CREDENTIALS};

/// A connection; its bytes are moved by a task that ends with it.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    _driver: JoinSet<()>,
}

impl Session {
    pub(super) async fn open(url: &str) -> Result<Self, HistoryError> {
        let mut config: Config = url.parse().map_err(HistoryError::Database)?;
        config
            .connect_timeout(Duration::from_secs(2))
            .application_name("sidegate-history")
            .options(format!("-c statement_timeout={}", STATEMENT.as_millis()));
        let (client, connection) = config
            .connect(NoTls)
            .await
            .map_err(HistoryError::Database)?;
        let mut driver = JoinSet::new();
        // How it ends is seen by the statement that is under way.
        driver.spawn(async move { drop(connection.await) });
        Ok(Self {
            client,
            _driver: driver,
        })
    }

    /// Runs statements; several are one transaction unless they say otherwise.
    pub(super) async fn run(&self, sql: &str) -> Result<(), HistoryError> {
        self.client
            .batch_execute(sql)
            .await
            .map_err(HistoryError::Database)
    }

    /// The one value that a query finds.
    pub(super) async fn value(&self, sql: &str) -> Result<String, HistoryError> {
        let messages = self
            .client
            .simple_query(sql)
            .await
            .map_err(HistoryError::Database)?;
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                return Ok(row
                    .try_get(0)
                    .map_err(HistoryError::Database)?
                    .unwrap_or_default()
                    .to_owned());
            }
        }
        Err(HistoryError::Silent("the database has no answer"))
    }

    /// The text of every fact, by its name, in one snapshot; of `credentials` too, where there are Sidegate's tables.
    pub(super) async fn facts(
        &self,
        credentials: bool,
    ) -> Result<HashMap<String, String>, HistoryError> {
        let further = if credentials { FIND_CREDENTIALS } else { "" };
        let messages = self
            .client
            .simple_query(&format!("{FIND} {further}"))
            .await
            .map_err(HistoryError::Database)?;
        let mut found = HashMap::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                let text = |at| {
                    row.try_get(at)
                        .map(Option::unwrap_or_default)
                        .map(str::to_owned)
                };
                let (name, value) = (text(0), text(1));
                found.insert(
                    name.map_err(HistoryError::Database)?,
                    value.map_err(HistoryError::Database)?,
                );
            }
        }
        Ok(found)
    }
}

/// Longer than anything here waits for, shorter than patience.
const STATEMENT: Duration = Duration::from_secs(20);
