//! One of two instances over a shared Redis is told to end while it is asked, and is started again where it was.
//!
//! Promises: both are asked at a constant rate when it is told to end; what was refused because nobody listens any
//! more is no loss, since whoever balances asks the other one; an answer that does not come, or is none of the
//! application's, is. Then the first questions after the start, none of them asked of that process before, are
//! counted by where they were answered from.
//!
//! Does not: balance; the other instance is only shown to be undisturbed.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::stage::{Stage, wait};
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::Report;
use crate::redis::Redis;

/// Again and again.
pub(super) async fn warm(bench: &Bench) -> Result<Line, BenchError> {
    let redis = tokio::task::spawn_blocking(Redis::start).await??;
    let stage = Stage::set(&bench.sidegate, QUESTIONS).await?;
    let over = |setup: &mut crate::process::Setup| {
        setup.redis = Some(redis.url());
        setup.extent.grace = GRACE;
    };
    let mut first = stage.started(&bench.sidegate, over).await?;
    let second = stage.started(&bench.sidegate, over).await?;
    stage.once_each(&first, RATE).await?;
    let all = u64::try_from(QUESTIONS).unwrap_or(u64::MAX);
    wait(&first, "sidegate_l2_writes_total{result=\"done\"}", all).await?;
    stage.once_each(&second, RATE).await?;

    let mut found = Found::default();
    for _ in 0..if bench.full { 10 } else { 3 } {
        let address = first.proxy().to_owned();
        let told = async {
            sleep(BEFORE).await;
            first.end().await
        };
        let (report, beside, ended) = tokio::join!(
            stage.load(&address, RATE, SPAN),
            stage.paced(&second, RATE, SPAN),
            told
        );
        beside?;
        found.count(&report?);
        found.ended = found.ended.max(ended?);
        found.ready = found.ready.max(first.resume().await?);
        let report = stage.load(&address, RATE, SPAN).await?;
        found.after += report.errors.total() + not_good(&report);
        let scrape = first.scrape().await?;
        let of = |labels: &[&str]| scrape.sum("sidegate_answers_total", labels);
        let warm = of(&["tier=\"l1\""]) + of(&["tier=\"l2\""]);
        found.warm.push(warm / of(&[]));
        let queries = scrape.sum(
            "sidegate_database_queries_total",
            &["pool=\"authorization\""],
        );
        found.queries = found.queries.max(queries);
        for result in ["absent", "away", "expired", "skipped", "touched"] {
            let label = format!("result=\"{result}\"");
            let count = scrape.sum("sidegate_cache_lookups_total", &["tier=\"l2\"", &label]);
            if count > 0.0 {
                *found.unfound.entry(result).or_default() += count;
            }
        }
    }
    Ok(found.judged())
}

/// The worst of all rounds.
#[derive(Debug, Default)]
struct Found {
    /// Requests that were under way when it was told to end, and came to nothing: their connection was closed.
    closed: u64,
    /// They had no answer in time, another one, or none that could be read.
    unanswered: u64,
    /// Refused connections.
    refused: u64,
    /// Answered well.
    good: u64,
    /// Requests after it was ready that were not answered well.
    after: u64,
    ended: Duration,
    ready: Duration,
    warm: Vec<f64>,
    queries: f64,
    /// Look-ups in Redis that found nothing that counts, by how they ended; of all rounds.
    unfound: BTreeMap<&'static str, f64>,
}

impl Found {
    fn count(&mut self, report: &Report) {
        let errors = &report.errors;
        self.refused += errors.connect;
        self.closed += errors.closed;
        self.unanswered += errors.timeout + errors.protocol + not_good(report);
        self.good += report.status.get(&200).copied().unwrap_or_default();
    }

    fn judged(&self) -> Line {
        let worst = self.warm.iter().copied().fold(f64::MAX, f64::min) * 100.0;
        let (rounds, asked) = (
            self.warm.len(),
            RATE * u32::try_from(SPAN.as_secs()).unwrap_or_default(),
        );
        let measured = format!(
            "of {rounds} restarts, at {RATE}/s for each of two instances: ready within {} ms, at least {worst:.1} % of the first {asked} \
             answers from memory or Redis, at most {} queries for them; {} lost and {} answered when told to end ({} more were refused \
             a connection, which a client asks the other instance with), ended after {} ms, {} failed after it was ready",
            self.ready.as_millis(),
            self.queries,
            self.closed + self.unanswered,
            self.good,
            self.refused,
            self.ended.as_millis(),
            self.after,
        );
        let mut reasons = Vec::new();
        if self.ready >= READY {
            reasons.push(format!("it was not ready within {} ms", READY.as_millis()));
        }
        if worst <= WARM {
            reasons.push(format!(
                "fewer than {WARM} % of the first answers were from memory or Redis; in Redis these found nothing that \
                 counts: {:?}",
                self.unfound
            ));
        }
        if self.closed > 0 {
            reasons.push(format!(
                "{} requests had been sent over connections that were closed before an answer came",
                self.closed
            ));
        }
        if self.unanswered > 0 {
            reasons.push(format!(
                "{} requests had no answer in time, or not the application's",
                self.unanswered
            ));
        }
        if self.after > 0 {
            reasons.push(format!("{} requests failed after it was ready", self.after));
        }
        Line {
            row: Row::Restart,
            measured,
            outcome: Outcome::unless(&reasons),
        }
    }
}

/// Answers that are not what the application says.
fn not_good(report: &Report) -> u64 {
    let others = report.status.iter().filter(|(status, _)| **status != 200);
    others.map(|(_, count)| count).sum()
}

const RATE: u32 = 500;
/// More than are asked after a start.
const QUESTIONS: usize = 2_000;
/// A second of it is not measured.
const SPAN: Duration = Duration::from_secs(4);
/// Until it is told to end.
const BEFORE: Duration = Duration::from_millis(2_500);
/// Seconds for requests in flight.
const GRACE: u32 = 5;
const READY: Duration = Duration::from_millis(500);
/// Percent.
const WARM: f64 = 85.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_late_or_cold_is_a_reason_and_a_refused_connection_is_none() {
        let good = || Found {
            refused: 700,
            good: 800,
            ready: Duration::from_millis(499),
            warm: vec![1.0, 0.86],
            ..Found::default()
        };
        assert_eq!(good().judged().outcome, Outcome::Met);
        let each: [fn(&mut Found); 5] = [
            |found| found.closed = 1,
            |found| found.unanswered = 1,
            |found| found.after = 1,
            |found| found.ready = READY,
            |found| found.warm.push(0.85),
        ];
        for spoil in each {
            let mut bad = good();
            spoil(&mut bad);
            assert!(
                matches!(bad.judged().outcome, Outcome::Missed(Some(_))),
                "{bad:?}"
            );
        }
    }
}
