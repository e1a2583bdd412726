//! The application's connections to Postgres.
//!
//! Promises: at most so many connections, a bounded wait for one, a bounded time for a statement;
//! making a `Database` does not connect, so that the application starts before its database. One that
//! is far away is played by a relay, which ends with the last `Database` of it.
//!
//! Does not: print the URL, which may hold a password. No TLS: the database is on this machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    BuildError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use thiserror::Error;
use tokio::net::lookup_host;
use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls};

use crate::relay::{Mode, Relay};

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
    relay: Option<Arc<Relay>>,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// Not a URL, or not one of Postgres.
    #[error("the database URL is wrong")]
    Url(#[source] tokio_postgres::Error),
    /// A database that is to be far away, but is not reached by TCP.
    #[error("the database URL is wrong: expected a host, which the delay can be put in front of")]
    Place,
    /// The relay in front of it cannot be had.
    #[error("no delay can be put in front of the database")]
    Relay(#[source] io::Error),
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
        Self::with(url.parse().map_err(DatabaseError::Url)?, limits, None)
    }

    /// The same, but each of its answers arrives so much later.
    ///
    /// # Errors
    ///
    /// When the URL is none, or names no host that can be found.
    pub async fn late(url: &str, limits: Limits, delay: Duration) -> Result<Self, DatabaseError> {
        let config: Config = url.parse().map_err(DatabaseError::Url)?;
        let relay = Relay::to(place(&config).await?)
            .await
            .map_err(DatabaseError::Relay)?;
        relay.set(Mode::Late(delay));
        let mut through = Config::new();
        let address = relay.address();
        through.host(address.ip().to_string()).port(address.port());
        if let Some(user) = config.get_user() {
            through.user(user);
        }
        if let Some(password) = config.get_password() {
            through.password(password);
        }
        if let Some(name) = config.get_dbname() {
            through.dbname(name);
        }
        if let Some(options) = config.get_options() {
            through.options(options);
        }
        Self::with(through, limits, Some(Arc::new(relay)))
    }

    fn with(
        mut config: Config,
        limits: Limits,
        relay: Option<Arc<Relay>>,
    ) -> Result<Self, DatabaseError> {
        let Limits {
            connections,
            statement,
            wait,
        } = limits;
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
        Ok(Self { pool, relay })
    }

    /// How many connections it has at most.
    pub(super) fn connections(&self) -> usize {
        self.pool.status().max_size
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

/// Where the server is.
async fn place(config: &Config) -> Result<SocketAddr, DatabaseError> {
    let Some(Host::Tcp(host)) = config.get_hosts().first() else {
        return Err(DatabaseError::Place);
    };
    let port = config.get_ports().first().copied().unwrap_or(POSTGRES);
    let found = lookup_host((host.as_str(), port)).await;
    let mut found = found.map_err(DatabaseError::Relay)?;
    found.next().ok_or(DatabaseError::Place)
}

/// Where a server listens when nothing is said.
const POSTGRES: u16 = 5432;

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
            .field("relay", &self.relay)
            .finish()
    }
}
