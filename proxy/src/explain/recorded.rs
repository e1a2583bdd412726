//! A decision that was made, explained later.
//!
//! Promise: it is explained by the policy and the rows that it was made with. Against what is known now it is only
//! asked whether those rows have changed.

use serde::Serialize;

use super::provenance::{self, Seen};
use super::time::{instant, milliseconds};
use super::{Explanation, Walk, other_answer, steps};
use crate::decisions::Record;
use crate::generation::Generation;

/// Which request it was, and how it went.
#[derive(Debug, Serialize)]
pub struct Recorded {
    /// The decision's id, as in the answer and in the log.
    pub id: String,
    /// When it was decided.
    pub at: String,
    /// The method, where a rule applied.
    pub method: Option<String>,
    /// The status that the client has seen, from Sidegate or from the application.
    pub answered: Option<u16>,
    /// What it was allowed without: `stale`, `introspection`.
    pub degraded: Option<&'static str>,
    /// The configuration that it was decided by.
    pub generation: u64,
    /// The one that counts now.
    pub current_generation: u64,
    /// The stages that it has been through, in order. One that was refused has ended in the last but the answer.
    pub stages: Vec<StageReport>,
}

/// A stage and how long it took.
#[derive(Debug, Serialize)]
pub struct StageReport {
    /// Its name, as in metrics.
    pub stage: &'static str,
    /// In milliseconds.
    pub ms: f64,
}

/// Explains a decision that was kept.
#[must_use]
pub fn recorded(record: &Record, current: &Generation) -> Explanation {
    let case = &record.case;
    let outcome = case.code.outcome();
    // What is known of changes numbers its polls for itself.
    let feed = if record.generation < current.facts_since {
        Err("a reload has replaced the store, the policy or what is kept since".to_owned())
    } else {
        provenance::followed(&current.facts)
    };
    let seen = Seen {
        decided: record.decided(),
        decided_at: record.decided_at(),
        feed,
    };
    let detail = record.detail.clone().unwrap_or_else(|| match outcome {
        "allow" => "forwarded to the application".to_owned(),
        _ => case.code.name().replace('_', " "),
    });
    Explanation {
        decision: Some(of(record, current, &seen)),
        outcome,
        status: record.status.filter(|_| outcome != "allow"),
        reason: case.code.name(),
        detail,
        steps: steps::of(case, &Walk::default()),
        provenance: provenance::of(case, &seen),
        other_answer: other_answer::of(case, seen.decided_at),
    }
}

fn of(record: &Record, current: &Generation, seen: &Seen<'_>) -> Recorded {
    let stages = record.timeline.spans().map(|span| StageReport {
        stage: span.stage.name(),
        ms: milliseconds(span.to.since(span.from)),
    });
    Recorded {
        id: record.id.to_string(),
        at: instant(seen.decided_at),
        method: record.method.as_ref().map(ToString::to_string),
        answered: record.status,
        degraded: record.degraded,
        generation: record.generation,
        current_generation: current.number,
        stages: stages.collect(),
    }
}
