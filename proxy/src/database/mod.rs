//! The application's database: six pools of connections, one for each [`Purpose`].
//!
//! Promise: no wait is without a bound, in time and in how many wait; a connection on which
//! something may still be going on is never used again; one kind of work cannot take the
//! connections of another. Making a [`Database`] connects to nothing.
//!
//! Does not: know any table, retry, or decide what an error means to a request.

mod connect;
mod error;
mod lease;
mod notice;
mod pool;
mod purpose;
mod share;
mod tally;
mod tls;

#[cfg(test)]
mod tests;

pub use connect::{ConnectionTask, connect, connect_ringing};
pub use error::{DatabaseError, describe};
pub use lease::Lease;
pub use notice::Notice;
pub use purpose::Purpose;
pub use tally::Ending;
pub(crate) use tally::METRICS;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sidegate_config::{DatabaseSettings, Secret};
use tokio::time::{MissedTickBehavior, interval};

use connect::{Opener, config, has_session};
use pool::ConnectionPool;
use purpose::PerPurpose;
use share::shares;
use tally::Tally;
use tls::{Encryption, fingerprint};

use crate::metrics::Scrape;

/// How often the pools are tended.
const ROUND: Duration = Duration::from_secs(1);

/// The pools over one set of settings.
pub struct Database {
    settings: DatabaseSettings,
    authority: Option<[u8; 32]>,
    pools: PerPurpose<ConnectionPool>,
    tally: Arc<Tally>,
    opening: Notice,
}

/// A pool, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolHealth {
    /// What it is for.
    pub purpose: Purpose,
    /// Connections that wait to be used.
    pub idle: usize,
    /// Connections in use.
    pub used: usize,
    /// Questions that wait for a connection, or for one to be opened.
    pub waiting: usize,
    /// The most connections.
    pub limit: usize,
}

impl Database {
    /// Pools that are empty. Nothing is connected to: that happens when somebody
    /// [acquires](Self::acquire), or when they are [maintained](Self::maintain).
    ///
    /// # Errors
    /// When a URL or the certificates cannot be used.
    pub fn new(settings: &DatabaseSettings) -> Result<Self, DatabaseError> {
        Self::with_tally(settings, Arc::new(Tally::new()?))
    }

    /// Pools that take the place of others: the counters go on.
    ///
    /// # Errors
    /// When a URL or the certificates cannot be used.
    pub fn replacing(settings: &DatabaseSettings, other: &Self) -> Result<Self, DatabaseError> {
        Self::with_tally(settings, Arc::clone(&other.tally))
    }

    fn with_tally(settings: &DatabaseSettings, tally: Arc<Tally>) -> Result<Self, DatabaseError> {
        let encryption = Encryption::new(&settings.tls)?;
        let shares = shares(
            settings.pool_size,
            settings.max_overflow,
            settings.instances,
        );
        let pools = PerPurpose::try_new(|purpose| {
            let config = config(url(purpose, settings), settings, Some(purpose))?;
            ConnectionPool::new(
                (purpose, *shares.of(purpose)),
                settings,
                (config, Opener(encryption.clone())),
                Arc::clone(tally.discarded(purpose)),
            )
        })?;
        Ok(Self {
            authority: fingerprint(&settings.tls),
            settings: settings.clone(),
            pools,
            tally,
            opening: Notice::new("opening connections to the database"),
        })
    }

    /// Whether these pools are what the settings ask for: the same settings, and the same
    /// certificate authority in its file.
    #[must_use]
    pub fn serves(&self, settings: &DatabaseSettings) -> bool {
        self.settings == *settings && self.authority == fingerprint(&settings.tls)
    }

    /// What they were made from.
    #[must_use]
    pub const fn settings(&self) -> &DatabaseSettings {
        &self.settings
    }

    /// Whether statements may be prepared for this purpose: not behind a transaction pooler.
    #[must_use]
    pub const fn may_prepare(&self, purpose: Purpose) -> bool {
        has_session(purpose, &self.settings)
    }

    /// A connection. Waits no longer than `query_timeout` where a request waits too, elsewhere
    /// `acquire_timeout`; opening one takes no longer than `connect_timeout`.
    ///
    /// # Errors
    /// When there is none in time, too many wait already, or the server cannot be reached or does
    /// not let us in.
    pub async fn acquire(&self, purpose: Purpose) -> Result<Lease, DatabaseError> {
        self.pools.of(purpose).acquire().await
    }

    /// Every pool as it is now.
    pub fn pools(&self) -> impl Iterator<Item = PoolHealth> {
        self.pools.iter().map(|(_, pool)| pool.health())
    }

    /// Counts how a question ended, and how long its asker waited.
    pub fn count(&self, purpose: Purpose, ending: Ending, took: Duration) {
        self.tally.query(purpose, ending, took);
    }

    /// The pools' metrics.
    pub fn gather(&self, scrape: &mut Scrape) {
        self.tally.gather(self.pools(), scrape);
    }

    /// Opens the base connections and keeps them, closes idle overflow and connections that are
    /// dead or old; for ever. While the server cannot be reached, one connection for each pool is
    /// tried every second.
    pub async fn maintain(&self) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            // The change feed opens its two itself: it waits for no pool.
            let pools = self.pools.iter();
            let pools = pools.filter(|(purpose, _)| *purpose != Purpose::ChangeFeed);
            let tended = join_all(pools.map(|(_, pool)| pool.tend())).await;
            match tended.into_iter().find_map(Result::err) {
                Some(error) => self.opening.failed(&error.to_string()),
                None => self.opening.worked(),
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pools: Vec<_> = self.pools().collect();
        f.debug_struct("Database")
            .field("pools", &pools)
            .finish_non_exhaustive()
    }
}

/// The URL for a purpose, and where it comes from.
fn url(purpose: Purpose, settings: &DatabaseSettings) -> (&'static str, &Secret) {
    match (purpose, &settings.feed_url) {
        (Purpose::ChangeFeed, Some(url)) => ("database.feed_url", url),
        (
            Purpose::ChangeFeed
            | Purpose::Authorization
            | Purpose::Authentication
            | Purpose::ServiceKeys
            | Purpose::WarmUp
            | Purpose::Maintenance,
            _,
        ) => ("database.url", &settings.url),
    }
}
