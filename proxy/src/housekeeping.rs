//! What happens beside requests: the store's file is watched, the application's name is resolved.
//!
//! Promise: both go on for as long as the process serves, and neither can delay the other by more
//! than one read of the file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::Metrics;
use crate::store::{Change, FileStore, Store, Watch};
use crate::upstream::{RESOLVE_INTERVAL, Upstream};

/// The service.
#[derive(Debug)]
pub struct Housekeeping {
    store: Arc<Store>,
    upstream: Arc<Upstream>,
    metrics: Arc<Metrics>,
    poll_interval: Duration,
}

impl Housekeeping {
    /// Over a store and an application.
    #[must_use]
    pub const fn new(
        store: Arc<Store>,
        upstream: Arc<Upstream>,
        metrics: Arc<Metrics>,
        poll_interval: Duration,
    ) -> Self {
        Self {
            store,
            upstream,
            metrics,
            poll_interval,
        }
    }

    fn look(&self, watch: &mut Watch) {
        match &*self.store {
            Store::File(store) => self.report(store, watch),
            #[cfg(test)]
            Store::Faulty(_) => {}
        }
    }

    fn report(&self, store: &FileStore, watch: &mut Watch) {
        match watch.poll(store) {
            None => {}
            Some(Change::Loaded(rows)) => {
                self.metrics.store_edit(true);
                tracing::info!(rows, "the directory file was read");
            }
            Some(Change::Refused(reason)) => {
                self.metrics.store_edit(false);
                tracing::error!(
                    reason,
                    "the directory file is bad: its last good reading counts"
                );
            }
        }
    }
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut watch = Watch::default();
        let mut polls = interval(self.poll_interval);
        let mut resolutions = interval(RESOLVE_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        resolutions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut resolved = true;
        loop {
            tokio::select! {
                _ = shutdown.changed() => return,
                _ = polls.tick() => self.look(&mut watch),
                _ = resolutions.tick() => {
                    let now = self.upstream.resolve().await;
                    if resolved && !now {
                        tracing::error!("the application's name cannot be resolved");
                    }
                    resolved = now;
                }
            }
        }
    }
}
