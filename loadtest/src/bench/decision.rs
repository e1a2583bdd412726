//! What a decision out of memory takes, as the benchmark `decision` of the proxy has measured it.
//!
//! Promises: it is judged by the upper end of the median's interval, and by the number of allocations of one decision;
//! of what is around it (from a request's head to leave to forward it) the figures are told and not judged.
//!
//! Does not: run the benchmark; `scripts/bench` does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::{Bench, BenchError, Line, Outcome, Row};

/// Why estimates cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EstimatesError {
    /// The file.
    #[error("{path}: expected estimates of the benchmark `decision`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else is in it.
    #[error("{path}: expected {expected}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What there should be.
        expected: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

/// Reads what the benchmark has left.
pub(super) fn figures(bench: &Bench) -> Result<Line, BenchError> {
    let Some(folder) = &bench.criterion else {
        let why = "the benchmark `decision` has not run: scripts/bench runs it";
        return Ok(Line::skipped(Row::Decision, why));
    };
    let found = Found::read(&folder.join("decision"))?;
    let [low, median, high] = found.decision;
    let [_, whole, most] = found.whole;
    let Allocations {
        decision,
        whole: around,
    } = found.allocations;
    let measured = format!(
        "{median:.0} ns (95 % of medians: {low:.0} to {high:.0}), {decision} allocations; from a request's head to \
         leave to forward it {whole:.0} ns (at most {most:.0}), {around} allocations"
    );
    let mut reasons = Vec::new();
    if high > LIMIT {
        reasons.push(format!("it takes more than {LIMIT:.0} ns"));
    }
    if decision > 0 {
        reasons.push(format!("it allocates {decision} times"));
    }
    Ok(Line {
        row: Row::Decision,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

#[derive(Debug)]
struct Found {
    /// Nanoseconds: the lower end of the median's interval, the median, the upper end.
    decision: [f64; 3],
    whole: [f64; 3],
    allocations: Allocations,
}

/// Of one call of each.
#[derive(Debug, Deserialize)]
struct Allocations {
    decision: u64,
    whole: u64,
}

/// What criterion writes, as far as it is read.
#[derive(Debug, Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Debug, Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Debug, Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

impl Found {
    fn read(folder: &Path) -> Result<Self, EstimatesError> {
        let median = |name: &str| {
            let path = folder.join(name).join("new/estimates.json");
            let Estimates { median } = json(&path, "estimates as criterion writes them")?;
            let interval = median.confidence_interval;
            Ok([
                interval.lower_bound,
                median.point_estimate,
                interval.upper_bound,
            ])
        };
        Ok(Self {
            decision: median("l1_hit")?,
            whole: median("whole")?,
            allocations: json(
                &folder.join("allocations.json"),
                "the allocations of `decision` and `whole`",
            )?,
        })
    }
}

fn json<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<T, EstimatesError> {
    let text = fs::read(path).map_err(|source| EstimatesError::File {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| EstimatesError::Content {
        path: path.to_owned(),
        expected,
        source,
    })
}

/// Nanoseconds.
const LIMIT: f64 = 2_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(criterion: Option<PathBuf>) -> Bench {
        Bench {
            sidegate: PathBuf::new(),
            rows: vec![Row::Decision],
            full: false,
            criterion,
            scripts: None,
            bare: None,
            envoy: None,
        }
    }

    /// As criterion 0.8 writes it.
    fn estimates(folder: &Path, name: &str, [low, median, high]: [f64; 3]) {
        let folder = folder.join("decision").join(name).join("new");
        fs::create_dir_all(&folder).unwrap();
        let text = format!(
            r#"{{"mean":{{"confidence_interval":{{"confidence_level":0.95,"lower_bound":1.0,"upper_bound":9e9}},
            "point_estimate":5.0,"standard_error":1.0}},
            "median":{{"confidence_interval":{{"confidence_level":0.95,"lower_bound":{low},"upper_bound":{high}}},
            "point_estimate":{median},"standard_error":1.0}},"slope":null}}"#
        );
        fs::write(folder.join("estimates.json"), text).unwrap();
    }

    fn judged(high: f64, allocations: &str) -> Result<Line, BenchError> {
        let folder = tempfile::tempdir().unwrap();
        estimates(folder.path(), "l1_hit", [300.0, 310.0, high]);
        estimates(folder.path(), "whole", [3000.0, 3100.0, 3200.0]);
        let path = folder.path().join("decision/allocations.json");
        fs::write(path, allocations).unwrap();
        figures(&bench(Some(folder.path().to_owned())))
    }

    #[test]
    fn the_upper_end_and_the_allocations_are_judged_and_the_rest_is_told() {
        let good = judged(2000.0, r#"{"decision":0,"whole":14}"#).unwrap();
        assert_eq!(good.outcome, Outcome::Met);
        assert!(good.measured.contains("310 ns"), "{}", good.measured);
        assert!(
            good.measured.contains("14 allocations"),
            "{}",
            good.measured
        );
        for (high, allocations) in [(2000.1, 0), (320.0, 1)] {
            let text = format!(r#"{{"decision":{allocations},"whole":14}}"#);
            let bad = judged(high, &text).unwrap();
            assert!(matches!(bad.outcome, Outcome::Missed(Some(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_not_there_or_something_else_is_said_with_its_place() {
        let said = judged(1.0, "{}").unwrap_err().to_string();
        assert!(said.contains("allocations.json: expected"), "{said}");
        let folder = tempfile::tempdir().unwrap();
        let missing = figures(&bench(Some(folder.path().to_owned())));
        let said = missing.unwrap_err().to_string();
        assert!(
            said.contains("l1_hit/new/estimates.json: expected"),
            "{said}"
        );
        let line = figures(&bench(None)).unwrap();
        assert!(matches!(line.outcome, Outcome::Skipped(_)));
    }
}
