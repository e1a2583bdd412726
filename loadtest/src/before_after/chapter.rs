//! The chapters: a load each, and what it must come to.
//!
//! Promises: before a chapter that is about what is remembered, the same load goes on unmeasured for a while, and the
//! chapter asks what is drawn after that, not the same once more; a histogram's p95 is told with the upper bound of its bucket, and judged by that. Sidegate's share of a request
//! is from its whole head to its being handed on, by Sidegate's own clock.
//!
//! Does not: find the highest rate that holds.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Uri};

use super::application::Timed;
use super::audience::{Audience, question};
use super::stage::{Behind, Stage};
use super::{BeforeAfterError, Scale, flow};
use crate::app::Profile;
use crate::document::{Measured, Verdict};
use crate::limit::Limit;
use crate::scenario::reading::Reading;
use crate::{Load, Plan, Reach, Report, Schedule, Target, run};

/// One of them.
pub(super) struct Chapter {
    pub(super) measured: Measured,
    /// Where the application is asked directly: its own steps.
    pub(super) timed: Option<Timed>,
    /// Sidegate's share in milliseconds: the mean, the p95 within its bucket, and that bucket's upper bound.
    pub(super) share: Option<[f64; 3]>,
}

/// How fast and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Of chapters with the slow database.
    slow: Duration,
    /// Of the chapter at 500 a second, before it, and of the cold one, which asks for nothing twice.
    fast: Duration,
    before: Duration,
    cold: Duration,
    /// The users' time, before it and in it, and how many there are.
    users: Duration,
    settling: Duration,
    many: usize,
}

/// A load.
struct Way {
    address: String,
    rate: u32,
    warmup: Duration,
    span: Duration,
    connections: usize,
    draw: fn(&Audience, u64) -> (Uri, HeaderValue),
    /// The number of its first draw.
    first: u64,
}

impl Pace {
    pub(super) const fn of(scale: Scale) -> Self {
        let seconds = Duration::from_secs;
        let (slow, fast, before, cold, users, settling, many) = match scale {
            Scale::Smoke => (4, 4, 3, 4, 6, 3, 500),
            Scale::Usual => (20, 30, 120, 20, 30, 12, 10_000),
            Scale::Full => (60, 120, 300, 60, 180, 30, 10_000),
        };
        Self {
            slow: seconds(slow),
            fast: seconds(fast),
            before: seconds(before),
            cold: seconds(cold),
            users: seconds(users),
            settling: seconds(settling),
            many,
        }
    }

    /// Each user asks once in [`THINKING`].
    fn rate_of_users(&self) -> u32 {
        let users = u32::try_from(self.many).unwrap_or(u32::MAX);
        users / THINKING
    }
}

/// The application that does everything itself.
pub(super) async fn legacy(stage: &Stage, pace: &Pace) -> Result<Chapter, BeforeAfterError> {
    let application = stage.direct().await?;
    let timed = application.timed(&stage.audience, PROBES).await?;
    let way = Way::slow(application.address().to_string(), pace);
    let report = way.go(stage).await?;
    let mut limits = judged(&report, &["errors < 0.1%"])?;
    limits.push(as_today(&report));
    let flow = flow::of_steps(&timed, &report);
    let about = format!(
        "The application alone, {SLOW} requests a second by {} users: six steps in sequence, nothing of Sidegate.",
        stage.audience.len()
    );
    Ok(Chapter {
        measured: measured("legacy", about, report, limits, flow),
        timed: Some(timed),
        share: None,
    })
}

/// The same behind Sidegate, without the three steps that it replaces.
pub(super) async fn trusting(stage: &Stage, pace: &Pace) -> Result<Chapter, BeforeAfterError> {
    let behind = stage.behind(Profile::Trusting).await?;
    let way = Way::slow(behind.sidegate.proxy().to_owned(), pace);
    let about = format!(
        "The application behind Sidegate, {SLOW} requests a second by {} users: 420 ms are its own and stay, and \
         Sidegate's share comes to them.",
        stage.audience.len()
    );
    let told = ("trusting", about);
    way.chapter(stage, &behind, Profile::Trusting, told, &["errors < 0.1%"])
        .await
}

