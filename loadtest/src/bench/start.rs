//! From the start of a process until it is ready.
//!
//! Promises: the time counts from just before the process is made until `/readyz` says 200, looked at every
//! millisecond, with the connections that are shipped; at that moment the open connections are counted, and held
//! against those that there are once everything has settled: only then are its pools warm.
//!
//! Does not: count a start on cold files; the binary has just run.

use std::time::Duration;

use tokio::time::sleep;

use super::stage::Stage;
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::process::{Extent, Sidegate};

/// Starts one instance again and again.
pub(super) async fn time(bench: &Bench) -> Result<Line, BenchError> {
    let (rows, starts) = if bench.full {
        (1_000_000, 30)
    } else {
        (10_000, 15)
    };
    let stage = Stage::set(&bench.sidegate, rows).await?;
    let shipped = |setup: &mut crate::process::Setup| setup.extent = Extent::SHIPPED;
    let mut sidegate = stage.started(&bench.sidegate, shipped).await?;
    let (mut times, mut shares, mut least, mut settled) = (Vec::new(), Vec::new(), f64::MAX, 0.0);
    for _ in 0..starts {
        sidegate.kill()?;
        times.push(sidegate.resume().await?);
        let open = connections(&sidegate).await?;
        sleep(SETTLE).await;
        settled = connections(&sidegate).await?;
        least = least.min(open);
        shares.push(open >= settled);
    }
    let cold = shares.iter().filter(|is_warm| !**is_warm).count();
    times.sort();
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(rank).copied().unwrap_or_default()
    };
    let measured = format!(
        "p50 {} ms, p95 {} ms, max {} ms of {starts} starts over {rows} generations; at that moment at least {least} of \
         {settled} connections to the database were open",
        at(50).as_millis(),
        at(95).as_millis(),
        at(100).as_millis(),
    );
    let mut reasons = Vec::new();
    if at(95) >= LIMIT {
        reasons.push(format!("p95 is not below {} ms", LIMIT.as_millis()));
    }
    if cold > 0 {
        reasons.push(format!(
            "it was ready before its pools were warm in {cold} of {starts} starts"
        ));
    }
    Ok(Line {
        row: Row::Start,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

async fn connections(sidegate: &Sidegate) -> Result<f64, BenchError> {
    Ok(sidegate
        .scrape()
        .await?
        .sum("sidegate_pool_connections", &[]))
}

const LIMIT: Duration = Duration::from_millis(500);
/// Until what comes after being ready has come.
const SETTLE: Duration = Duration::from_secs(1);
