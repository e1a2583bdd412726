//! Reading the configuration again: on SIGHUP, and when one of its files changes.
//!
//! Promise: a new generation counts from the next request on and fails no request; a configuration
//! that cannot be used changes nothing, and log, metric and `/config` say why until it is mended.
//! Listeners and threads belong to the process: a change of these is named and waits for a restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use sidegate_config::{ConfigError, ProcessEnv, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::file_watch::FileWatch;
use crate::generation::{self, AssembleError, Current, Generation};
use crate::posture;
use crate::telemetry::Telemetry;

/// How often the files are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// A bad configuration is tried again after this many polls.
const RETRY_POLLS: u32 = 20;

/// A configuration as it was read at start, and a watch that knows what it was read from.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    watch: FileWatch,
    hangups: Signal,
}

/// Why a configuration cannot be read and watched.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read, or is refused.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// SIGHUP cannot be received.
    #[error("SIGHUP cannot be received: {0}")]
    Signal(#[from] io::Error),
}

/// The service.
#[derive(Debug)]
pub struct Reloader {
    watched: Mutex<Option<(FileWatch, Signal)>>,
    path: PathBuf,
    current: Arc<Current>,
    telemetry: Arc<Telemetry>,
    problem: Arc<Problem>,
}

/// Why the configuration as it is now does not count, if it does not.
#[derive(Debug, Default)]
pub struct Problem(ArcSwap<Option<String>>);

/// Why a configuration was not taken over.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Assemble(#[from] AssembleError),
}

/// Reads a configuration. It is read twice: the first time tells which files to watch, and an edit
/// between the two readings is in the second one, one after it is seen by the watch.
///
/// # Errors
/// When it cannot be read or is refused.
pub fn read(path: &Path) -> Result<(Settings, Watched), ReadError> {
    let hangups = hangups()?;
    let files = generation::files(&sidegate_config::load(path, &ProcessEnv)?);
    let watch = FileWatch::seeded(&files);
    let settings = sidegate_config::load(path, &ProcessEnv)?;
    Ok((
        settings,
        Watched {
            path: path.to_owned(),
            watch,
            hangups,
        },
    ))
}

/// Receives SIGHUP from here on: without a handler it would end the process. One that comes before
/// the service runs is not lost: the handler and what it noted are the process's.
fn hangups() -> io::Result<Signal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _inside = runtime.enter();
    signal(SignalKind::hangup())
}

impl Problem {
    /// The reason, if there is one.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.0.load().as_ref().clone()
    }

    fn set(&self, text: Option<String>) {
        self.0.store(Arc::new(text));
    }
}

impl Reloader {
    /// Of a watched configuration.
    #[must_use]
    pub fn new(
        watched: Watched,
        current: Arc<Current>,
        telemetry: Arc<Telemetry>,
        problem: Arc<Problem>,
    ) -> Self {
        let Watched {
            path,
            watch,
            hangups,
        } = watched;
        Self {
            watched: Mutex::new(Some((watch, hangups))),
            path,
            current,
            telemetry,
            problem,
        }
    }

    async fn reload(&self) {
        let current = self.current.load();
        match self.next(&current) {
            Ok(next) => {
                // A new name must not cost the first requests of this generation.
                if next.upstreams.has_unknown() {
                    next.upstreams.resolve().await;
                }
                waits_for_restart(&current.settings, &next.settings);
                posture::warn(&next.settings);
                let (number, hash) = (next.number, next.hash.clone());
                self.problem.set(None);
                self.telemetry
                    .decisions
                    .resize(next.settings.telemetry.decisions);
                self.current.replace(next);
                self.telemetry.metrics.config_reload(true, number);
                tracing::info!(generation = number, hash, "the configuration was read");
            }
            Err(error) => {
                let reason = error.to_string();
                if self.problem.text().as_ref() == Some(&reason) {
                    return;
                }
                self.problem.set(Some(reason.clone()));
                self.telemetry.metrics.config_reload(false, current.number);
                tracing::error!(
                    reason,
                    generation = current.number,
                    "the configuration is bad: the last good one counts"
                );
            }
        }
    }

    fn next(&self, current: &Generation) -> Result<Generation, ReloadError> {
        let settings = sidegate_config::load(&self.path, &ProcessEnv)?;
        Ok(Generation::assemble(settings, Some(current))?)
    }

    fn files(&self) -> Vec<PathBuf> {
        generation::files(&self.current.load().settings)
    }
}

#[async_trait]
impl BackgroundService for Reloader {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Some((mut watch, mut hangups)) = self.watched.lock().take() else {
            return;
        };
        let mut polls = interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut polled: u32 = 0;
        loop {
            tokio::select! {
                _ = shutdown.changed() => return,
                _ = hangups.recv() => self.reload().await,
                _ = polls.tick() => {
                    polled = polled.wrapping_add(1);
                    let edited = watch.changed(&self.files());
                    // A file that could not be read may be readable now, without any edit.
                    let again = self.problem.text().is_some()
                        && polled.is_multiple_of(RETRY_POLLS)
                        && watch.is_at_rest();
                    if edited || again {
                        self.reload().await;
                    }
                }
            }
        }
    }
}

fn waits_for_restart(old: &Settings, new: &Settings) {
    let changed = [
        ("listen", old.listen != new.listen),
        ("admin.listen", old.admin.listen != new.admin.listen),
        ("server.threads", old.server.threads != new.server.threads),
        (
            "server.shutdown_grace",
            old.server.shutdown_grace != new.server.shutdown_grace,
        ),
    ];
    for (key, _) in changed.into_iter().filter(|(_, changed)| *changed) {
        tracing::warn!(key, "a change of this key waits for a restart");
    }
}
