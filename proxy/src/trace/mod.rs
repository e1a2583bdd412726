//! Traces: W3C Trace Context in and out, and the spans of sampled requests to an OpenTelemetry collector.
//!
//! Promise: without `telemetry.tracing` nothing here is done. With it a request draws its ids, and one that is
//! sampled leaves a note at its end; it waits for nothing and nobody, and where the queue is full the note is
//! dropped and counted. What a stranger says about a trace neither names nor samples it: only peers in
//! `trusted_proxies` are gone on with. Memory, time and lines in the log are bounded, whatever the collector
//! does.
//!
//! Does not: trace what is refused before it is a request (an unreadable head); link to a stranger's trace, or
//! read one.

mod collector;
mod context;
mod export;
mod parent;
mod span;
mod tally;

pub use collector::TracingError;
pub use context::{SpanId, TraceContext, TraceId};
pub use span::{Finished, KnownMethod};
pub(crate) use tally::METRICS;
pub use tally::SpanEnd;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, mpsc as blocking};
use std::thread;
use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;
use pingora::http::RequestHeader;
use sidegate_config::TracingSettings;
use tokio::runtime::Builder;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use crate::metrics::Scrape;
use collector::Collector;
use export::Exporter;
use parent::Parent;
use tally::Tally;

/// How long the end of the process waits for what is still to be sent.
const FLUSH: Duration = Duration::from_secs(1);

/// What is traced, and where it goes.
#[derive(Debug)]
pub struct Tracing {
    settings: TracingSettings,
    queue: mpsc::Sender<Finished>,
    stop: watch::Sender<bool>,
    thread: Mutex<Thread>,
    tally: Arc<Tally>,
}

/// The thread that sends.
#[derive(Debug)]
enum Thread {
    /// What it will do.
    Waiting(Box<Exporter>),
    /// Its end closes this.
    Running(blocking::Receiver<Infallible>),
    /// It has ended, or there is none to be had.
    None,
}

/// A request's place in a trace, where anything is traced. `is_trusted`: its peer is in `trusted_proxies`.
pub fn begin(
    tracing: Option<&Tracing>,
    headers: &HeaderMap,
    is_trusted: impl FnOnce() -> bool,
) -> Option<TraceContext> {
    tracing.map(|tracing| tracing.begin(headers, is_trusted()))
}

/// Tells the application where it is in the trace. Where nothing is traced, what came is passed on.
///
/// # Errors
/// When a header cannot be written.
pub fn tell(trace: Option<&TraceContext>, request: &mut RequestHeader) -> pingora::Result<()> {
    match trace {
        Some(trace) => trace.write(request),
        None => Ok(()),
    }
}

impl Tracing {
    /// With nothing to send, and no thread yet. What was counted before goes on.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(settings: &TracingSettings, known: Option<&Self>) -> Result<Self, TracingError> {
        let (queue, waiting) = mpsc::channel(settings.queue);
        let (stop, stopped) = watch::channel(false);
        let tally = known.map_or_else(Arc::default, |known| Arc::clone(&known.tally));
        let exporter = Exporter::new(
            waiting,
            stopped,
            Collector::new(settings)?,
            &settings.service_name,
            Arc::clone(&tally),
        );
        Ok(Self {
            settings: settings.clone(),
            queue,
            stop,
            thread: Mutex::new(Thread::Waiting(Box::new(exporter))),
            tally,
        })
    }

    /// Whether other settings ask for just this.
    #[must_use]
    pub fn serves(&self, settings: &TracingSettings) -> bool {
        self.settings == *settings
    }

    /// A request's place in its trace.
    #[must_use]
    pub fn begin(&self, headers: &HeaderMap, is_trusted: bool) -> TraceContext {
        let believed = is_trusted && self.settings.continue_traces;
        match believed.then(|| Parent::of(headers)).flatten() {
            Some(parent) => TraceContext::below(parent),
            None => TraceContext::root(self.settings.sample),
        }
    }

    /// Takes a sampled request that is over; never waits.
    pub fn record(&self, finished: Finished) {
        if let Err(TrySendError::Full(finished) | TrySendError::Closed(finished)) =
            self.queue.try_send(finished)
        {
            self.tally.add(SpanEnd::Dropped, finished.count());
        }
    }

    /// Begins to send, if nobody has. The thread ends when this is dropped, and what waits is sent.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(&self) -> io::Result<()> {
        let mut state = self.thread.lock();
        let exporter = match std::mem::replace(&mut *state, Thread::None) {
            Thread::Waiting(exporter) => exporter,
            other @ (Thread::Running(_) | Thread::None) => {
                *state = other;
                return Ok(());
            }
        };
        let (alive, ended) = blocking::channel();
        thread::Builder::new()
            .name("sidegate-traces".to_owned())
            .spawn(move || {
                // Here: it must not be dropped among tasks if there is no thread.
                let runtime = match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        tracing::error!(%error, "spans cannot be sent");
                        return;
                    }
                };
                runtime.block_on(exporter.run());
                // A name that is still looked up is no reason to stay.
                runtime.shutdown_background();
                drop(alive);
            })?;
        *state = Thread::Running(ended);
        Ok(())
    }

    /// Sends what waits, for a second at the most, at the end of the process.
    pub fn finish(&self) {
        self.stop.send_replace(true);
        let state = std::mem::replace(&mut *self.thread.lock(), Thread::None);
        if let Thread::Running(ended) = state {
            // It ends, or there is no more time.
            let _ = ended.recv_timeout(FLUSH);
        }
    }

    /// How many spans had this end.
    #[must_use]
    pub fn count(&self, end: SpanEnd) -> u64 {
        self.tally.count(end)
    }

    /// What became of spans, as metrics.
    pub fn gather(&self, scrape: &mut Scrape) {
        self.tally.gather(scrape);
    }
}

#[cfg(test)]
mod tests;
