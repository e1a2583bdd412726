//! How far a long command is, on standard error.
//!
//! Promise: on a terminal a bar, which is gone when the command ends, however it ends; elsewhere a plain line
//! for each step, and one now and then while a step lasts. What goes to standard output is the same with
//! both, and stands above the bar. A step that fails is named.
//!
//! Does not: fail. A command does not end because nobody can see it.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How long a step lasts without another line about it.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often the time beside a bar is brought up to date.
const TICK: Duration = Duration::from_millis(500);

/// Shows the steps of one command.
#[derive(Debug)]
pub(crate) struct Steps {
    bar: Option<ProgressBar>,
    current: RefCell<Option<Current>>,
}

/// The step that began last.
#[derive(Debug)]
struct Current {
    line: String,
    begun: Instant,
}

impl Steps {
    pub(crate) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {msg}");
            let bar = ProgressBar::new(0);
            bar.enable_steady_tick(TICK);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            bar,
            current: RefCell::new(None),
        }
    }

    /// A step begins: number so many of so many.
    pub(crate) fn begin(&self, step: &str, number: usize, all: usize) {
        let line = format!("{number} of {all}: {step}");
        match &self.bar {
            Some(bar) => {
                bar.set_length(wide(all));
                bar.set_position(wide(number.saturating_sub(1)));
                bar.set_message(line.clone());
            }
            None => say(&line),
        }
        let begun = Instant::now();
        *self.current.borrow_mut() = Some(Current { line, begun });
    }

    /// Does what prints to standard output.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Waits for the command's work, and ends with it.
    pub(crate) async fn during<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut work = pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = tokio::time::sleep(LINE_EVERY) => self.still(),
            }
        };
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let (Err(_), Some(current)) = (&done, self.current.borrow().as_ref()) {
            say(&format!("failed at {}", current.line));
        }
        done
    }

    fn still(&self) {
        if let (None, Some(current)) = (&self.bar, self.current.borrow().as_ref()) {
            let seconds = current.begun.elapsed().as_secs();
            say(&format!("{} (for {seconds} s)", current.line));
        }
    }
}

/// When nobody reads standard error, there is nobody to tell.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
