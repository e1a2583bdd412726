//! Before and after: the same application without Sidegate, behind it, and behind it with its own part improved.
//!
//! Promises: each chapter is a load of many users, each with its own token, on resources that the user may read;
//! the application is a process of its own, and so are Sidegate, PostgreSQL and Redis. What is Sidegate's and what
//! is the application's is told apart. A legacy application that is not as slow as it is said to be is a limit that is
//! missed. What was found is handed on after each chapter.
//!
//! Does not: run anything on another machine: generator, application, Sidegate and servers share the processors.

mod application;
mod audience;
mod chapter;
mod flow;
mod stage;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;

use crate::app::{DatabaseError, Profile};
use crate::document::Document;
use crate::limit::LimitError;
use crate::postgres::ClusterError;
use crate::process::ProcessError;
use crate::redis::RedisServerError;
use crate::{AmountError, PlanError, RunError, ScheduleError, SeedError, TargetError};

use chapter::{Chapter, Pace};
use stage::Stage;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Sidegate: an optimised binary.
    pub sidegate: PathBuf,
    /// This program, which also serves the application.
    pub own: PathBuf,
    /// How much of it.
    pub scale: Scale,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A few seconds and a few hundred users: to see that it works.
    Smoke,
    /// 10^6 generations of 10,000 users, for some six minutes.
    Usual,
    /// The same, and longer.
    Full,
}

/// What happens meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something begins, after so many of [`PARTS`].
    Begun {
        /// What.
        name: &'static str,
        /// Parts that have ended.
        done: usize,
    },
    /// A chapter has ended: everything so far; its run is the last.
    Ended(&'a Document),
}

/// Why nothing can be said.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BeforeAfterError {
    /// The database server.
    #[error("the database server")]
    Cluster(#[from] ClusterError),
    /// The application's pool.
    #[error(transparent)]
    Pool(#[from] DatabaseError),
    /// The rows.
    #[error("the database is not filled")]
    Seed(#[from] SeedError),
    /// How many rows.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// A statement of ours.
    #[error("the database")]
    Database(#[from] tokio_postgres::Error),
    /// The Redis server.
    #[error("the Redis server")]
    Redis(#[from] RedisServerError),
    /// Sidegate does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
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
    /// No token.
    #[error("a token cannot be made")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// No path, or no header.
    #[error("a request cannot be made")]
    Request(#[from] http::Error),
    /// A file, a port or a process.
    #[error("the surroundings")]
    Io(#[from] io::Error),
    /// A task of ours.
    #[error("a task failed")]
    Task(#[from] JoinError),
    /// The application has ended before it listened: its port may be somebody else's.
    #[error("the example application does not start; what it said is above")]
    Application,
    /// Something did not come, or was not as it should be.
    #[error("{0}")]
    Silent(String),
}

/// Measures everything; `show` is told what comes next, and what has been found after each chapter.
///
/// # Errors
/// When something cannot be measured; what was found until then has been shown.
pub async fn measure(
    wish: &Wish,
    mut show: impl FnMut(Event<'_>),
) -> Result<Document, BeforeAfterError> {
    let begun = |name, done| Event::Begun { name, done };
    show(begun("rows", 0));
    let stage = Stage::set(wish).await?;
    let mut story = Story::new(stage.assumptions());
    let pace = Pace::of(wish.scale);

    show(begun("legacy, without Sidegate", 1));
    show(story.add(chapter::legacy(&stage, &pace).await?));
    show(begun("trusting, behind Sidegate", 2));
    show(story.add(chapter::trusting(&stage, &pace).await?));
    let tuned = stage.behind(Profile::Tuned).await?;
    show(begun("tuned, behind Sidegate that remembers nothing", 3));
    show(story.add(chapter::cold(&stage, &tuned, &pace).await?));
    show(begun("tuned, behind Sidegate, 500 requests a second", 4));
    show(story.add(chapter::hot(&stage, &tuned, &pace).await?));
    show(begun("tuned, behind Sidegate, 10,000 users", 5));
    show(story.add(chapter::users(&stage, &tuned, &pace).await?));
    Ok(story.document)
}

/// The chapters so far.
struct Story {
    chapters: Vec<Chapter>,
    document: Document,
}

impl Story {
    fn new(assumptions: Vec<String>) -> Self {
        let mut document = Document::new("Before and after");
        document.assumptions = assumptions;
        Self {
            chapters: Vec::new(),
            document,
        }
    }

    /// With this one the tables are other ones.
    fn add(&mut self, chapter: Chapter) -> Event<'_> {
        self.document.runs.push(chapter.measured.clone());
        self.chapters.push(chapter);
        self.document.tables = vec![flow::steps(&self.chapters), flow::shares(&self.chapters)];
        Event::Ended(&self.document)
    }
}

/// How many things there are to be shown.
pub const PARTS: usize = 6;

/// Of each answer of the database, to an application that is away from it: with the query, and timers that have steps
/// of a millisecond, a round trip is about 50 ms.
const DELAY: Duration = Duration::from_millis(47);
