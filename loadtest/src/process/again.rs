//! The end of an instance, and its next start where it was.
//!
//! Promises: the time until it is ready counts from just before the process is made, and is looked at every
//! millisecond. Does not: keep what an instance has logged before.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::setup::ANYWHERE;
use super::{CONFIG, LOG, LOOK, PATIENCE, ProcessError, Sidegate, is_ready, spawn, tail};

impl Sidegate {
    /// Kills it, and after a while starts it again where it was; waits until it is ready.
    pub(crate) async fn restart(&mut self, pause: Duration) -> Result<(), ProcessError> {
        self.kill()?;
        sleep(pause).await;
        self.spawn_again()?;
        self.wait().await
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) -> Result<(), ProcessError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Tells it to end, and waits until it has: how long that took.
    pub(crate) async fn end(&mut self) -> Result<Duration, ProcessError> {
        let begun = Instant::now();
        self.signal("TERM")?;
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                return Err(ProcessError::NotReady("it does not end".to_owned()));
            }
            sleep(LOOK).await;
        }
        Ok(begun.elapsed())
    }

    /// Starts one that has ended again where it was: how long it took to be ready.
    pub(crate) async fn resume(&mut self) -> Result<Duration, ProcessError> {
        let begun = self.spawn_again()?;
        let admin = self.admin.clone();
        let ready = async {
            while !is_ready(&admin).await.unwrap_or(false) {
                sleep(MOMENT).await;
            }
            begun.elapsed()
        };
        let log = self.folder.path().join(LOG);
        let waited = timeout(PATIENCE, ready).await;
        waited.map_err(|_elapsed| ProcessError::NotReady(tail(&log)))
    }

    /// When it was spawned.
    fn spawn_again(&mut self) -> Result<Instant, ProcessError> {
        let path = self.folder.path().join(CONFIG);
        let config = fs::read_to_string(&path)?
            .replacen(ANYWHERE, &self.proxy, 1)
            .replacen(ANYWHERE, &self.admin, 1);
        fs::write(path, config)?;
        let begun = Instant::now();
        self.child = spawn(&[], &self.binary, &self.environment, &self.folder)?;
        Ok(begun)
    }
}

/// Between two looks whether it is ready.
const MOMENT: Duration = Duration::from_millis(1);