/// Nothing in memory, nothing in Redis, and no generation asked for twice.
pub(super) async fn cold(
    stage: &Stage,
    behind: &Behind,
    pace: &Pace,
) -> Result<Chapter, BeforeAfterError> {
    let resources = u32::try_from(stage.audience.resources()).unwrap_or(u32::MAX);
    let most = Duration::from_secs(u64::from(resources / RATE).max(1));
    let way = Way {
        warmup: Duration::ZERO,
        span: pace.cold.min(most),
        draw: Audience::fresh,
        ..Way::fast(behind, pace)
    };
    let about = format!(
        "Tuned behind a Sidegate that has just begun, Redis empty, {RATE} requests a second: each for another \
         generation, by its owner, of {} users.",
        stage.audience.len()
    );
    let limits = &["errors < 0.1%"];
    way.chapter(stage, behind, Profile::Tuned, ("cold", about), limits)
        .await
}

/// As users come back.
pub(super) async fn hot(
    stage: &Stage,
    behind: &Behind,
    pace: &Pace,
) -> Result<Chapter, BeforeAfterError> {
    let before = Way::before(behind, pace);
    before.go(stage).await?;
    let way = Way::hot(behind, pace)?;
    let about = format!(
        "Tuned behind Sidegate, {RATE} requests a second. {} Draws go on where those have ended: nothing is replayed.",
        told(stage, way.first)
    );
    way.chapter(stage, behind, Profile::Tuned, ("tuned", about), LIMITS)
        .await
}

/// Many users who think.
pub(super) async fn users(
    stage: &Stage,
    behind: &Behind,
    pace: &Pace,
) -> Result<Chapter, BeforeAfterError> {
    let (many, rate) = (pace.many, pace.rate_of_users());
    let way = Way {
        rate,
        warmup: pace.settling,
        span: pace.users,
        connections: many,
        first: Way::hot(behind, pace)?.end()?,
        ..Way::fast(behind, pace)
    };
    let schedule = Schedule::new(rate, pace.settling, pace.users)?;
    let about = format!(
        "Tuned behind Sidegate: {many} connections, {THINKING} s between two requests on each: {rate} requests a \
         second. {} Draws go on where those have ended: nothing is replayed.",
        told(stage, way.first + schedule.warmup_count())
    );
    way.chapter(stage, behind, Profile::Tuned, ("users", about), LIMITS)
        .await
}

impl Way {
    fn slow(address: String, pace: &Pace) -> Self {
        Self {
            address,
            rate: SLOW,
            warmup: SETTLE,
            span: pace.slow,
            connections: CONNECTIONS,
            draw: Audience::pair,
            first: 0,
        }
    }

    fn fast(behind: &Behind, pace: &Pace) -> Self {
        Self {
            rate: RATE,
            span: pace.fast,
            ..Self::slow(behind.sidegate.proxy().to_owned(), pace)
        }
    }

    /// What goes on unmeasured before [`Way::hot`].
    fn before(behind: &Behind, pace: &Pace) -> Self {
        Self {
            span: pace.before,
            ..Self::fast(behind, pace)
        }
    }

    /// The same, further on: other draws of the same users.
    fn hot(behind: &Behind, pace: &Pace) -> Result<Self, BeforeAfterError> {
        Ok(Self {
            first: Self::before(behind, pace).end()?,
            ..Self::fast(behind, pace)
        })
    }

    fn schedule(&self) -> Result<Schedule, BeforeAfterError> {
        Ok(Schedule::new(self.rate, self.warmup, self.span)?)
    }

    /// The number of the draw after its last one.
    fn end(&self) -> Result<u64, BeforeAfterError> {
        Ok(self.first + self.schedule()?.count())
    }

