//! One pool: as many connections as its share, and none that is not fit for use.
//!
//! Promise: a connection that is closed, older than `max_lifetime`, or does not answer is not
//! handed out; who waits for one waits for a bounded time, in a bounded queue; idle overflow is
//! closed. The connection that was used last is handed out first, so that overflow which load no
//! longer needs does become idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Metrics, Object, Pool, PoolConfig,
    PoolError, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use futures_util::future::try_join_all;
use sidegate_config::DatabaseSettings;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connect::Opener;
use super::share::Share;
use super::{DatabaseError, Lease, PoolHealth, Purpose};

/// How many may wait for each connection of a pool. Further ones would only be given up later: at
/// 5 ms a question, the last of sixteen has waited for 80 ms.
const WAITERS: usize = 16;
/// A connection that was handed out within this time is taken to be alive. To ask each time would
/// make two round trips of every question, and one that has just broken is noticed by its question
/// anyway, which is then asked again.
const FRESH: Duration = Duration::from_secs(1);
/// The longest wait for a sign of life, half of what a question may take at most.
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// A pool of connections for one purpose.
pub(super) struct ConnectionPool {
    purpose: Purpose,
    share: Share,
    pool: Pool,
    /// One permit for each place in the queue.
    queue: Semaphore,
    /// The longest wait for a connection, one that must be opened included.
    patience: Duration,
    connect_timeout: Duration,
    idle_timeout: Duration,
    max_lifetime: Duration,
    discarded: Arc<AtomicU64>,
}

impl ConnectionPool {
    /// Opens nothing.
    pub(super) fn new(
        (purpose, share): (Purpose, Share),
        settings: &DatabaseSettings,
        (config, opener): (tokio_postgres::Config, Opener),
        discarded: Arc<AtomicU64>,
    ) -> Result<Self, DatabaseError> {
        let fast = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let limits = PoolConfig {
            max_size: share.limit(),
            timeouts: Timeouts {
                wait: None,
                create: Some(settings.connect_timeout),
                recycle: None,
            },
            queue_mode: QueueMode::Lifo,
        };
        let pool = Pool::builder(Manager::from_connect(config, opener, fast))
            .config(limits)
            .runtime(Runtime::Tokio1)
            .pre_recycle(fitness(settings, Arc::clone(&discarded)))
            .build()
            .map_err(|_no_runtime| DatabaseError::Closed)?;
        let patience = if purpose.is_for_requests() {
            settings.query_timeout
        } else {
            settings.acquire_timeout
        };
        Ok(Self {
            purpose,
            share,
            pool,
            queue: Semaphore::new(share.limit().saturating_mul(WAITERS)),
            patience,
            connect_timeout: settings.connect_timeout,
            idle_timeout: settings.idle_timeout,
            max_lifetime: settings.max_lifetime,
            discarded,
        })
    }

    /// Takes a connection, or opens one, or waits for one.
    pub(super) async fn acquire(&self) -> Result<Lease, DatabaseError> {
        let _place = self
            .queue
            .try_acquire()
            .map_err(|_full| DatabaseError::Busy)?;
        let taken = timeout(self.patience, self.pool.get()).await;
        let object = taken
            .map_err(|_elapsed| DatabaseError::TimedOut)?
            .map_err(no_connection)?;
        Ok(Lease::new(object, Arc::clone(&self.discarded)))
    }

    /// How it is now.
    pub(super) fn health(&self) -> PoolHealth {
        let status = self.pool.status();
        PoolHealth {
            purpose: self.purpose,
            idle: status.available,
            used: status.size.saturating_sub(status.available),
            waiting: status.waiting,
            limit: self.share.limit(),
        }
    }

    /// Closes what is not worth keeping, then opens the base connections that are missing: one, and
    /// if that works, the others at once.
    pub(super) async fn tend(&self) -> Result<(), DatabaseError> {
        self.sweep();
        let missing = |pool: &Pool| self.share.base.saturating_sub(pool.status().size);
        if missing(&self.pool) == 0 {
            return Ok(());
        }
        // The pool opens a connection only when none is idle, so these are held meanwhile.
        let mut held = self
            .hold(self.pool.status().available.saturating_add(1))
            .await?;
        held.extend(self.hold(missing(&self.pool)).await?);
        Ok(())
    }

    /// Takes some connections without waiting for any. None where the pool has no more: then
    /// requests have them, and none is missing.
    async fn hold(&self, number: usize) -> Result<Vec<Object>, DatabaseError> {
        let at_once = Timeouts {
            wait: Some(Duration::ZERO),
            create: Some(self.connect_timeout),
            recycle: None,
        };
        let taken = try_join_all((0..number).map(|_| self.pool.timeout_get(&at_once))).await;
        match taken {
            Ok(objects) => Ok(objects),
            Err(PoolError::Timeout(deadpool_postgres::TimeoutType::Wait)) => Ok(Vec::new()),
            Err(error) => Err(no_connection(error)),
        }
    }

    /// Closes idle connections that are dead, too old, or more than the base and long unused. Of
    /// those that will soon be too old one at a time, so that there are always others.
    fn sweep(&self) {
        let mut surplus = self.pool.status().size.saturating_sub(self.share.base);
        let mut retiring = 1_usize;
        let soon = self.max_lifetime - self.max_lifetime / 10;
        let closed = self.pool.retain(|client, metrics| {
            let dead = client.is_closed();
            if dead {
                self.discarded.fetch_add(1, Ordering::Relaxed);
            }
            let retires = retiring > 0 && metrics.age() >= soon;
            let idle = surplus > 0 && metrics.last_used() >= self.idle_timeout;
            if !dead && metrics.age() < self.max_lifetime && !retires && !idle {
                return true;
            }
            retiring = retiring.saturating_sub(usize::from(retires));
            surplus = surplus.saturating_sub(1);
            false
        });
        drop(closed);
    }
}

/// Whether an idle connection may be handed out.
fn fitness(settings: &DatabaseSettings, discarded: Arc<AtomicU64>) -> Hook {
    let max_lifetime = settings.max_lifetime;
    let ping_timeout = PING_TIMEOUT.min(settings.query_timeout / 2);
    Hook::async_fn(move |client: &mut ClientWrapper, metrics: &Metrics| {
        let discarded = Arc::clone(&discarded);
        Box::pin(async move {
            if metrics.age() >= max_lifetime {
                return Err(HookError::message("too old"));
            }
            let alive = !client.is_closed()
                && (metrics.last_used() < FRESH || answers(client, ping_timeout).await);
            if alive {
                return Ok(());
            }
            discarded.fetch_add(1, Ordering::Relaxed);
            Err(HookError::message("dead"))
        })
    })
}

async fn answers(client: &ClientWrapper, within: Duration) -> bool {
    matches!(timeout(within, client.check_connection()).await, Ok(Ok(())))
}

fn no_connection(error: PoolError) -> DatabaseError {
    match error {
        PoolError::Timeout(_) => DatabaseError::TimedOut,
        PoolError::Backend(error) => DatabaseError::Connect(error),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            DatabaseError::Closed
        }
    }
}
