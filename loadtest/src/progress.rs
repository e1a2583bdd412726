//! How far a run, a filling, a check or a measurement is, on standard error.
//!
//! Promises: a bar on a terminal; elsewhere a plain line every few seconds, or for each case or
//! row, so that a log of a run stays readable.
//!
//! Does not: fail. A run does not end because nobody can see it.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sidegate_loadtest::{Filled, Progress};

/// Shows the progress of one run.
#[derive(Debug)]
pub(crate) enum Display {
    Bar(ProgressBar),
    Lines { next: Duration, span: Duration },
}

impl Display {
    /// For a run that takes `span`, give or take the waiting at its end.
    pub(crate) fn new(span: Duration) -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines {
                next: LINE_EVERY,
                span,
            };
        }
        let bar = ProgressBar::new(millis(span));
        let style = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {percent:>3} % {msg}");
        Self::Bar(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    /// Brings the display up to date.
    pub(crate) fn show(&mut self, progress: Progress) {
        let Progress {
            elapsed,
            completed,
            failed,
        } = progress;
        match self {
            Self::Bar(bar) => {
                bar.set_message(format!("{completed} answers, {failed} failed"));
                bar.set_position(millis(elapsed));
            }
            Self::Lines { next, span } if elapsed >= *next => {
                *next = elapsed.saturating_add(LINE_EVERY);
                let _ = writeln!(
                    io::stderr(),
                    "{:>4} s of {} s: {completed} answers, {failed} failed",
                    elapsed.as_secs(),
                    span.as_secs()
                );
            }
            Self::Lines { .. } => {}
        }
    }

    /// Makes room for the summary.
    pub(crate) fn finish(&self) {
        match self {
            Self::Bar(bar) => bar.finish_and_clear(),
            Self::Lines { .. } => {}
        }
    }
}

/// Shows how far the filling of a database is.
#[derive(Debug)]
pub(crate) enum Filling {
    Bar(ProgressBar),
    Lines { next: Instant },
}

impl Filling {
    pub(crate) fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines {
                next: Instant::now(),
            };
        }
        let style = ProgressStyle::with_template(
            "{elapsed:>4} {wide_bar} {percent:>3} % {human_pos} rows, {msg}",
        );
        let bar = ProgressBar::new(0);
        Self::Bar(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    /// Brings the display up to date.
    pub(crate) fn show(&mut self, filled: Filled) {
        let Filled { table, rows, total } = filled;
        match self {
            Self::Bar(bar) => {
                bar.set_length(total);
                bar.set_message(table);
                bar.set_position(rows);
            }
            Self::Lines { next } if rows == total || Instant::now() >= *next => {
                *next = Instant::now() + LINE_EVERY;
                let _ = writeln!(io::stderr(), "{rows} of {total} rows: {table}");
            }
            Self::Lines { .. } => {}
        }
    }

    /// Makes room for what follows.
    pub(crate) fn finish(&self) {
        match self {
            Self::Bar(bar) => bar.finish_and_clear(),
            Self::Lines { .. } => {}
        }
    }
}

/// Shows which case of a check is played or which row is measured, and what came of those before.
#[derive(Debug)]
pub(crate) struct Cases(Option<ProgressBar>);

impl Cases {
    pub(crate) fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos} of {len}: {msg}");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(Some(bar))
    }

    /// One begins, after so many of all of them.
    pub(crate) fn begin(&self, name: &'static str, done: usize, all: usize) {
        match &self.0 {
            Some(bar) => {
                bar.set_length(u64::try_from(all).unwrap_or_default());
                bar.set_position(u64::try_from(done).unwrap_or_default());
                bar.set_message(name);
            }
            None => {
                let number = done.saturating_add(1);
                let _ = writeln!(io::stderr(), "{number} of {all}: {name}");
            }
        }
    }

    /// What came of it.
    pub(crate) fn say(&self, line: &str) {
        match &self.0 {
            Some(bar) => bar.println(line),
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }

    /// Makes room for the summary.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A run of ten minutes leaves 120 lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
