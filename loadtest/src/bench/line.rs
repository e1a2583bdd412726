//! What was found of a row, and what came of all of them.
//!
//! Promises: a row is met, missed, left out, or could not be measured, and says why; the last line counts
//! them, and the exit code is that of the worst. Does not: judge; each row does.

use std::fmt;

use super::Row;
use crate::document::{Measured, RowFigure, RowOutcome, Table};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Of which row.
    pub row: Row,
    /// In words; empty where nothing was.
    pub measured: String,
    /// Whether it is within the target.
    pub outcome: Outcome,
}

/// A row, and the figures behind it where they are worth a look.
#[derive(Debug, Clone)]
pub struct Found {
    /// The row.
    pub line: Line,
    /// Loads.
    pub runs: Vec<Measured>,
    /// Everything else.
    pub tables: Vec<Table>,
}

/// Whether a row is within its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Met,
    /// It is not, and why, as far as that was found.
    Missed(Option<String>),
    /// It was not measured, or not all that the target names, because something that it needs is not here or time was
    /// short; nothing that was measured is missed.
    Skipped(String),
    /// It was to be measured, and something failed.
    Failed(String),
}

/// How many rows of which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// All of them.
    pub rows: usize,
    /// Within their target.
    pub met: usize,
    /// Not within it.
    pub missed: usize,
    /// Left out.
    pub skipped: usize,
    /// That could not be measured.
    pub failed: usize,
}

impl From<Line> for Found {
    fn from(line: Line) -> Self {
        Self {
            line,
            runs: Vec::new(),
            tables: Vec::new(),
        }
    }
}

impl Outcome {
    /// Met if there is nothing against it.
    pub(super) fn unless(reasons: &[String]) -> Self {
        if reasons.is_empty() {
            Self::Met
        } else {
            Self::Missed(Some(reasons.join("; ")))
        }
    }

    /// Met if there is nothing against it and nothing is left open: what else the target names, and was not measured.
    pub(super) fn unless_open(reasons: &[String], open: &[String]) -> Self {
        if reasons.is_empty() && !open.is_empty() {
            Self::Skipped(format!("in part, not measured: {}", open.join("; ")))
        } else {
            Self::unless(reasons)
        }
    }
}

impl Line {
    /// One that was not measured, and why.
    pub(super) fn skipped(row: Row, why: &str) -> Self {
        Self {
            row,
            measured: String::new(),
            outcome: Outcome::Skipped(why.to_owned()),
        }
    }

    /// As it is kept in a document.
    #[must_use]
    pub fn figure(&self) -> RowFigure {
        let (outcome, reason) = match &self.outcome {
            Outcome::Met => (RowOutcome::Met, None),
            Outcome::Missed(reason) => (RowOutcome::Missed, reason.clone()),
            Outcome::Skipped(why) => (RowOutcome::Skipped, Some(why.clone())),
            Outcome::Failed(why) => {
                let why = format!("could not be measured: {why}");
                (RowOutcome::Failed, Some(why))
            }
        };
        RowFigure {
            name: self.row.name().to_owned(),
            target: self.row.target().to_owned(),
            measured: self.measured.clone(),
            outcome,
            reason,
        }
    }
}

impl Summary {
    /// Of these.
    #[must_use]
    pub fn of(lines: &[Line]) -> Self {
        let mut summary = Self {
            rows: lines.len(),
            ..Self::default()
        };
        for line in lines {
            match line.outcome {
                Outcome::Met => summary.met += 1,
                Outcome::Missed(_) => summary.missed += 1,
                Outcome::Skipped(_) => summary.skipped += 1,
                Outcome::Failed(_) => summary.failed += 1,
            }
        }
        summary
    }

    /// 0: nothing is missed; 1: something is; 2: something could not be measured.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        if self.failed > 0 {
            2
        } else if self.missed > 0 {
            1
        } else {
            0
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: target {}; ", self.row.name(), self.row.target())?;
        if !self.measured.is_empty() {
            write!(f, "measured {}; ", self.measured)?;
        }
        match &self.outcome {
            Outcome::Met => f.write_str("met"),
            Outcome::Missed(None) => f.write_str("missed"),
            Outcome::Missed(Some(reason)) => write!(f, "missed: {reason}"),
            Outcome::Skipped(why) => write!(f, "skipped: {why}"),
            Outcome::Failed(why) => write!(f, "could not be measured: {why}"),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            met,
            missed,
            skipped,
            failed,
        } = self;
        write!(
            f,
            "bench: {rows} rows, {met} met, {missed} missed, {skipped} skipped"
        )?;
        if *failed > 0 {
            write!(f, ", {failed} could not be measured")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(outcomes: &[Outcome]) -> Vec<Line> {
        let line = |outcome: &Outcome| Line {
            row: Row::L2,
            measured: "p99 1 ms".to_owned(),
            outcome: outcome.clone(),
        };
        outcomes.iter().map(line).collect()
    }

    #[test]
    fn the_summary_counts_and_the_worst_row_gives_the_exit_code() {
        let skipped = Outcome::Skipped("no valgrind".to_owned());
        let failed = Outcome::Failed("no port".to_owned());
        for (outcomes, text, code) in [
            (
                vec![Outcome::Met, skipped.clone()],
                "bench: 2 rows, 1 met, 0 missed, 1 skipped",
                0,
            ),
            (
                vec![Outcome::Met, Outcome::Missed(None), skipped],
                "bench: 3 rows, 1 met, 1 missed, 1 skipped",
                1,
            ),
            (
                vec![Outcome::Missed(None), failed, Outcome::Met],
                "bench: 3 rows, 1 met, 1 missed, 0 skipped, 1 could not be measured",
                2,
            ),
        ] {
            let summary = Summary::of(&lines(&outcomes));
            assert_eq!(
                (summary.to_string().as_str(), summary.exit_code()),
                (text, code)
            );
        }
    }

    #[test]
    fn a_row_of_which_a_part_was_not_measured_is_not_met_and_keeps_its_figures() {
        let open = ["no bare Pingora".to_owned()];
        let missed = ["too slow".to_owned()];
        let outcome = Outcome::unless_open(&[], &open);
        assert_eq!(Outcome::unless_open(&[], &[]), Outcome::Met);
        assert_eq!(
            Outcome::unless_open(&missed, &open),
            Outcome::unless(&missed)
        );
        for line in lines(&[outcome]) {
            assert_eq!(
                line.to_string(),
                "l2: target p99 <= 2 ms; measured p99 1 ms; skipped: in part, not measured: no bare Pingora"
            );
        }
    }

    #[test]
    fn a_line_says_what_was_missed_and_why_one_was_left_out() {
        let target = "l2: target p99 <= 2 ms; measured p99 1 ms; ";
        for (outcome, end, figure) in [
            (Outcome::unless(&[]), "met", RowOutcome::Met),
            (Outcome::Missed(None), "missed", RowOutcome::Missed),
            (
                Outcome::unless(&["slow".to_owned(), "old".to_owned()]),
                "missed: slow; old",
                RowOutcome::Missed,
            ),
            (
                Outcome::Failed("no port".to_owned()),
                "could not be measured: no port",
                RowOutcome::Failed,
            ),
        ] {
            for line in lines(&[outcome]) {
                assert_eq!(line.to_string(), format!("{target}{end}"));
                assert_eq!(line.figure().outcome, figure);
            }
        }
        let skipped = Line::skipped(Row::L2, "no valgrind");
        assert_eq!(
            skipped.to_string(),
            "l2: target p99 <= 2 ms; skipped: no valgrind"
        );
    }
}
