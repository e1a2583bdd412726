//! The access log: one line of JSON for each request ([`Line`], docs/access-log.schema.json).
//!
//! Promise: what was refused or could not be decided is always written, what was allowed without something that
//! could not be asked, and what was not answered or with a 5xx; of the other allows a part, chosen by the
//! decision's id, so that all instances and whoever looks for one agree. No request waits for it: lines are written
//! by a thread of their own, and one that finds no room is dropped and counted. A line holds ids and reasons, never a path, a query, a header or
//! a token.
//!
//! Does not: keep a line that cannot be written. A full disk must not stop what goes on.

mod line;

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sidegate_config::{AccessLogSettings, AccessLogTarget, Fraction};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use uuid::Uuid;

use crate::metrics::{Definition, Label, Scrape};
use crate::outcome::{Code, Outcome};

pub use line::{Line, Millis, schema};

/// How many lines may wait to be written: 8 MiB or so.
const WAITING: usize = 8192;

/// How long what waits may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where lines are written. One for a process.
#[derive(Debug, Default)]
pub struct AccessLog {
    stderr: OnceLock<Writer>,
    stdout: OnceLock<Writer>,
}

/// A thread that writes.
struct Writer {
    lines: NonBlocking,
    /// Dropped, what waits is written.
    guard: Mutex<Option<WorkerGuard>>,
    taken: AtomicU64,
    failed: Arc<AtomicU64>,
}

/// Counts what cannot be written.
struct Counted<W> {
    to: W,
    failed: Arc<AtomicU64>,
}

const RESULTS: [&str; 3] = ["written", "dropped", "failed"];

static LINES: Definition = Definition::counter(
    "sidegate_access_log_lines_total",
    "Lines of the access log: written or waiting to be, dropped because too many waited, failed to be written",
)
.by(&[Label::closed("result", || RESULTS.into())]);

/// What is told of the access log.
pub(crate) static METRICS: [&Definition; 1] = [&LINES];

impl AccessLog {
    /// Opens what the settings name, so that the first request need not.
    pub fn open(&self, settings: &AccessLogSettings) {
        self.writer(settings);
    }

    /// Whether a request gets a line. `is_remarkable`: something about it was not as it should be, whoever it
    /// was.
    #[must_use]
    pub fn takes(settings: &AccessLogSettings, id: Uuid, code: Code, is_remarkable: bool) -> bool {
        settings.to.is_some()
            && (is_remarkable
                || match code.ended() {
                    Outcome::Allow => drawn(settings.allows, id),
                    Outcome::Deny | Outcome::Error => true,
                })
    }

    /// Writes a line, later.
    pub fn write(&self, settings: &AccessLogSettings, line: &Line<'_>) {
        let Some(writer) = self.writer(settings) else {
            return;
        };
        // What it holds can be written as JSON.
        let Ok(mut text) = serde_json::to_vec(line) else {
            return;
        };
        text.push(b'\n');
        writer.taken.fetch_add(1, Ordering::Relaxed);
        // It takes the line, or counts it as dropped.
        let _ = writer.lines.clone().write_all(&text);
    }

    /// Writes what waits, for a moment; nothing is written afterwards.
    pub fn close(&self) {
        for writer in [self.stderr.get(), self.stdout.get()].into_iter().flatten() {
            if let Some(guard) = writer.guard.lock().take() {
                drop_in_time(guard);
            }
        }
    }

    fn writer(&self, settings: &AccessLogSettings) -> Option<&Writer> {
        let writer = match settings.to? {
            AccessLogTarget::Stderr => self.stderr.get_or_init(|| Writer::new(io::stderr())),
            AccessLogTarget::Stdout => self.stdout.get_or_init(|| Writer::new(io::stdout())),
        };
        Some(writer)
    }

    /// Reads how many lines there were.
    pub fn gather(&self, scrape: &mut Scrape) {
        let mut counts = [0_u64; 3];
        for writer in [self.stderr.get(), self.stdout.get()].into_iter().flatten() {
            let dropped = writer.lines.error_counter().dropped_lines();
            let dropped = u64::try_from(dropped).unwrap_or(u64::MAX);
            let failed = writer.failed.load(Ordering::Relaxed);
            let lost = dropped.saturating_add(failed);
            let written = writer.taken.load(Ordering::Relaxed).saturating_sub(lost);
            let of = [written, dropped, failed];
            for (count, more) in counts.iter_mut().zip(of) {
                *count = count.saturating_add(more);
            }
        }
        for (result, count) in RESULTS.iter().zip(counts) {
            scrape.add(&LINES, &[result], count);
        }
    }
}

