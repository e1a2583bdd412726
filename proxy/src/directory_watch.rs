//! The embedded store's file is looked at, and what is kept of its rows follows its edits.
//!
//! Promise: a round looks at the file when it is due and tells what changed in the same breath, so that
//! an edit counts for kept rows when it counts for the store. While nothing is due the lease goes on:
//! the store is as it was, because nothing else changes it.
//!
//! Does not: decide when a file has come to rest (`file_watch`), or what an edit has changed
//! (`store::Directory::changes`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::coherence::Edits;
use crate::facts::Facts;
use crate::generation::Generation;
use crate::metrics::Metrics;
use crate::store::{Change, FileStore, Store, Watch};

/// Follows the file of one generation's store, for what is kept of it by that generation.
#[derive(Debug)]
pub struct DirectoryWatch {
    store: Arc<Store>,
    facts: Arc<Facts>,
    watch: Watch,
    /// `None` where nothing is kept.
    edits: Option<Edits>,
    look_at: Instant,
}

impl DirectoryWatch {
    /// For a generation; `previous` goes on where it is about the same store and the same memory.
    #[must_use]
    pub fn of(generation: &Generation, store: &FileStore, previous: Option<Self>) -> Self {
        let same_store =
            previous.filter(|previous| Arc::ptr_eq(&previous.store, &generation.store));
        let watch = match same_store {
            Some(same) if Arc::ptr_eq(&same.facts, &generation.facts) => return same,
            // Its memory ends here. What it knows of the file does not.
            Some(same) => same.watch,
            None => Watch::default(),
        };
        let interval = generation.settings.coherence.poll_interval;
        let edits = generation.facts.kept().map(|kept| {
            let coherence = Arc::clone(kept.coherence());
            Edits::begin(coherence, Arc::clone(store.history()), interval)
        });
        Self {
            store: Arc::clone(&generation.store),
            facts: Arc::clone(&generation.facts),
            watch,
            edits,
            look_at: Instant::now(),
        }
    }

    /// One round. `pause` is the time between two looks at the file.
    pub fn round(&mut self, store: &FileStore, pause: Duration, metrics: &Metrics) {
        let now = Instant::now();
        let watch = (now >= self.look_at).then(|| {
            self.look_at = now + pause;
            &mut self.watch
        });
        let look = || {
            let change = watch.and_then(|watch| watch.poll(store));
            change.map_or_else(Vec::new, |change| report(change, metrics))
        };
        match &mut self.edits {
            Some(edits) => edits.poll(look),
            None => drop(look()),
        }
    }

    /// Waits until the next round is due.
    pub async fn due(&self) {
        match &self.edits {
            Some(edits) => edits.due(self.look_at).await,
            None => tokio::time::sleep_until(self.look_at).await,
        }
    }
}

/// The tags of what has changed.
fn report(change: Change, metrics: &Metrics) -> Vec<String> {
    match change {
        Change::Loaded { rows, tags } => {
            metrics.store_edit(true);
            tracing::info!(rows, changed = tags.len(), "the directory file was read");
            tags
        }
        Change::Refused(reason) => {
            metrics.store_edit(false);
            tracing::error!(
                reason,
                "the directory file is bad: its last good reading counts"
            );
            Vec::new()
        }
    }
}
