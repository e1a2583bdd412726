//! What being watched costs the application's database: what `scripts/check-app-cost` finds.
//!
//! Promises: the script is told to end, and does, when the row is given up; what is missing is left out, what failed is
//! said to have failed. Does not: judge again; or hold the application's writes up but with `--full`, which the row then
//! says is open.

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
    Ok(judged(status.code(), said, bench.full))
}

fn judged(code: Option<i32>, said: &str, full: bool) -> Line {
    let open: &[String] = if full { &[] } else { &[HELD_UP.to_owned()] };
    let (measured, outcome) = match code {
        Some(0) => (said, Outcome::unless_open(&[], open)),
        Some(1) => {
            let said = said.strip_prefix("not met: ").unwrap_or(said);
            (said, Outcome::Missed(Some(CAUSE.to_owned())))
        }
        Some(2) if MISSING.iter().any(|text| said.starts_with(text)) => {
            ("", Outcome::Skipped(said.to_owned()))
        }
        Some(code) => ("", Outcome::Failed(format!("exit code {code}: {said}"))),
        None => ("", Outcome::Failed(format!("ended by a signal: {said}"))),
    };
    Line {
        row: Row::WatchCost,
        measured: measured.to_owned(),
        outcome,
    }
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
/// How the script begins to say that a program is not here; everything else that it gives up for is a failure.
const MISSING: [&str; 2] = [
    "could not run: no PostgreSQL: ",
    "could not run: root cannot run PostgreSQL, ",
];
/// The case that takes minutes.
const HELD_UP: &str = "that no write is refused while Sidegate migrates and cleans up (the case held-up: with --full)";
const LOOK: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_left_out_and_what_failed_has_failed() {
        let of = |code, said, full| judged(code, said, full).outcome;
        assert_eq!(of(Some(0), "fine", true), Outcome::Met);
        assert!(
            matches!(of(Some(0), "fine", false), Outcome::Skipped(why) if why.contains("held-up"))
        );
        assert!(matches!(
            of(Some(1), "not met: slow", false),
            Outcome::Missed(Some(_))
        ));
        let missing = "could not run: no PostgreSQL: initdb is in no folder";
        assert!(matches!(of(Some(2), missing, true), Outcome::Skipped(_)));
        for (code, said) in [
            (
                Some(2),
                "could not run: sidegate migrate failed: no PostgreSQL: ",
            ),
            (Some(2), "could not run: stopped"),
            (Some(3), missing),
            (None, ""),
        ] {
            assert!(matches!(of(code, said, true), Outcome::Failed(_)), "{said}");
        }
    }
}
