//! The highest rate that still holds: steps of a steady load, each of them higher, until one does not.
//!
//! Promises: a step that does not hold is tried twice; it holds if 95 % of its answers come within 75 ms from when they were due, fewer than one in a
//! thousand arrivals fails, and the generator kept its rate; what each process used of the processors during the
//! last step that held, and during the first that did not, is told, and what had nothing left is named.
//!
//! Does not: give anything more room than it has: the generator and the application run beside Sidegate.

use std::io;
use std::time::Duration;

use super::draw::{Draw, Route};
use super::ground::Ground;
use super::{ScenarioError, Wish, load, prepare};
use crate::document::{Measured, Verdict};
use crate::limit::Limit;
use crate::process::Sidegate;
use crate::question::Expected;
use crate::scenario::shape::{ALWAYS, PAIRS, Scenario};
use crate::schedule::Schedule;
use crate::usage::Usage;

/// The highest rate, and what stood in the way of a higher one.
#[derive(Debug, Clone)]
pub struct Highest {
    /// The last step that held, if one did.
    pub held: Option<Step>,
    /// The first that did not.
    pub failed: Option<Step>,
}

/// A load at one rate.
#[derive(Debug, Clone)]
pub struct Step {
    /// As a part of a document.
    pub measured: Measured,
    /// Processors that each had, of all of them.
    pub shares: Vec<(&'static str, f64)>,
    /// Threads that serve in Sidegate, and processors.
    pub processors: usize,
}

impl Step {
    /// Whether everything that was to hold did.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.measured.limits.iter().all(|limit| limit.is_met)
    }

    /// What had nothing left, or that nothing is known to.
    #[must_use]
    pub fn saturated(&self) -> String {
        let used: f64 = self.shares.iter().map(|(_, share)| share).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few processors")]
        let all = self.processors as f64;
        let each: Vec<String> = self
            .shares
            .iter()
            .map(|(name, share)| format!("{name} {share:.2}"))
            .collect();
        let each = each.join(", ");
        if used >= all * FULL {
            format!("all {all} processors ({each})")
        } else {
            format!(
                "{used:.2} of {all} processors were used ({each}), so something else stood in the way"
            )
        }
    }
}

/// Looks for it.
pub(super) async fn highest(
    ground: &Ground,
    wish: &Wish,
    mut stepped: impl FnMut(&Step),
) -> Result<Highest, ScenarioError> {
    let sidegate = ground.instance().await?;
    prepare(
        ground,
        &sidegate,
        &Scenario::Steady.shape(wish.set.generations())?,
        wish.seed,
    )
    .await?;
    let mut found = Highest {
        held: None,
        failed: None,
    };
    let (mut rate, mut floor, mut ceiling) = (FIRST, 0, None);
    loop {
        let mut step = step(ground, &sidegate, wish, rate).await?;
        if !step.is_held() {
            // One slow moment of the machine is not the end.
            step = self::step(ground, &sidegate, wish, rate).await?;
        }
        stepped(&step);
        if step.is_held() {
            floor = rate;
            found.held = Some(step);
        } else {
            ceiling = Some(rate);
            found.failed = Some(step);
        }
        rate = match ceiling {
            None if floor >= LAST => return Ok(found),
            None => floor.saturating_mul(3) / 2,
            Some(ceiling) if ceiling - floor <= (ceiling / CLOSE).max(1) => return Ok(found),
            Some(ceiling) => floor.midpoint(ceiling),
        };
    }
}

async fn step(
    ground: &Ground,
    sidegate: &Sidegate,
    wish: &Wish,
    rate: u32,
) -> Result<Step, ScenarioError> {
    let draw = Draw::Hot {
        pairs: PAIRS,
        route: Route::Strict,
        expected: Expected::Success,
    };
    let schedule = Schedule::new(rate, SETTLE, wish.span)?;
    let plan = load(ground, sidegate, draw, schedule, CONNECTIONS, wish.seed, 0).await?;
    let processes = processes(ground, sidegate)?;
    let before = sidegate.scrape().await?;
    let begun = std::time::Instant::now();
    let report = crate::run::run(plan, |_progress| {}).await?;
    let elapsed = begun.elapsed();
    let mut shares = Vec::with_capacity(processes.len());
    for part in &processes {
        shares.push((part.name, part.share(elapsed)?));
    }
    let reading = super::Reading {
        before,
        after: sidegate.scrape().await?,
    };
    let mut limits: Vec<Verdict> = Vec::new();
    let kept = format!("rate > {}/s", u64::from(rate) * 99 / 100);
    let shape = Scenario::Steady.shape(wish.set.generations())?;
    let always = [shape.p95].into_iter().chain(ALWAYS);
    for text in always.chain([kept.as_str()]) {
        limits.push(text.parse::<Limit>()?.judge(&report, None));
    }
    let measured = Measured {
        name: format!("highest-rate {rate}/s"),
        about: format!("A thousand pairs from memory at {rate} requests a second."),
        flow: reading.flow(&report),
        tiers: Some(reading.tiers()),
        report,
        limits,
        events: Vec::new(),
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Step {
        measured,
        shares,
        processors,
    })
}

/// What shares the processors, and what it has used so far. Sidegate and Redis are children of this process.
fn processes(ground: &Ground, sidegate: &Sidegate) -> Result<Vec<Part>, ScenarioError> {
    let mut parts = vec![
        Part::of("Sidegate", sidegate.id(), Usage::of)?,
        Part::of(
            "generator and application",
            std::process::id(),
            Usage::alone,
        )?,
        Part::of("PostgreSQL", ground.cluster.process()?, Usage::of)?,
    ];
    if let Some(redis) = ground.redis.process() {
        parts.push(Part::of("Redis", redis, Usage::of)?);
    }
    Ok(parts)
}

/// A process, and what it had used at the start.
struct Part {
    name: &'static str,
    process: u32,
    look: fn(u32) -> io::Result<Usage>,
    before: Usage,
}

impl Part {
    fn of(
        name: &'static str,
        process: u32,
        look: fn(u32) -> io::Result<Usage>,
    ) -> io::Result<Self> {
        let before = look(process)?;
        Ok(Self {
            name,
            process,
            look,
            before,
        })
    }

    /// Processors that it has had since.
    #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
    fn share(&self, elapsed: Duration) -> io::Result<f64> {
        let used = (self.look)(self.process)?.since(&self.before) as f64;
        Ok(used / elapsed.as_nanos().max(1) as f64)
    }
}

const FIRST: u32 = 1_000;
/// Beyond it the generator measures itself.
const LAST: u32 = 100_000;
/// Ends when the two rates are so close: one part in so many.
const CLOSE: u32 = 20;
/// Requests in flight.
const CONNECTIONS: usize = 512;
/// Of each step, before it is measured.
const SETTLE: Duration = Duration::from_secs(1);
/// All of them, for as much as a scheduler can hand out.
const FULL: f64 = 0.9;
