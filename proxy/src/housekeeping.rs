//! What goes on beside requests: the store's file is watched or its database looked after and
//! examined, the application's names are resolved and its instances asked how they are, keys are fetched, and
//! traces begin to be sent.
//!
//! Promise: the seven go on for as long as the process serves, always for the generation that
//! counts, and none waits for another. The store's watch shows a [`Pulse`], so that readiness sees
//! if it has stopped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use sidegate_config::StoreSettings;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::authn::{FetchError, Pepper, RemoteKeys, key_client};
use crate::clock::Clock;
use crate::coherence::{FeedSettings, FeedThread, canary};
use crate::credential;
use crate::directory_watch::DirectoryWatch;
use crate::doctor::{Board, Expectations};
use crate::generation::{Current, Generation, policy_digest};
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::store::Store;

/// How often the pulse beats while there is no file to look at.
const BEAT: Duration = Duration::from_secs(1);
/// How often names are resolved again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(5);

/// The service.
#[derive(Debug)]
pub struct Housekeeping {
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    pulse: Arc<Pulse>,
    board: Arc<Board>,
}

impl Housekeeping {
    /// For whatever generation counts.
    #[must_use]
    pub const fn new(
        current: Arc<Current>,
        metrics: Arc<Metrics>,
        pulse: Arc<Pulse>,
        board: Arc<Board>,
    ) -> Self {
        Self {
            current,
            metrics,
            pulse,
            board,
        }
    }

    async fn watch_store(&self) {
        let mut watched = None;
        loop {
            let current = self.current.load();
            watched = match (&*current.store, &current.settings.store) {
                (Store::File(store), StoreSettings::File { poll_interval, .. }) => {
                    let mut watch = DirectoryWatch::of(&current, store, watched.take());
                    watch.round(store, *poll_interval, &self.metrics);
                    Some(watch)
                }
                _ => None,
            };
            self.pulse.beat();
            match &watched {
                Some(watch) => watch.due().await,
                None => sleep(BEAT).await,
            }
        }
    }

