//! The numbers of a run, as they are written to JSON.
//!
//! Promises: `arrivals` = `sent` + `unsent`, and `sent` = `completed` + all `errors`. All counts
//! but `reconnects` leave the warm-up out. Field names are a format: they are added, not changed.
//!
//! Does not: compare, or decide whether a run was good.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::tally::{Second, Tally};

/// One run, measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The targets, as given.
    pub urls: Vec<String>,
    /// Of every request.
    pub method: String,
    /// Arrivals a second that were wished.
    pub requested_rate: u32,
    /// Answers a second, over [`Report::duration_s`].
    pub achieved_rate: f64,
    /// From the first measured arrival to the end of the schedule or of the last request,
    /// whichever is later.
    pub duration_s: f64,
    /// The unmeasured time before.
    pub warmup_s: f64,
    /// How many requests could be in flight.
    pub connections: usize,
    /// Connections that were open when the clock started.
    pub connections_at_start: usize,
    /// Connections that were opened again because they had been closed; warm-up included.
    pub reconnects: u64,
    /// Measured arrivals of the schedule.
    pub arrivals: u64,
    /// Arrivals that a connection took up.
    pub sent: u64,
    /// Arrivals that no connection was free for until the run ended.
    pub unsent: u64,
    /// Arrivals with a complete answer of any status.
    pub completed: u64,
    /// Answers by status code.
    pub status: BTreeMap<u16, u64>,
    /// Requests without a complete answer, by class.
    pub errors: Errors,
    /// Answers with another status than the one that was to be.
    #[serde(default)]
    pub unexpected: u64,
    /// Those of them that let in who was to be refused.
    #[serde(default)]
    pub let_in: u64,
    /// Content of the answers.
    pub bytes_received: u64,
    /// How late the generator itself released an arrival at worst: the error of `latency`.
    pub dispatcher_lateness_max_us: u64,
    /// The unit of the next two: always `us`.
    pub unit: String,
    /// From the moment an arrival was due to the end of its answer, waiting for a connection
    /// included. None without answers.
    pub latency: Option<Percentiles>,
    /// From the moment it was sent. Stalls are seen once here, however many arrivals they delay.
    pub service: Option<Percentiles>,
    /// The distribution of `latency`, by rising share.
    #[serde(default)]
    pub cdf: Vec<Quantile>,
    /// The measured time, second by second.
    #[serde(default)]
    pub timeline: Vec<Moment>,
}

/// So large a share of the answers came within so long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// From 0 to 1.
    pub share: f64,
    /// Microseconds, from the moment an arrival was due.
    pub us: u64,
}

/// The arrivals that were due in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Since the start of the measured time.
    pub second: u64,
    /// With a complete answer.
    pub completed: u64,
    /// Sent, and without one.
    pub failed: u64,
    /// With an answer that was to be another.
    pub unexpected: u64,
    /// Latencies in microseconds, to two digits; 0 without answers.
    pub p50: u64,
    /// The same.
    pub p95: u64,
    /// The same.
    pub p99: u64,
    /// The same.
    pub max: u64,
}

/// Failed requests: a closed list of classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// No connection.
    pub connect: u64,
    /// No complete answer within the time-out.
    pub timeout: u64,
    /// The answer was not HTTP/1.1.
    pub protocol: u64,
    /// The connection ended before the answer was complete.
    pub closed: u64,
}

/// Of answers, in microseconds, with 3 significant digits; cut at 60 s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Percentiles {
    pub p50: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
    pub mean: f64,
}

/// What a run knows beside the tally.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    pub(crate) start: Instant,
    pub(crate) connections_at_start: usize,
    pub(crate) reconnects: u64,
    pub(crate) taken: u64,
    pub(crate) lateness: Duration,
}