    async fn go(&self, stage: &Stage) -> Result<Report, BeforeAfterError> {
        let url = format!("http://{}/", self.address);
        let plan = Plan::new(Load {
            targets: vec![Target::resolve(&url, Reach::LoopbackOnly).await?],
            method: Method::GET,
            headers: Vec::new(),
            schedule: self.schedule()?,
            connections: self.connections,
            sources: SOURCES,
            timeout: PATIENCE,
        })?;
        let (audience, draw, first) = (Arc::clone(&stage.audience), self.draw, self.first);
        let plan = plan.drawn(move |number| question(draw(&audience, first + number)));
        Ok(run(plan, |_progress| {}).await?)
    }

    async fn chapter(
        &self,
        stage: &Stage,
        behind: &Behind,
        profile: Profile,
        (name, about): (&str, String),
        limits: &[&str],
    ) -> Result<Chapter, BeforeAfterError> {
        let before = behind.sidegate.scrape().await?;
        let report = self.go(stage).await?;
        let after = behind.sidegate.scrape().await?;
        let reading = Reading { before, after };
        let share = flow::share(&reading);
        let mut limits = judged(&report, limits)?;
        limits.push(ours(share));
        let flow = flow::behind(&reading, profile, &report);
        Ok(Chapter {
            measured: Measured {
                tiers: Some(reading.tiers()),
                ..measured(name, about, report, limits, flow)
            },
            timed: None,
            share,
        })
    }
}

fn measured(
    name: &str,
    about: String,
    report: Report,
    limits: Vec<Verdict>,
    flow: Vec<crate::document::Part>,
) -> Measured {
    Measured {
        name: name.to_owned(),
        about,
        report,
        flow,
        tiers: None,
        limits,
        events: Vec::new(),
    }
}

fn judged(report: &Report, limits: &[&str]) -> Result<Vec<Verdict>, BeforeAfterError> {
    let judge = |text: &&str| Ok(text.parse::<Limit>()?.judge(report, None));
    limits.iter().map(judge).collect()
}

/// What was asked before a chapter about what is remembered.
fn told(stage: &Stage, draws: u64) -> String {
    let (users, pairs) = (stage.audience.len(), stage.audience.pairs());
    format!(
        "{draws} requests went before, drawn as these are: one of {users} users of the database, and one of the \
         generations that the user comes back to, {pairs} pairs in all."
    )
}

/// Whether the application takes what the one takes that it stands for; the rest means little otherwise.
fn as_today(report: &Report) -> Verdict {
    let median = report.latency.map(|latency| latency.p50);
    Verdict {
        limit: "as slow as today's application: p50 870 to 1,007 ms".to_owned(),
        found: median.map_or("no answers".to_owned(), |us| {
            format!("{:.0} ms", us as f64 / 1000.0)
        }),
        is_met: median.is_some_and(|us| TODAY.contains(&us)),
    }
}

/// Whether Sidegate's share is what was promised.
fn ours(share: Option<[f64; 3]>) -> Verdict {
    Verdict {
        limit: "Sidegate's own share, p95 < 40 ms".to_owned(),
        found: share.map_or("no requests".to_owned(), |[_, p95, bound]| {
            format!("about {p95:.3} ms, at most {bound} ms")
        }),
        is_met: share.is_some_and(|[_, _, bound]| bound < 40.0),
    }
}

/// Microseconds: what the application takes that this one stands for.
const TODAY: std::ops::RangeInclusive<u64> = 870_000..=1_007_000;
const LIMITS: &[&str] = &["p95 < 75ms", "errors < 0.1%"];
/// Requests a second that the legacy application bears, and that it is to bear.
const SLOW: u32 = 20;
const RATE: u32 = 500;
/// Seconds.
const THINKING: u32 = 10;
/// Requests in flight: 20 of the legacy application's, 25 of the tuned one's, and some for what stalls.
const CONNECTIONS: usize = 128;
const SOURCES: u8 = 4;
const PROBES: u32 = 5;
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);