    /// Looks after the database, and follows its changes for what is kept of it.
    async fn tend_database(&self) {
        let mut changes = self.current.changes();
        loop {
            let generation = self.current.load();
            let facts = Arc::clone(&generation.facts);
            let work = async {
                let _feed = follow(&generation);
                let shared = async {
                    if let Some(l2) = facts.kept().and_then(|kept| kept.l2()) {
                        l2.tend().await;
                    }
                };
                let database = async {
                    match generation.store.postgres() {
                        Some(store) => store.tend().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::join!(
                    database,
                    shared,
                    tend_view(&generation),
                    tend_credentials(&generation),
                    tend_canary(&generation)
                );
            };
            // Another generation with the same facts disturbs nothing.
            let replaced = async {
                while changes.changed().await.is_ok()
                    && Arc::ptr_eq(&self.current.load().facts, &facts)
                {}
            };
            tokio::select! {
                () = work => {}
                () = replaced => {}
            }
        }
    }

    async fn resolve(&self) {
        let mut changes = self.current.changes();
        loop {
            let upstreams = Arc::clone(&self.current.load().upstreams);
            let round = async {
                upstreams.resolve().await;
                sleep(RESOLVE_INTERVAL).await;
            };
            // Another generation's names do not wait for a slow lookup of this one's.
            tokio::select! {
                () = round => {}
                Ok(()) = changes.changed() => {}
            }
        }
    }

    async fn check(&self) {
        let mut changes = self.current.changes();
        loop {
            let upstreams = Arc::clone(&self.current.load().upstreams);
            let round = async {
                match upstreams.check_interval() {
                    Some(interval) => {
                        upstreams.check().await;
                        sleep(interval).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = round => {}
                Ok(()) = changes.changed() => {}
            }
        }
    }

    async fn trace(&self) {
        let mut changes = self.current.changes();
        loop {
            send_traces(&self.current.load());
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn fetch_keys(&self) {
        let client = loop {
            match key_client() {
                Ok(client) => break client,
                Err(error) => tracing::error!(%error, "keys cannot be fetched: no certificates"),
            }
            sleep(RESOLVE_INTERVAL).await;
        };
        let mut changes = self.current.changes();
        let mut tasks = JoinSet::new();
        let mut running: HashMap<usize, AbortHandle> = HashMap::new();
        loop {
            let wanted: HashMap<usize, Arc<RemoteKeys>> = self
                .current
                .load()
                .remote_keys()
                .map(|keys| (Arc::as_ptr(keys).addr(), Arc::clone(keys)))
                .collect();
            running.retain(|address, task| {
                let kept = wanted.contains_key(address);
                if !kept {
                    task.abort();
                }
                kept && !task.is_finished()
            });
            for (address, keys) in wanted {
                running.entry(address).or_insert_with(|| {
                    let (client, metrics) = (client.clone(), Arc::clone(&self.metrics));
                    tasks.spawn(keys.run(client, move |fetched| report_fetch(&metrics, fetched)))
                });
            }
            tokio::select! {
                Ok(()) = changes.changed() => {}
                // They run for ever: one that ended was aborted above, or has panicked.
                Some(ended) = tasks.join_next() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        tracing::error!("fetching keys has panicked: it begins again");
                        sleep(RESOLVE_INTERVAL).await;
                    }
                }
            }
        }
    }
}

/// Sees to it that a generation's traces are sent.
fn send_traces(generation: &Generation) {
    if let Some(Err(error)) = generation.tracing.as_ref().map(|tracing| tracing.start()) {
        tracing::error!(%error, "there is no thread to send spans with: they are dropped");
    }
}

/// Looks after the materialized view, where there is one, and fills memory from it.
async fn tend_view(generation: &Generation) {
    let kept = generation.facts.kept();
    let found = kept.and_then(|kept| Some((kept, kept.view()?, generation.store.postgres()?)));
    if let Some((kept, view, store)) = found {
        let most = generation.settings.cache.warming_pairs;
        let warm = || kept.warm(store, most);
        view.tend(store, kept.coherence(), warm).await;
    }
}

/// Writes back what is known of credentials.
async fn tend_credentials(generation: &Generation) {
    if let Some(store) = generation.store.postgres() {
        let kept = generation.facts.kept().map(|kept| &**kept.coherence());
        let keys = generation.settings.service_keys.as_ref();
        let pepper = keys.map(|keys| Pepper::new(&keys.pepper));
        credential::upkeep::run(store.database(), kept, pepper).await;
    }
}

/// Measures how late a change counts, where one of a database does.
async fn tend_canary(generation: &Generation) {
    let found = generation.facts.kept().zip(generation.store.postgres());
    if let Some((kept, store)) = found {
        let interval = generation.settings.coherence.canary_interval;
        canary::run(kept.coherence(), store.database(), interval).await;
    }
}

/// The feed of a generation that keeps anything of a database. Without one nothing is answered from
/// memory.
fn follow(generation: &Generation) -> Option<FeedThread> {
    let kept = generation.facts.kept()?;
    let StoreSettings::Postgres(store) = &generation.settings.store else {
        return None;
    };
    let settings = FeedSettings {
        expectations: Expectations::new(&generation.settings.policy, store, Clock::System),
        store: store.clone(),
        interval: generation.settings.coherence.poll_interval,
        policy: (kept.l2().is_some() || kept.view().is_some())
            .then(|| policy_digest(&generation.settings.policy)),
    };
    FeedThread::start(Arc::clone(kept.coherence()), settings)
        .inspect_err(
            |error| tracing::error!(%error, "the change feed cannot be started: caching stays off"),
        )
        .ok()
}

fn report_fetch(metrics: &Metrics, fetched: Result<usize, &FetchError>) {
    metrics.key_fetch(fetched.is_ok());
    match fetched {
        Ok(keys) => tracing::debug!(keys, "a key set was fetched"),
        Err(error) => {
            tracing::warn!(%error, "a key set cannot be fetched: its last good one serves")
        }
    }
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let work = async {
            tokio::join!(
                self.watch_store(),
                self.tend_database(),
                self.board.keep(&self.current, &self.metrics),
                self.resolve(),
                self.check(),
                self.fetch_keys(),
                self.trace()
            )
        };
        tokio::select! {
            _ = shutdown.changed() => {}
            _ = work => {}
        }
    }
}