/// Ends a thread that writes when what waits is written, or when there is no more time: a reader that stands still
/// must not keep the process from ending, and nor must what the writer itself says about it.
pub fn drop_in_time(guard: WorkerGuard) {
    let (alive, ended) = mpsc::channel::<()>();
    let writing = thread::Builder::new()
        .name("last-lines".to_owned())
        .spawn(move || {
            drop(guard);
            drop(alive);
        });
    if writing.is_ok() {
        // It ends, or there is no more time.
        let _ = ended.recv_timeout(LAST_LINES);
    }
}

/// Whether a decision is in a sample. The upper half of a random id (RFC 9562 section 5.4) is random but for four of
/// its lowest bits.
fn drawn(part: Fraction, id: Uuid) -> bool {
    part.takes(id.as_u64_pair().0)
}

impl Writer {
    fn new(to: impl Write + Send + 'static) -> Self {
        let failed = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            to,
            failed: Arc::clone(&failed),
        };
        let (lines, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING)
            .thread_name("access-log")
            .finish(counted);
        Self {
            lines,
            guard: Mutex::new(Some(guard)),
            taken: AtomicU64::new(0),
            failed,
        }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.to.write_all(line).inspect_err(|_lost| {
            self.failed.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("taken", &self.taken)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sidegate_policy::Reason;

    use super::*;

    #[test]
    fn what_is_refused_is_never_left_out_and_a_part_of_what_is_allowed_is_written() {
        let settings = |to, part| AccessLogSettings {
            to,
            allows: Fraction::new(part).unwrap(),
        };
        let stderr = settings(Some(AccessLogTarget::Stderr), 0.25);
        let count = |settings: &AccessLogSettings, code, is_degraded| {
            let ids = std::iter::repeat_with(Uuid::new_v4).take(10_000);
            ids.filter(|id| AccessLog::takes(settings, *id, code, is_degraded))
                .count()
        };
        for code in Code::all() {
            let found = count(&stderr, code, false);
            match code.ended() {
                Outcome::Allow => assert!((2200..2800).contains(&found), "{code:?}: {found}"),
                Outcome::Deny | Outcome::Error => assert_eq!(found, 10_000, "{code:?}"),
            }
        }
        let allowed = Code::Decision(Reason::Ownership);
        assert_eq!(count(&stderr, allowed, true), 10_000);
        let all = settings(Some(AccessLogTarget::Stdout), 1.0);
        assert_eq!(count(&all, allowed, false), 10_000);
        let none = settings(Some(AccessLogTarget::Stdout), 0.0);
        assert_eq!(count(&none, allowed, false), 0);
        assert_eq!(count(&settings(None, 1.0), Code::Internal, true), 0);
    }

    #[test]
    fn a_line_that_finds_no_room_is_dropped_and_counted() {
        let (gate, open) = mpsc::channel::<()>();
        struct Stuck(mpsc::Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                // Until the other end is dropped.
                let _ = self.0.recv();
                Err(io::Error::other(format!("{} bytes are lost", bytes.len())))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = AccessLog::default();
        assert!(log.stderr.set(Writer::new(Stuck(open))).is_ok());
        let settings = AccessLogSettings {
            to: Some(AccessLogTarget::Stderr),
            allows: Fraction::ALL,
        };
        let line = Line::new(
            Uuid::new_v4(),
            Code::NoRoute,
            sidegate_policy::UnixMicros(0),
        );
        let lines = WAITING + 100;
        for _ in 0..lines {
            log.write(&settings, &line);
        }
        drop(gate);
        log.close();
        let mut scrape = Scrape::default();
        log.gather(&mut scrape);
        let text = scrape.text();
        let of = |result: &str| {
            let series = format!("sidegate_access_log_lines_total{{result=\"{result}\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&series));
            value.unwrap().parse::<usize>().unwrap()
        };
        // One more than fits is in the writer's hands.
        let dropped = of("dropped");
        assert!((99..=100).contains(&dropped), "{text}");
        assert_eq!(
            (of("written"), of("failed")),
            (0, lines - dropped),
            "{text}"
        );
    }
}
