//! What being watched costs the application's database: what `scripts/check-app-cost` finds.
//!
//! Promises: the script is told to end, and does, when the row is given up. Does not: judge again.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::sleep;

use super::{Bench, BenchError, Line, Outcome, Row};
use crate::process::signal;

/// Runs the script, and reads its last line and its exit code.
pub(super) async fn cost(bench: &Bench) -> Result<Line, BenchError> {
    let Some(scripts) = &bench.scripts else {
        let why = "scripts/check-app-cost is not here";
        return Ok(Line::skipped(Row::WatchCost, why));
    };
    let folder = tempfile::Builder::new().prefix("sidegate-cost").tempdir()?;
    let out = folder.path().join("out");
    let mut script = Script::start(bench, scripts, &out)?;
    let status = loop {
        match script.0.try_wait()? {
            Some(status) => break status,
            None => sleep(LOOK).await,
        }
    };
    let text = fs::read_to_string(&out)?;
    let last = text.lines().last().unwrap_or_default();
    let said = last.strip_prefix("app-cost: ").unwrap_or(last);
    let (measured, outcome) = match status.code() {
        Some(0) => (said, Outcome::Met),
        Some(1) => {
            let said = said.strip_prefix("not met: ").unwrap_or(said);
            (said, Outcome::Missed(Some(CAUSE.to_owned())))
        }
        Some(2) => ("", Outcome::Skipped(said.to_owned())),
        Some(_) | None => ("", Outcome::Failed(format!("{status}: {said}"))),
    };
    Ok(Line {
        row: Row::WatchCost,
        measured: measured.to_owned(),
        outcome,
    })
}

/// A running script, which starts servers of its own and stops them when it ends.
struct Script(Child);

impl Script {
    fn start(bench: &Bench, scripts: &Path, out: &Path) -> io::Result<Self> {
        let mut command = Command::new(scripts.join("check-app-cost"));
        if let Some(binaries) = bench.sidegate.parent() {
            command.arg("--binaries").arg(binaries);
        }
        if bench.full {
            command.arg("--full");
        }
        let out = File::create(out)?;
        command.stdin(Stdio::null()).stdout(out).spawn().map(Self)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // Nobody is left to be told that it could not be.
            let _ = signal("TERM", &[self.0.id()]);
            let _ = self.0.wait();
        }
    }
}

/// What is known of it.
const CAUSE: &str = "what is above the bound is in the figures; eight clients without a pause wait for each other on few \
    processors, where no trigger meets it (docs/cost-to-the-application.md)";
const LOOK: Duration = Duration::from_millis(200);
