//! The application's connections to Postgres.
//!
//! Promises: at most so many connections, a bounded wait for one, a bounded time for a statement;
//! making a `Database` does not connect, so that the application starts before its database.
//!
//! Does not: print the URL, which may hold a password. No TLS: the database is on this machine.

use std::time::Duration;

use deadpool_postgres::{
    BuildError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use thiserror::Error;
use tokio_postgres::{Config, NoTls};

/// How much of the database the application may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// For one statement.
    pub statement: Duration,
    /// For a connection: to become free, or to be opened.
    pub wait: Duration,
}

/// A bounded pool of connections.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// Not a URL, or not one of Postgres.
    #[error("the database URL is wrong")]
    Url(#[source] tokio_postgres::Error),
    /// The limits make no pool.
    #[error("no pool can be made")]
    Pool(#[from] BuildError),
    /// None in time, or the server refuses.
    #[error("no connection to the database")]
    Connect(#[from] PoolError),
}

impl Database {
    /// The database at `url`, to be connected to when needed.
    ///
    /// # Errors
    ///
    /// When the URL is none.
    pub fn new(url: &str, limits: Limits) -> Result<Self, DatabaseError> {
        let Limits {
            connections,
            statement,
            wait,
        } = limits;
        let mut config: Config = url.parse().map_err(DatabaseError::Url)?;
        let given = config.get_options().unwrap_or_default();
        let options = format!(
            "{given} -c statement_timeout={} -c idle_in_transaction_session_timeout=60s",
            statement.as_millis()
        );
        config.options(options).connect_timeout(wait);
        if config.get_application_name().is_none() {
            config.application_name("sidegate-example");
        }
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(wait))
            .create_timeout(Some(wait))
            .recycle_timeout(Some(wait))
            .build()?;
        Ok(Self { pool })
    }

    /// A connection; it goes back when it is dropped.
    ///
    /// # Errors
    ///
    /// When none is free in time, or the server cannot be reached.
    pub async fn client(&self) -> Result<Object, DatabaseError> {
        Ok(self.pool.get().await?)
    }
}

impl Default for Limits {
    /// Twenty connections, as the platform's own pool; statements shorter than a client's patience.
    fn default() -> Self {
        Self {
            connections: 20,
            statement: Duration::from_secs(5),
            wait: Duration::from_secs(2),
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Database")
            .field("pool", &self.pool.status())
            .finish()
    }
}
