//! For how long a right that was taken away is still granted: what the history checker finds, under its faults.
//!
//! Promises: every fault that needs no binary of its own; short it is a few thousand revocations, and says so. Does
//! not: play the guards, which show that the checker can fail (`scripts/check-history`).

use super::{Bench, BenchError, Line, Outcome, Row};
use crate::history::{Check, Fault, Scale, Subject, check};

/// The lags of all probed revocations.
pub(super) async fn lag(bench: &Bench) -> Result<Line, BenchError> {
    let scale = if bench.full {
        Scale::Full
    } else {
        Scale::Short
    };
    let mut faults = Fault::ALL.to_vec();
    // It needs a binary that can be given one slot.
    faults.retain(|fault| *fault != Fault::OneSlot);
    let outcome = check(
        Check {
            subject: Subject::Sidegate {
                binary: bench.sidegate.clone(),
                weakened: None,
            },
            faults: faults.clone(),
            guards: Vec::new(),
            scale,
            enough: true,
        },
        |_event| {},
    )
    .await?;
    let (revocations, violations) = (outcome.revocations(), outcome.violations());
    let [median, tail, most] = outcome.lags();
    let reckoned = if revocations < WANTED {
        format!("{revocations} of the {WANTED} revocations wanted")
    } else {
        format!("{revocations} revocations")
    };
    let measured = format!(
        "p50 {} ms, p99 {} ms, at most {} ms over {reckoned} under {} faults; {} reads, {violations} against the rules",
        milliseconds(median),
        milliseconds(tail),
        milliseconds(most),
        faults.len(),
        outcome.reads(),
    );
    let mut reasons = Vec::new();
    if median > MEDIAN {
        reasons.push("the median is above 60 ms".to_owned());
    }
    if most > BOUND || violations > 0 {
        reasons.push(
            "a right was granted later than a second after it was taken away, or wrongly refused"
                .to_owned(),
        );
    }
    if !outcome.is_enough() {
        reasons.push(format!(
            "too little was judged, or not enough of: {}",
            outcome.unseen().join(", ")
        ));
    }
    Ok(Line {
        row: Row::Revocation,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

/// Rounded up.
fn milliseconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(1_000_000)
}

const WANTED: u64 = 100_000;
/// Nanoseconds.
const MEDIAN: u64 = 60_000_000;
const BOUND: u64 = 1_000_000_000;
