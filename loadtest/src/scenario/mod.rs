//! Ways of using Sidegate, played against the real binary over PostgreSQL and Redis.
//!
//! # Layout
//!
//! A [`Scenario`] says what is done (`shape`); [`play`] sets the ground once, starts an instance for each,
//! carries the load out while something happens, and hands back what was measured as part of a document.
//!
//! Promises: the same seed asks the same; each scenario begins with an instance that knows nothing and an empty
//! Redis; what had to hold is judged, and whom a load lets in that was to be refused is counted.
//!
//! Does not: say whether each answer of a storm was right: the history checker does.

mod attack;
mod cast;
mod draw;
mod ground;
mod highest;
mod meanwhile;
pub(crate) mod reading;
mod shape;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::app::DatabaseError;
use crate::bench::BenchError;
use crate::document::Measured;
use crate::limit::{Limit, LimitError};
use crate::postgres::ClusterError;
use crate::process::{ProcessError, Sidegate};
use crate::redis::RedisServerError;
use crate::run::{Progress, RunError, run};
use crate::seed::{Dataset, Filled, SeedError};
use crate::{Load, Plan, PlanError, Reach, Report, Schedule, ScheduleError, Target, TargetError};

use draw::OWN;
use meanwhile::{Course, Events};
use reading::Reading;
use shape::{Before, Shape};

pub(crate) use cast::Pair;
pub(crate) use draw::{Draw, Drawing};
pub(crate) use ground::{Further, Ground};
pub use highest::{Highest, Step};
pub use shape::{NoSuchScenario, Scenario};

/// What is to be played.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The binary.
    pub sidegate: PathBuf,
    /// In this order.
    pub scenarios: Vec<Scenario>,
    /// The database.
    pub set: Dataset,
    /// Of what is asked.
    pub seed: u64,
    /// How long each one is measured.
    pub span: Duration,
}

/// What happens while scenarios are played.
#[derive(Debug)]
pub enum Event<'a> {
    /// The database is being filled.
    Filling(Filled),
    /// One begins, and will take so long.
    Begun {
        /// Which.
        scenario: Scenario,
        /// The measured time.
        span: Duration,
    },
    /// How far its load is.
    Load(Progress),
    /// One has ended.
    Ended(&'a Measured),
}