impl Report {
    pub(crate) fn new(plan: &Plan, tally: &Tally, course: Course) -> Self {
        let schedule = &plan.schedule;
        let measured_start = course.start + schedule.warmup();
        let elapsed = tally
            .last_end
            .map_or(Duration::ZERO, |end| {
                end.saturating_duration_since(measured_start)
            })
            .max(schedule.duration());
        let arrivals = schedule.count().saturating_sub(schedule.warmup_count());
        let sent = course.taken.saturating_sub(schedule.warmup_count());
        let completed = tally.completed();
        Self {
            urls: plan.urls.clone(),
            method: plan.method.to_string(),
            requested_rate: schedule.rate(),
            achieved_rate: rounded(completed as f64 / elapsed.as_secs_f64()),
            duration_s: rounded(elapsed.as_secs_f64()),
            warmup_s: rounded(schedule.warmup().as_secs_f64()),
            connections: plan.connections,
            connections_at_start: course.connections_at_start,
            reconnects: course.reconnects,
            arrivals,
            sent,
            unsent: arrivals.saturating_sub(sent),
            completed,
            status: tally.status.clone(),
            errors: tally.errors,
            unexpected: tally.unexpected,
            let_in: tally.let_in,
            bytes_received: tally.bytes,
            dispatcher_lateness_max_us: u64::try_from(course.lateness.as_micros())
                .unwrap_or(u64::MAX),
            unit: "us".to_owned(),
            latency: Percentiles::of(&tally.latency),
            service: Percentiles::of(&tally.service),
            cdf: distribution(&tally.latency),
            timeline: tally.seconds.iter().zip(0..).map(moment).collect(),
        }
    }

    /// The share of arrivals that were not answered, or not as they were to be: 0 to 1.
    #[must_use]
    pub fn error_share(&self) -> f64 {
        let wrong = self.errors.total() + self.unsent + self.unexpected;
        wrong as f64 / self.arrivals.max(1) as f64
    }
}

/// At each percent, and finer where it matters.
fn distribution(latency: &Histogram<u64>) -> Vec<Quantile> {
    if latency.is_empty() {
        return Vec::new();
    }
    let percents = (0..100).map(|percent| f64::from(percent) / 100.0);
    let tail = [0.995, 0.999, 0.9995, 0.9999, 0.99999, 1.0];
    let at = |share| Quantile {
        share,
        us: latency.value_at_quantile(share),
    };
    percents.chain(tail).map(at).collect()
}

fn moment((second, number): (&Second, u64)) -> Moment {
    let at = |share| second.latency.value_at_quantile(share);
    Moment {
        second: number,
        completed: second.latency.len(),
        failed: second.failed,
        unexpected: second.unexpected,
        p50: at(0.5),
        p95: at(0.95),
        p99: at(0.99),
        max: second.latency.max(),
    }
}

impl Errors {
    /// All classes together.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self {
            connect,
            timeout,
            protocol,
            closed,
        } = self;
        connect + timeout + protocol + closed
    }
}

impl Percentiles {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        (!histogram.is_empty()).then(|| Self {
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p95: histogram.value_at_quantile(0.95),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
            mean: rounded(histogram.mean()),
        })
    }
}

/// To three digits after the point: more would be noise, and these survive JSON unchanged.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The summary for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Errors {
            connect,
            timeout,
            protocol,
            closed,
        } = self.errors;
        writeln!(
            f,
            "rate       {:.1}/s achieved, {}/s requested, over {:.1} s on {} connections",
            self.achieved_rate, self.requested_rate, self.duration_s, self.connections
        )?;
        writeln!(
            f,
            "arrivals   {} = {} completed + {} failed + {} unsent",
            self.arrivals,
            self.completed,
            self.errors.total(),
            self.unsent
        )?;
        write!(f, "status    ")?;
        for (code, count) in &self.status {
            write!(f, " {code}: {count}")?;
        }
        if self.status.is_empty() {
            write!(f, " none")?;
        }
        writeln!(
            f,
            "\nerrors     connect: {connect} timeout: {timeout} protocol: {protocol} closed: {closed} \
             unexpected: {} let in: {}",
            self.unexpected, self.let_in
        )?;
        writeln!(
            f,
            "reconnects {}, {} bytes received",
            self.reconnects, self.bytes_received
        )?;
        for (name, percentiles) in [("latency", &self.latency), ("service", &self.service)] {
            match percentiles {
                Some(percentiles) => writeln!(f, "{name:10} {percentiles}")?,
                None => writeln!(f, "{name:10} no answers")?,
            }
        }
        write!(
            f,
            "dispatcher at most {} us late",
            self.dispatcher_lateness_max_us
        )
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50,
            p90,
            p95,
            p99,
            p999,
            max,
            mean,
        } = self;
        write!(
            f,
            "p50 {p50} p90 {p90} p95 {p95} p99 {p99} p999 {p999} max {max} mean {mean:.0} us"
        )
    }
}
