//! Something that is read in the background, and again when that fails.
//!
//! Promise: one reading at a time; after a failure a pause that grows up to a minute.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::link::LinkError;
use crate::database::Notice;

/// How soon again, after it failed.
const RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(120);
/// After a reading that was of no use.
const SOON: Duration = Duration::from_millis(200);

/// A load that goes on, or is due.
#[derive(Debug)]
pub(super) struct Loader<L> {
    task: JoinSet<Result<L, LinkError>>,
    due: Option<Instant>,
    pause: Duration,
    notice: Notice,
}

/// What is to be done about it.
#[derive(Debug)]
pub(super) enum Turn<L> {
    /// It has ended.
    Ended(Result<L, String>),
    /// It is to begin.
    Due,
}

impl<L: Send + 'static> Loader<L> {
    /// With nothing to do; `what` fails, for the log.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            task: JoinSet::new(),
            due: None,
            pause: RETRY,
            notice: Notice::new(what),
        }
    }

    /// Begins; one that goes on is given up.
    pub(super) fn begin(
        &mut self,
        load: impl Future<Output = Result<L, LinkError>> + Send + 'static,
    ) {
        self.task = JoinSet::new();
        self.task.spawn(load);
        self.due = None;
    }

    /// Whether none goes on or is due.
    pub(super) fn is_idle(&self) -> bool {
        self.task.is_empty() && self.due.is_none()
    }

    /// It was of no use: one is to begin soon.
    pub(super) fn again(&mut self, reason: &str) {
        self.notice.failed(reason);
        self.due = Some(Instant::now() + self.pause);
        self.pause = self.pause.saturating_mul(2).min(LONGEST_RETRY);
    }

    /// It is to begin anew, and not without a pause: what made it void may come again and again.
    pub(super) fn soon(&mut self) {
        self.due = Some(Instant::now() + SOON);
    }

    /// Nothing is due.
    pub(super) fn rest(&mut self) {
        self.due = None;
    }

    /// It was of use.
    pub(super) fn worked(&mut self) {
        self.notice.worked();
        self.pause = RETRY;
    }

    /// Waits for the one that goes on to end, or for one to be due; for ever while there is neither.
    pub(super) async fn turn(&mut self) -> Turn<L> {
        match self.task.join_next().await {
            Some(Ok(loaded)) => Turn::Ended(loaded.map_err(|error| error.to_string())),
            Some(Err(error)) => Turn::Ended(Err(error.to_string())),
            None => match self.due {
                Some(due) => {
                    sleep_until(due).await;
                    Turn::Due
                }
                None => std::future::pending().await,
            },
        }
    }
}
