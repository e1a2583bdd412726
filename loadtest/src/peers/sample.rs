//! One peer's turn in one round.

use std::time::Duration;

use http::Method;
use serde::Serialize;
use tokio::time::sleep;

use super::PeersError;
use super::client::{CONNECTIONS, SETTLE, saturate, usage};
use super::peer::Peer;
use super::stage::{BODY, Stage, Started};
use crate::{Header, Load, Plan, Reach, Report, Schedule, Target, run};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Of whom.
    pub peer: Peer,
    /// In which round.
    pub round: usize,
    /// Processor time of its processes for one request, as many requests as it can take; in microseconds.
    pub cpu_us: f64,
    /// Requests a second meanwhile.
    pub rate: f64,
    /// How much of its core it used meanwhile: below one, something else was the limit.
    pub busy: f64,
    /// Processor time of the trivial server for one request, where it is asked.
    pub authorizer_us: f64,
    /// As `cpu_us`, at the constant rate.
    pub paced_cpu_us: f64,
    /// Requests of the constant rate that were not sent, or not answered in time.
    pub unanswered: u64,
    /// At the constant rate, in microseconds from when a request was due.
    pub p50_us: u64,
    /// The same.
    pub p95_us: u64,
    /// The same.
    pub p99_us: u64,
}

/// First as much as it can, then the constant rate.
pub(super) async fn measure(
    stage: &Stage,
    started: &Started,
    round: usize,
) -> Result<Sample, PeersError> {
    let processes = [started.id(), stage.authorizer_id(started)];
    let ask = stage.ask(started, Some(&stage.token));
    let done = tokio::task::spawn_blocking(move || saturate(&ask, BODY.len(), processes)).await??;
    let before = usage(processes)?;
    let report = paced(stage, started).await?;
    sleep(SETTLE).await;
    let [after, _authorizer] = usage(processes)?;
    let [before, _authorizer] = before;
    let latency = report.latency.ok_or_else(|| nothing(started.peer))?;
    let [used, authorizer] = done.used;
    let authorizer = if started.peer.asks() { authorizer } else { 0 };
    Ok(Sample {
        peer: started.peer,
        round,
        cpu_us: per(used, done.answers),
        rate: number(done.answers) / done.span.as_secs_f64(),
        busy: number(used) / 1e9 / done.span.as_secs_f64(),
        authorizer_us: per(authorizer, done.answers),
        paced_cpu_us: per(after.since(&before), answered(&report)),
        unanswered: report.arrivals.saturating_sub(report.completed),
        p50_us: latency.p50,
        p95_us: latency.p95,
        p99_us: latency.p99,
    })
}

async fn paced(stage: &Stage, started: &Started) -> Result<Report, PeersError> {
    let url = format!("http://{}{}", started.address(), stage.path);
    let mut headers = Vec::new();
    for line in stage.header_lines(Some(&stage.token)) {
        headers.push(line.parse::<Header>()?);
    }
    let plan = Plan::new(Load {
        targets: vec![Target::resolve(&url, Reach::LoopbackOnly).await?],
        method: Method::GET,
        headers,
        schedule: Schedule::new(RATE, WARM_UP, SPAN)?,
        connections: CONNECTIONS,
        sources: 0,
        timeout: Duration::from_secs(5),
    })?;
    let report = run(plan, |_progress| {}).await?;
    let good = report.status.get(&200).copied().unwrap_or_default();
    let length = u64::try_from(BODY.len()).unwrap_or(u64::MAX);
    // A request without an answer is told in the sample; an answer that is another one is an error.
    if good == report.completed && report.bytes_received == good * length {
        return Ok(report);
    }
    let (all, bytes, errors) = (report.completed, report.bytes_received, report.errors);
    Err(PeersError::Answer {
        peer: started.peer.name(),
        what: format!("{good} of {all} answers are good, {bytes} bytes: {errors:?}"),
    })
}

/// Those of the warm-up, too: the processes have worked for them.
fn answered(report: &Report) -> u64 {
    let warm = WARM_UP.as_millis() * u128::from(RATE) / 1000;
    report.completed + u64::try_from(warm).unwrap_or_default()
}

fn nothing(peer: Peer) -> PeersError {
    PeersError::Answer {
        peer: peer.name(),
        what: "no answers at a constant rate".to_owned(),
    }
}

/// In microseconds.
fn per(nanoseconds: u64, requests: u64) -> f64 {
    number(nanoseconds) / 1e3 / number(requests.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "of a second's work")]
fn number(count: u64) -> f64 {
    count as f64
}

/// A second, for everybody: half of what the slowest of them can take.
pub(super) const RATE: u32 = 1500;
const WARM_UP: Duration = Duration::from_millis(200);
const SPAN: Duration = Duration::from_secs(1);
