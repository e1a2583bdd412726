//! Waiting for a poll that began after an instant (DESIGN §5, R5 and the end of a lease).
//!
//! Promise: whoever waits together waits for one poll; polls that somebody waits for are at least
//! [`SPACING`] apart; a poll that fails is told at once, so that the database can be asked instead.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::{BootTime, Coherence, Reading};

/// The least time between the starts of two polls.
pub(super) const SPACING: Duration = Duration::from_millis(5);

/// Why there is no fresh reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// Nothing may be cached.
    #[error("caching is off")]
    Closed,
    /// A poll that began late enough has failed.
    #[error("the change feed fails")]
    Failed,
    /// None was applied in time.
    #[error("the change feed is late")]
    Late,
}

impl Coherence {
    /// A reading whose poll began after `since`, within `limit`. Joins the poll that starts next.
    /// To be called on a runtime with time.
    ///
    /// # Errors
    /// When there is none in time, when the poll fails, or while nothing may be cached. The reading that
    /// was there before is then as good or bad as it was.
    pub async fn fresh(&self, since: BootTime, limit: Duration) -> Result<Reading<'_>, Stale> {
        if let Some(known) = self.known(since) {
            return known;
        }
        let joined = async {
            // Before the bell and the first look: what happens from here on wakes us.
            let mut progress = self.progress.subscribe();
            // Once is enough. The feed takes the ring and then starts a poll, which is after `since`; a
            // poll that is in flight leaves the ring where it is.
            self.bell.notify_one();
            loop {
                if let Some(known) = self.known(since) {
                    return known;
                }
                // Its sender is ours, so it is there.
                if progress.changed().await.is_err() {
                    return Err(Stale::Late);
                }
            }
        };
        match timeout(limit, joined).await {
            Ok(known) => known,
            Err(_elapsed) => Err(Stale::Late),
        }
    }

    /// What is known already; `None`: a poll has to come first.
    fn known(&self, since: BootTime) -> Option<Result<Reading<'_>, Stale>> {
        match self.read() {
            None => Some(Err(Stale::Closed)),
            Some(reading) if reading.began_after(since) => Some(Ok(reading)),
            Some(_) if self.failed.load(Ordering::Acquire) > since.nanos() => {
                Some(Err(Stale::Failed))
            }
            Some(_) => None,
        }
    }
}
