//! Two documents side by side: what is worse now than it was.
//!
//! Promises: runs and rows are matched by their names, and those that have no match are named. Something
//! is worse when 95 % of a run's answers take longer than before by more than is allowed, when the share of
//! errors or the number of unexpected answers is larger by more than that (any is, where there was none), when more
//! are let in who were to be refused, when a limit was met and is not any more, or when the outcome of a row is worse.
//! That a run or row is missing is no such thing.
//!
//! Does not: know how far figures move by themselves; that is for who sets the allowance.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::document::{Document, Measured, RowFigure, RowOutcome, Verdict};
use crate::figure;
use crate::limit::{self, Figure};

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison<'a> {
    /// The earlier one.
    pub before: &'a Document,
    /// The later one.
    pub after: &'a Document,
    /// How much worse something may be.
    pub allowance: Allowance,
    /// Runs that are in both.
    pub pairs: Vec<Pair<'a>>,
    /// Rows whose outcome is another.
    pub rows: Vec<(&'a RowFigure, &'a RowFigure)>,
    /// Runs and rows that are in one only.
    pub alone: Vec<String>,
    /// What makes figures hard to compare.
    pub warnings: Vec<String>,
    /// What is worse than allowed.
    pub worse: Vec<String>,
}

/// One run, twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair<'a> {
    /// The earlier one.
    pub before: &'a Measured,
    /// The later one.
    pub after: &'a Measured,
    /// Those that at least one of them has.
    pub changes: Vec<Change>,
}

/// A figure, twice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Which.
    pub figure: Figure,
    /// None: that run does not have it.
    pub before: Option<f64>,
    /// The same.
    pub after: Option<f64>,
}

/// How much worse something may be: 0.1 for a tenth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance(f64);

/// Why a text is not an allowance.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?}: expected a share, such as 10%")]
pub struct AllowanceError(String);

/// Two documents that have neither a run nor a row in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the documents have neither a run nor a row in common")]
pub struct NothingInCommon;

const FIGURES: [Figure; 13] = [
    Figure::P50,
    Figure::P90,
    Figure::P95,
    Figure::P99,
    Figure::P999,
    Figure::Max,
    Figure::Mean,
    Figure::Rate,
    Figure::Errors,
    Figure::Unexpected,
    Figure::LetIn,
    Figure::L1Hits,
    Figure::L2Hits,
];

impl<'a> Comparison<'a> {
    /// Of two documents.
    ///
    /// # Errors
    ///
    /// When there is nothing to compare.
    pub fn new(
        before: &'a Document,
        after: &'a Document,
        allowance: Allowance,
    ) -> Result<Self, NothingInCommon> {
        let pairs: Vec<_> = Pair::all(before, after).collect();
        let rows: Vec<_> = rows(before, after).collect();
        if pairs.is_empty() && rows.is_empty() {
            return Err(NothingInCommon);
        }
        let mut worse: Vec<_> = pairs
            .iter()
            .flat_map(|pair| pair.worse(allowance))
            .collect();
        worse.extend(rows.iter().filter_map(|(old, new)| {
            let is_worse = rank(new.outcome) > rank(old.outcome);
            let (was, is) = (outcome(old.outcome), outcome(new.outcome));
            is_worse.then(|| format!("row {}: {was} → {is}", new.name))
        }));
        Ok(Self {
            before,
            after,
            allowance,
            warnings: warnings(before, after, &pairs),
            alone: alone(before, after),
            rows: rows
                .into_iter()
                .filter(|(old, new)| old.outcome != new.outcome)
                .collect(),
            pairs,
            worse,
        })
    }
}

impl<'a> Pair<'a> {
    fn all(before: &'a Document, after: &'a Document) -> impl Iterator<Item = Self> {
        before.runs.iter().filter_map(|old| {
            let new = after.runs.iter().find(|new| new.name == old.name)?;
            let of = |run: &Measured, figure: Figure| figure.of(&run.report, run.tiers.as_ref());
            let changes = FIGURES.into_iter().map(|figure| Change {
                figure,
                before: of(old, figure),
                after: of(new, figure),
            });
            let is_known = |change: &Change| change.before.is_some() || change.after.is_some();
            Some(Self {
                before: old,
                after: new,
                changes: changes.filter(is_known).collect(),
            })
        })
    }

    fn worse(&self, allowance: Allowance) -> impl Iterator<Item = String> {
        let is_worse = move |change: &&Change| match change.figure {
            Figure::P95 | Figure::Errors | Figure::Unexpected => change.is_worse(allowance),
            // Nobody is to be let in, so that there is no allowance.
            Figure::LetIn => change.is_worse(Allowance(0.0)),
            // They are for people, or said by others.
            Figure::P50
            | Figure::P90
            | Figure::P99
            | Figure::P999
            | Figure::Max
            | Figure::Mean
            | Figure::L1Hits
            | Figure::L2Hits
            | Figure::Rate
            | Figure::Unsent => false,
        };
        let name = &self.after.name;
        let worse = self.changes.iter().filter(is_worse);
        let missed = self.missed();
        worse
            .map(move |change| format!("run {name}: {change}"))
            .chain(missed)
    }

