//! What each tier costs, and what it costs when Redis is away.

use std::time::Duration;

use tokio::time::sleep;

use super::interval::interval;
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
    let (low, median, high) = interval(ratios);
    Ok(Line {
        row: Row::RedisDown,
        measured: format!("{median:.3} x (95 % of medians: {low:.3} to {high:.3})"),
        outcome: Outcome::met_if(low >= 0.95),
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
    let measured = format!(
        "p99 {} us (p50 {} us, p99.9 {} us, {} requests at {RATE}/s, {own} of {all} by {tier})",
        latency.p99, latency.p50, latency.p999, report.completed,
    );
    Ok(Line {
        row,
        measured,
        outcome: Outcome::met_if(latency.p99 <= most),
    })
}

const fn questions(bench: &Bench) -> usize {
    if bench.full { 24_000 } else { 6_000 }
}

/// A second: far from what saturates anything.
const RATE: u32 = 500;
const SETTLE: Duration = Duration::from_millis(300);
const SPAN: Duration = Duration::from_millis(500);
