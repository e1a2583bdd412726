//! What it costs a hot request that everything is told about it.
//!
//! The binary runs under callgrind, once with everything told that is told by default (metrics by route and stage,
//! the ring of recent decisions, the access log with one allow in a hundred) and once with nothing, and answers the
//! same requests from memory over one connection. What is compared are the instructions of the thread that
//! serves, per request: counts repeat, whatever else the machine does.

use std::process::Command;

use super::callgrind::Callgrind;
use super::interval::{bounds, interval};
use super::stage::Stage;
use super::{Bench, BenchError, Line, Outcome, Row};

/// Instructions with everything told, to those with nothing.
pub(super) async fn cost(bench: &Bench) -> Result<Line, BenchError> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Line::skipped(
            Row::Telemetry,
            "no valgrind: scripts/setup installs it",
        ));
    }
    let stage = Stage::set(&bench.sidegate, 1).await?;
    let (rounds, requests) = if bench.full { (5, 4000) } else { (3, 1000) };
    let (mut ratios, mut figures) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let told = instructions(&stage, bench, TOLD, requests).await?;
        let silent = instructions(&stage, bench, SILENT, requests).await?;
        figures.push(format!("{told:.0}/{silent:.0}"));
        ratios.push(told / silent);
    }
    let between = bounds(ratios.len());
    let (low, median, high) = interval(ratios);
    let mut reasons = Vec::new();
    if high > LIMIT {
        reasons.push(format!(
            "it is up to {high:.4} x, which is above {LIMIT:.2} x; the instructions of both are in the figures"
        ));
    }
    Ok(Line {
        row: Row::Telemetry,
        measured: format!(
            "{median:.4} x ({between}: {low:.4} to {high:.4}; counts repeat); instructions per request told/silent {}",
            figures.join(" ")
        ),
        outcome: Outcome::unless(&reasons),
    })
}

/// Per request, of the thread that serves.
async fn instructions(
    stage: &Stage,
    bench: &Bench,
    telemetry: &'static str,
    requests: u32,
) -> Result<f64, BenchError> {
    let callgrind = Callgrind::new()?;
    let sidegate = stage
        .measured(&bench.sidegate, &callgrind.command(), telemetry)
        .await?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {}\r\n\r\n",
        stage.path(),
        stage.token()
    );
    callgrind
        .watch(sidegate.id(), sidegate.proxy(), &request, requests)
        .await?;
    let memory = sidegate
        .metric("sidegate_answers_total{tier=\"l1\"}")
        .await?;
    if memory < u64::from(requests) {
        let why = format!("{memory} of {requests} answers were from memory");
        return Err(BenchError::Silent(why));
    }
    drop(sidegate);
    Ok(callgrind.instructions(requests)?)
}

const TOLD: &str = "{}";
const SILENT: &str = "{ request_metrics: false, decisions: 0, access_log: { to: none } }";
/// Three in a hundred.
const LIMIT: f64 = 1.03;
