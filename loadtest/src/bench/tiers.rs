//! What each tier costs, and what it costs when Redis is away.

use std::time::Duration;

use tokio::time::sleep;

use super::interval::{bounds, interval};
use super::stage::{Stage, wait};
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::Report;
use crate::process::Sidegate;
use crate::redis::Redis;

/// The share of requests that must have been answered by the tier that is measured, in percent.
const MOST_OTHERS: u64 = 1;

/// Every generation was asked for by one instance; then another one, whose memory is empty, is measured.
pub(super) async fn shared(bench: &Bench) -> Result<Line, BenchError> {
    let redis = tokio::task::spawn_blocking(Redis::start).await??;
    let questions = questions(bench);
    let stage = Stage::set(&bench.sidegate, questions).await?;
    let first = stage.instance(&bench.sidegate, Some(redis.url())).await?;
    stage.once_each(&first, RATE).await?;
    let all = u64::try_from(questions).unwrap_or(u64::MAX);
    wait(&first, "sidegate_l2_writes_total{result=\"done\"}", all).await?;
    drop(first);
    let second = stage.instance(&bench.sidegate, Some(redis.url())).await?;
    let report = stage.once_each(&second, RATE).await?;
    latency(Row::L2, &report, &second, "l2", 2_000).await
}

/// No Redis, and nothing in memory.
pub(super) async fn store(bench: &Bench) -> Result<Line, BenchError> {
    let stage = Stage::set(&bench.sidegate, questions(bench)).await?;
    let sidegate = stage.instance(&bench.sidegate, None).await?;
    let report = stage.once_each(&sidegate, RATE).await?;
    latency(Row::L3, &report, &sidegate, "store", 5_000).await
}

/// Pairs of a moment with Redis and one without, in turns.
pub(super) async fn redis_down(bench: &Bench) -> Result<Line, BenchError> {
    let mut redis = tokio::task::spawn_blocking(Redis::start).await??;
    let stage = Stage::set(&bench.sidegate, questions(bench)).await?;
    let sidegate = stage.instance(&bench.sidegate, Some(redis.url())).await?;
    stage.hot(&sidegate, SPAN).await?;
    let mut ratios = Vec::new();
    for round in 0..if bench.full { 81 } else { 31 } {
        let mut with = 0.0;
        if round % 2 == 0 {
            with = stage.hot(&sidegate, SPAN).await?;
        }
        redis.kill()?;
        // A few requests may have waited their time by now; then it costs nothing.
        sleep(SETTLE).await;
        let without = stage.hot(&sidegate, SPAN).await?;
        redis.resume()?;
        wait(&sidegate, "sidegate_l2_connections", 1).await?;
        wait(&sidegate, "sidegate_l2_in_use", 1).await?;
        sleep(SETTLE).await;
        if round % 2 == 1 {
            with = stage.hot(&sidegate, SPAN).await?;
        }
        ratios.push(without / with);
    }
    let between = bounds(ratios.len());
    let (low, median, high) = interval(ratios);
    let mut reasons = Vec::new();
    if low < LEAST {
        reasons.push(format!(
            "without Redis the throughput may be down to {low:.3} x, which is below {LEAST:.2} x"
        ));
    }
    Ok(Line {
        row: Row::RedisDown,
        measured: format!("{median:.3} x ({between}: {low:.3} to {high:.3})"),
        outcome: Outcome::unless(&reasons),
    })
}

async fn latency(
    row: Row,
    report: &Report,
    sidegate: &Sidegate,
    tier: &str,
    most: u64,
) -> Result<Line, BenchError> {
    let all = sidegate.metric("sidegate_answers_total{").await?;
    let own = sidegate
        .metric(&format!("sidegate_answers_total{{tier=\"{tier}\"}}"))
        .await?;
    if own * 100 < all * (100 - MOST_OTHERS) {
        let why = format!("{own} of {all} questions were answered by {tier}");
        return Err(BenchError::Silent(why));
    }
    let latency = report
        .latency
        .as_ref()
        .ok_or_else(|| BenchError::Silent("no answers".to_owned()))?;
    let mut reasons = Vec::new();
    if latency.p99 > most {
        let service = report.service.as_ref().map_or(0, |service| service.p99);
        reasons.push(format!(
            "p99 {} us is above {most} us; from when they were sent it is {service} us, the rest is waiting for a \
             connection of the client's",
            latency.p99
        ));
    }
    let measured = format!(
        "p99 {} us (p50 {} us, p99.9 {} us, {} requests at {RATE}/s, {own} of {all} by {tier})",
        latency.p99, latency.p50, latency.p999, report.completed,
    );
    Ok(Line {
        row,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

const fn questions(bench: &Bench) -> usize {
    if bench.full { 24_000 } else { 6_000 }
}

/// Of the throughput with Redis.
const LEAST: f64 = 0.95;
/// A second: far from what saturates anything.
const RATE: u32 = 500;
const SETTLE: Duration = Duration::from_millis(300);
const SPAN: Duration = Duration::from_millis(500);