/// Why nothing was measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The database server.
    #[error("the database server")]
    Cluster(#[from] ClusterError),
    /// The connections of the one who seeds.
    #[error(transparent)]
    Pool(#[from] DatabaseError),
    /// The seeding.
    #[error("the database is not filled")]
    Seed(#[from] SeedError),
    /// A statement of ours.
    #[error("the database")]
    Database(#[from] tokio_postgres::Error),
    /// The Redis server.
    #[error("the Redis server")]
    Redis(#[from] RedisServerError),
    /// Sidegate does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Sidegate does not become what it should be.
    #[error(transparent)]
    Instance(#[from] BenchError),
    /// The load.
    #[error("the load")]
    Run(#[from] RunError),
    /// No plan.
    #[error("the load")]
    Plan(#[from] PlanError),
    /// No schedule.
    #[error("the load")]
    Schedule(#[from] ScheduleError),
    /// No address.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// No key for tokens.
    #[error("no key for tokens can be made")]
    Key,
    /// No token.
    #[error("a token cannot be made")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// No header.
    #[error("a token is no header")]
    Header(#[from] http::header::InvalidHeaderValue),
    /// No popularity.
    #[error("the popularity has no such exponent")]
    Exponent,
    /// A file, a port or a process.
    #[error("the surroundings")]
    Io(#[from] io::Error),
    /// A task of ours.
    #[error("a task failed")]
    Task(#[from] JoinError),
}

/// Plays the scenarios, one after the other.
///
/// # Errors
///
/// When one cannot be played; what Sidegate does is never one of the reasons once it is ready.
pub async fn play(
    wish: &Wish,
    mut show: impl FnMut(Event<'_>),
) -> Result<Vec<Measured>, ScenarioError> {
    let ground = Ground::set(&wish.sidegate, wish.set, |filled| {
        show(Event::Filling(filled))
    })
    .await?;
    let ground = Arc::new(ground);
    let mut all = Vec::with_capacity(wish.scenarios.len());
    for scenario in &wish.scenarios {
        show(Event::Begun {
            scenario: *scenario,
            span: wish.span,
        });
        let measured = one(&ground, *scenario, wish, |progress| {
            show(Event::Load(progress))
        })
        .await?;
        show(Event::Ended(&measured));
        all.push(measured);
    }
    Ok(all)
}

/// Looks for the highest rate that holds.
///
/// # Errors
///
/// When it cannot be looked for.
pub async fn highest_rate(
    wish: &Wish,
    mut filled: impl FnMut(Filled),
    stepped: impl FnMut(&Step),
) -> Result<Highest, ScenarioError> {
    let ground = Ground::set(&wish.sidegate, wish.set, &mut filled).await?;
    highest::highest(&ground, wish, stepped).await
}

async fn one(
    ground: &Arc<Ground>,
    scenario: Scenario,
    wish: &Wish,
    progress: impl FnMut(Progress),
) -> Result<Measured, ScenarioError> {
    let shape = scenario.shape(wish.set.generations())?;
    let sidegate = ground.instance().await?;
    let first = prepare(ground, &sidegate, &shape, wish.seed).await?;
    let before = sidegate.scrape().await?;
    let (report, events) = measure(ground, &sidegate, &shape, wish, first, progress).await?;
    let reading = Reading {
        before,
        after: sidegate.scrape().await?,
    };
    let tiers = reading.tiers();
    let mut limits = Vec::new();
    for text in shape.limits() {
        limits.push(text.parse::<Limit>()?.judge(&report, Some(&tiers)));
    }
    Ok(Measured {
        name: scenario.name().to_owned(),
        about: scenario.about().to_owned(),
        flow: reading.flow(&report),
        tiers: Some(tiers),
        report,
        limits,
        events,
    })
}

/// What is done before the measured time; returns the number of its first arrival.
async fn prepare(
    ground: &Ground,
    sidegate: &Sidegate,
    shape: &Shape,
    seed: u64,
) -> Result<u64, ScenarioError> {
    let (draw, rate, span) = match shape.before {
        Before::Nothing => return Ok(0),
        Before::Same(span) => (shape.draw.clone(), shape.rate, span),
        Before::Pairs(pairs) => (Draw::Each, ONCE_RATE, once(pairs)),
        Before::Users(users) => (Draw::EachOfUsers, ONCE_RATE, once(users * OWN)),
    };
    let schedule = Schedule::new(rate, Duration::ZERO, span)?.in_bursts(shape.burst);
    let plan = load(
        ground,
        sidegate,
        draw,
        schedule,
        shape.connections.min(PREPARING),
        seed,
        0,
    )
    .await?;
    run(plan, |_progress| {}).await?;
    Ok(schedule.count())
}

async fn measure(
    ground: &Arc<Ground>,
    sidegate: &Sidegate,
    shape: &Shape,
    wish: &Wish,
    first: u64,
    mut progress: impl FnMut(Progress),
) -> Result<(Report, Events), ScenarioError> {
    let schedule = Schedule::new(shape.rate, Duration::ZERO, wish.span)?.in_bursts(shape.burst);
    let plan = load(
        ground,
        sidegate,
        shape.draw.clone(),
        schedule,
        shape.connections,
        wish.seed,
        first,
    )
    .await?;
    let (begun, mut begins) = watch::channel(None);
    let load = run(plan, move |now| {
        begun.send_if_modified(|begin| {
            let is_first = begin.is_none();
            begin.get_or_insert(Instant::now() - now.elapsed);
            is_first
        });
        progress(now);
    });
    let happening = async {
        // The clock starts when the connections are open; without one, the load says why.
        let begin = begins
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|begin| *begin);
        let Some(begin) = begin else {
            return Ok(Events::new());
        };
        let course = Course {
            ground: Arc::clone(ground),
            begin,
            span: wish.span,
            seed: wish.seed,
        };
        shape.meanwhile.happen(&course).await
    };
    let (report, events) = tokio::join!(load, happening);
    Ok((report?, events?))
}

/// A load of these draws, the first of which has this number.
pub(crate) async fn load(
    ground: &Ground,
    sidegate: &Sidegate,
    draw: Draw,
    schedule: Schedule,
    connections: usize,
    seed: u64,
    first: u64,
) -> Result<Plan, ScenarioError> {
    let target = Target::resolve(
        &format!("http://{}/", sidegate.proxy()),
        Reach::LoopbackOnly,
    )
    .await?;
    let plan = Plan::new(Load {
        targets: vec![target],
        method: Method::GET,
        headers: Vec::new(),
        schedule,
        connections,
        sources: SOURCES,
        timeout: PATIENCE,
    })?;
    let drawing = Drawing {
        cast: Arc::clone(&ground.cast),
        draw,
        seed,
    };
    Ok(plan.drawn(move |index| drawing.question(first + index)))
}

/// How long it takes to ask so many things once.
fn once(pairs: u64) -> Duration {
    Duration::from_millis(pairs * 1000 / u64::from(ONCE_RATE))
}

/// Far from what saturates anything.
const ONCE_RATE: u32 = 2_000;
/// Connections of what is done before.
const PREPARING: usize = 1_000;
/// Each of these addresses has 28,000 ports.
const SOURCES: u8 = 8;
const PATIENCE: Duration = Duration::from_secs(5);