    /// Limits that were met and are not.
    fn missed(&self) -> impl Iterator<Item = String> {
        let was_met = |limit: &str| {
            let mut limits = self.before.limits.iter();
            limits.any(|old| old.is_met && old.limit == limit)
        };
        let missed = self.after.limits.iter().filter(|limit| !limit.is_met);
        let missed = missed.filter(move |limit| was_met(&limit.limit));
        missed.map(|limit| {
            let Verdict { limit, found, .. } = limit;
            format!("run {}: {limit} was met, and is {found}", self.after.name)
        })
    }
}

impl Change {
    /// After to before; None where that is no number.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let ratio = self.after? / self.before?;
        ratio.is_finite().then_some(ratio)
    }

    /// For a figure that is to be small. What is not there any more is worse.
    fn is_worse(&self, allowance: Allowance) -> bool {
        match (self.before, self.after) {
            (Some(before), Some(after)) => after > before * (1.0 + allowance.0),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// A side of it, for people.
    #[must_use]
    pub fn shown(&self, side: Option<f64>) -> String {
        side.map_or_else(|| "none".to_owned(), |side| self.figure.unit().shown(side))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (self.shown(self.before), self.shown(self.after));
        write!(f, "{} {before} → {after}", self.figure.name())?;
        match self.ratio() {
            Some(ratio) => write!(f, " ({})", figure::ratio(ratio)),
            None => Ok(()),
        }
    }
}

impl FromStr for Allowance {
    type Err = AllowanceError;

    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        let share = limit::percent(text);
        share
            .map(Self)
            .ok_or_else(|| AllowanceError(text.to_owned()))
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&figure::share(self.0))
    }
}

/// For people, on a terminal.
impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "note: {warning}")?;
        }
        for pair in &self.pairs {
            writeln!(f, "{}", pair.after.name)?;
            for change in &pair.changes {
                writeln!(f, "    {change}")?;
            }
        }
        for (old, new) in &self.rows {
            let (was, is) = (outcome(old.outcome), outcome(new.outcome));
            writeln!(f, "row {}: {was} → {is}: {}", new.name, new.measured)?;
        }
        for alone in &self.alone {
            writeln!(f, "{alone}")?;
        }
        for worse in &self.worse {
            writeln!(f, "worse: {worse}")?;
        }
        let (allowance, worse) = (self.allowance, self.worse.len());
        write!(f, "compare: {worse} worse by more than {allowance}")
    }
}

/// Rows that are in both.
fn rows<'a>(
    before: &'a Document,
    after: &'a Document,
) -> impl Iterator<Item = (&'a RowFigure, &'a RowFigure)> {
    before.rows.iter().filter_map(|old| {
        let new = after.rows.iter().find(|new| new.name == old.name)?;
        Some((old, new))
    })
}

fn alone(before: &Document, after: &Document) -> Vec<String> {
    let names = |document: &Document| -> BTreeSet<String> {
        let runs = document.runs.iter().map(|run| format!("run {}", run.name));
        let rows = document.rows.iter().map(|row| format!("row {}", row.name));
        runs.chain(rows).collect()
    };
    let (old, new) = (names(before), names(after));
    let gone = old
        .difference(&new)
        .map(|name| format!("{name}: only before"));
    let come = new
        .difference(&old)
        .map(|name| format!("{name}: only after"));
    gone.chain(come).collect()
}

fn warnings(before: &Document, after: &Document, pairs: &[Pair<'_>]) -> Vec<String> {
    let mut warnings = Vec::new();
    if before.machine != after.machine {
        warnings.push(
            "the machines differ: absolute times of two machines are not to be compared".to_owned(),
        );
    }
    for Pair { before, after, .. } in pairs {
        let (old, new) = (&before.report, &after.report);
        if old.requested_rate != new.requested_rate {
            let (old, new) = (old.requested_rate, new.requested_rate);
            let name = &after.name;
            warnings.push(format!("run {name}: another rate, {old}/s → {new}/s"));
        }
        if old.connections != new.connections {
            let (old, new) = (old.connections, new.connections);
            let name = &after.name;
            warnings.push(format!("run {name}: other connections, {old} → {new}"));
        }
    }
    warnings
}

/// The higher, the worse.
fn rank(outcome: RowOutcome) -> u8 {
    match outcome {
        RowOutcome::Met => 0,
        RowOutcome::Skipped => 1,
        RowOutcome::Missed => 2,
        RowOutcome::Failed => 3,
    }
}

/// For people.
pub(crate) fn outcome(outcome: RowOutcome) -> &'static str {
    match outcome {
        RowOutcome::Met => "met",
        RowOutcome::Missed => "missed",
        RowOutcome::Skipped => "skipped",
        RowOutcome::Failed => "failed",
    }
}

#[cfg(test)]
mod tests;
