//! An examination, to be read by a person or a script.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::finding::{Examination, Severity};

/// One line per check that is well, each finding with its mend, and a last line.
#[must_use]
pub fn text(examination: &Examination) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (check, seen) in &examination.passed {
        let seen = if seen.is_empty() {
            String::new()
        } else {
            format!(" ({seen})")
        };
        let _ = writeln!(text, "ok: {}: {}{seen}", check.name(), check.promise());
    }
    for finding in &examination.findings {
        let _ = writeln!(text, "{finding}");
    }
    let count = |severity: Severity| {
        let findings = examination.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (broken, uncached) = (count(Severity::Broken), count(Severity::Uncached));
    let warnings = count(Severity::Warning);
    let verdict = match examination.worst() {
        None => "the database is well",
        Some(Severity::Warning) => "the database is usable",
        Some(Severity::Uncached) => "nothing may be cached",
        Some(Severity::Broken) => "questions cannot be answered, or not rightly",
    };
    let _ = write!(
        text,
        "{verdict}: {broken} broken, {uncached} uncached, {warnings} warnings"
    );
    text
}

/// The same for a script.
#[must_use]
pub fn json(examination: &Examination) -> Value {
    let passed: Vec<_> = examination
        .passed
        .iter()
        .map(|(check, seen)| json!({ "check": check, "seen": seen }))
        .collect();
    let worst = examination.worst().unwrap_or(Severity::Warning);
    json!({
        "ok": worst < Severity::Uncached,
        "findings": examination.findings,
        "passed": passed,
    })
}
