//! The materialized view of who has access to what: when it is built anew, and for what it is good now
//! (DESIGN §6).
//!
//! Promise: it is built under a name of the life of the database, the triggers and views and the policy that
//! it was built for, and counts for nobody else; however old it is, nothing in it counts that may have
//! changed since ([`admit_shared`](Coherence::admit_shared), R2). Of several instances one at a time builds it.
//!
//! Does not: prove that somebody has no access. A pair that is missing is asked of the tables.

mod command;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use sidegate_config::{DatabaseSettings, Refresh, ViewSettings};
use tokio::time::{Instant, sleep};
use tokio_postgres::IsolationLevel;
use tokio_postgres::types::{ToSql, Type};

use crate::coherence::{Coherence, Shared};
use crate::database::{DatabaseError, Notice, connect, describe};
use crate::store::{Built, PostgresStore};

pub use command::{Status, ViewError, Visible, build, list, status};

/// How often it is looked what it was built from.
const ROUND: Duration = Duration::from_millis(500);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(10);
/// Building it takes at most one part in so many of the time.
const SHARE: u32 = 4;
/// Whoever asked may be gone before it is built: the server then stops (from PostgreSQL 14 on).
const LEAVE: &str = "do $$ begin perform set_config('client_connection_check_interval', '5s', true); \
    exception when others then null; end $$";
const REFRESH: &str = "select sidegate.refresh_view($1::text, $2::text::interval)";

/// The view, as one process knows it.
#[derive(Debug)]
pub struct View {
    settings: ViewSettings,
    built: ArcSwapOption<Built>,
    notice: Notice,
    asking: Notice,
}

/// Why it is not built.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The database cannot be had.
    #[error("{0}")]
    Connect(#[from] DatabaseError),
    /// The server refuses, or takes too long.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
}

impl View {
    /// `None`: the settings ask for none.
    #[must_use]
    pub fn new(settings: &ViewSettings) -> Option<Self> {
        (settings.refresh != Refresh::Off).then(|| Self {
            settings: *settings,
            built: ArcSwapOption::empty(),
            notice: Notice::new("the materialized view"),
            asking: Notice::new("asking the materialized view"),
        })
    }

    /// Whether questions are put to it.
    #[must_use]
    pub const fn is_routed(&self) -> bool {
        self.settings.route
    }

    /// A question to it failed: the tables are asked. Said once.
    pub(crate) fn refused(&self, reason: &str) {
        self.asking.failed(reason);
    }

    /// What it was built from, if it is good for these conditions.
    #[must_use]
    pub fn good_for(&self, shared: &Shared) -> Option<Arc<Built>> {
        let built = self.built.load_full()?;
        (*built.namespace == *shared.namespace().to_string()).then_some(built)
    }

    /// Keeps in mind what it was built from, and has it built anew when it is time; for ever. `warm` is
    /// called when it is good for conditions that are new.
    pub async fn tend<F: Future<Output = ()>>(
        &self,
        store: &PostgresStore,
        coherence: &Coherence,
        warm: impl Fn() -> F,
    ) {
        let (mut due, mut dirty, mut warmed) = (Instant::now(), None, None);
        loop {
            sleep(ROUND).await;
            match store.view_built().await {
                Ok(built) => self.built.store(built.map(Arc::new)),
                Err(trouble) => {
                    self.notice.failed(&trouble.detail);
                    sleep(AGAIN).await;
                    continue;
                }
            }
            let Some(shared) = coherence.shared() else {
                continue;
            };
            let good = self.good_for(&shared);
            if good.is_some() && warmed != Some(shared.namespace()) {
                warmed = Some(shared.namespace());
                warm().await;
            }
            let now = Instant::now();
            if now < due {
                continue;
            }
            let is_current = good.is_some_and(|built| built.xmin > coherence.last_change());
            let pause = match self.settings.refresh {
                Refresh::Off | Refresh::Manual => continue,
                Refresh::Interval(interval) => interval,
                Refresh::OnChange(_) if is_current => {
                    dirty = None;
                    continue;
                }
                Refresh::OnChange(debounce) => {
                    let since = *dirty.get_or_insert(now);
                    if now < since + debounce {
                        continue;
                    }
                    dirty = None;
                    debounce
                }
            };
            due = now + self.build(store, &shared, pause).await;
        }
    }

    /// Has it built anew. How long to wait before the next time.
    async fn build(&self, store: &PostgresStore, shared: &Shared, pause: Duration) -> Duration {
        let begun = Instant::now();
        let namespace = shared.namespace().to_string();
        let settings = store.database().settings();
        let done = refresh(settings, self.settings.timeout, &namespace, pause / 2).await;
        match done {
            Ok(Some(pairs)) => {
                self.notice.worked();
                let millis = begun.elapsed().as_millis();
                tracing::info!(pairs, millis, "the materialized view is built");
            }
            // Another instance has just done it, or is at it.
            Ok(None) => self.notice.worked(),
            Err(error) => {
                self.notice.failed(&error.to_string());
                return AGAIN.max(pause).max(begun.elapsed() * SHARE);
            }
        }
        pause.max(begun.elapsed() * SHARE)
    }
}

/// Builds it anew over a connection of its own, unless that was done within `pause`. Its pairs; `None`: there
/// was nothing to do, or somebody else is at it.
///
/// # Errors
/// When there is no connection, or the server refuses or takes too long.
pub async fn refresh(
    settings: &DatabaseSettings,
    limit: Duration,
    namespace: &str,
    pause: Duration,
) -> Result<Option<i64>, RefreshError> {
    let (mut client, _connection) = connect(&settings.url, settings).await?;
    // In a transaction, so that the bound is that of whoever does the work behind a pooler.
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await?;
    let bound = format!("set local statement_timeout = {}", limit.as_millis());
    transaction.batch_execute(&bound).await?;
    transaction.batch_execute(LEAVE).await?;
    let pause = format!("{} milliseconds", pause.as_millis());
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&namespace, Type::TEXT), (&pause, Type::TEXT)];
    let rows = transaction.query_typed(REFRESH, &parameters).await?;
    let pairs = rows.first().map(|row| row.try_get(0)).transpose()?;
    transaction.commit().await?;
    Ok(pairs.flatten())
}
