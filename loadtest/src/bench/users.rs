//! Ten thousand users, and the highest rate that still holds.
//!
//! Both are over a seeded database with 10^4 users and 10^6 generations.
//!
//! Does not: slow the application down: what it adds is in docs/before-and-after.md.

use std::time::Duration;

use super::{Bench, BenchError, Found, Line, Outcome, Row};
use crate::document::Measured;
use crate::scenario::{Highest, Scenario, Wish, highest_rate, play};
use crate::seed::Dataset;

/// As many connections, each user with ten seconds between its requests.
pub(super) async fn at_once(bench: &Bench) -> Result<Found, BenchError> {
    let wish = wish(bench, if bench.full { 120 } else { 20 })?;
    let played = play(&wish, |_event| {}).await.map_err(Box::new)?;
    let measured = played
        .first()
        .ok_or_else(|| BenchError::Silent("no scenario was played".to_owned()))?;
    let users = (0..wish.set.users()).filter(|user| wish.set.user(*user).is_active);
    let line = Line {
        row: Row::Users,
        measured: format!(
            "{}; {} active users, each question asked once before",
            said(measured),
            users.count()
        ),
        outcome: Outcome::unless(&reasons(measured)),
    };
    Ok(Found {
        line,
        runs: played,
        tables: Vec::new(),
    })
}

/// Steps of a steady load, each of them higher, until one does not hold.
pub(super) async fn highest(bench: &Bench) -> Result<Found, BenchError> {
    let wish = wish(bench, if bench.full { 20 } else { 5 })?;
    let found = highest_rate(&wish, |_filled| {}, |_step| {})
        .await
        .map_err(Box::new)?;
    let Highest { held, failed } = &found;
    let rate = held
        .as_ref()
        .map_or(0, |step| step.measured.report.requested_rate);
    let mut measured = match held {
        Some(step) => said(&step.measured),
        None => "no rate holds".to_owned(),
    };
    let mut reason = Vec::new();
    if let Some(step) = failed {
        let missed = reasons(&step.measured).join(", ");
        let (failing, saturated) = (step.measured.report.requested_rate, step.saturated());
        measured = format!("{measured}; at {failing}/s no more ({missed}): {saturated}");
        reason.push(saturated);
    }
    if rate >= LEAST {
        reason.clear();
    }
    let line = Line {
        row: Row::HighestRate,
        measured,
        outcome: Outcome::unless(&reason),
    };
    let steps = [found.held, found.failed].into_iter().flatten();
    Ok(Found {
        line,
        runs: steps.map(|step| step.measured).collect(),
        tables: Vec::new(),
    })
}

fn wish(bench: &Bench, seconds: u64) -> Result<Wish, BenchError> {
    let set = Dataset::new(Dataset::LARGEST, SEED);
    let set = set.map_err(|error| BenchError::Silent(error.to_string()))?;
    Ok(Wish {
        sidegate: bench.sidegate.clone(),
        scenarios: vec![Scenario::Users10000],
        set,
        seed: SEED,
        span: Duration::from_secs(seconds),
    })
}

fn said(measured: &Measured) -> String {
    let report = &measured.report;
    let latency = report.latency.map_or_else(
        || "no answers".to_owned(),
        |latency| {
            let [p50, p95, p99] = [latency.p50, latency.p95, latency.p99];
            format!("p50 {p50} us, p95 {p95} us, p99 {p99} us")
        },
    );
    let hits = measured.tiers.map_or(0.0, |tiers| tiers.l1_share() * 100.0);
    let errors = report.error_share() * 100.0;
    let (rate, connections) = (report.achieved_rate, report.connections);
    format!(
        "{latency}, errors {errors:.3} %, L1 hits {hits:.1} %, at {rate:.0}/s over {connections} connections"
    )
}

fn reasons(measured: &Measured) -> Vec<String> {
    let missed = measured.limits.iter().filter(|limit| !limit.is_met);
    missed
        .map(|limit| format!("{} is {}", limit.limit, limit.found))
        .collect()
}

const SEED: u64 = 1;
/// What the owner asked for, a second.
const LEAST: u32 = 500;
