//! What more of everything costs: instances, questions, rows in memory, and a memory that is too small.
//!
//! # Layout
//!
//! A [`Part`] is a file that hands back tables; [`measure`] sets the ground once (a seeded database, a Redis, an
//! application) and plays the wanted parts on it, one after the other.
//!
//! Promises: a figure is measured on the real binary, over PostgreSQL and Redis, as shipped but for what its table
//! names; the same wish asks the same; what is computed from measured figures stands in a table of its own that says
//! so. Each part is bounded in questions and in time.
//!
//! Does not: judge; there are no targets here. Nor measure over a network: everything runs on one machine.

mod ask;
mod bounds;
mod hits;
mod instances;
mod known;
mod memory;
mod meter;
mod quantity;
mod stores;

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;

use crate::document::Table;
use crate::postgres::ClusterError;
use crate::redis::RedisServerError;
use crate::scenario::{Further, Ground, ScenarioError};
use crate::schedule::ScheduleError;
use crate::seed::{AmountError, Dataset, Filled};

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The binary.
    pub sidegate: PathBuf,
    /// In this order.
    pub parts: Vec<Part>,
    /// How much of it.
    pub scale: Scale,
}

/// Something that there may be more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Instances that nobody asks anything.
    Instances,
    /// Questions to PostgreSQL and to Redis.
    Stores,
    /// Rows in memory, answers in Redis.
    Memory,
    /// Generations that a memory has no room for.
    Hits,
}

/// Not the name of a part.
#[derive(Debug, Error)]
#[error("expected one of {}", Part::ALL.map(Part::name).join(", "))]
pub struct NoSuchPart;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Rows of the application's largest table.
    pub generations: u64,
    /// Instances at once, in steps.
    pub instances: &'static [usize],
    /// How long idle processes are watched, at each step.
    pub watch: Duration,
    /// How often stores are asked anew, and how many questions each time.
    pub rounds: u64,
    /// As above.
    pub questions: u64,
    /// Pairs of user and generation that memory is filled with.
    pub pairs: u64,
    /// Sizes of the memory, in megabytes.
    pub sizes: &'static [u64],
    /// Draws before hits are counted, and while they are.
    pub draws: [u64; 2],
}

/// What happens while parts are measured.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The database is being filled.
    Filling(Filled),
    /// A part begins.
    Begun(Part),
    /// A step of it begins, in words.
    Step(&'a str),
    /// A table is complete.
    Ended(&'a Table),
}

/// Why a part was not measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScalingError {
    /// The ground, an instance or a load.
    #[error(transparent)]
    Ground(#[from] ScenarioError),
    /// No such database.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The database server.
    #[error("the database server")]
    Cluster(#[from] ClusterError),
    /// The Redis server.
    #[error("the Redis server")]
    Redis(#[from] RedisServerError),
    /// No schedule.
    #[error("the load")]
    Schedule(#[from] ScheduleError),
    /// A process, or what one says of itself.
    #[error("the processes that are measured")]
    Io(#[from] io::Error),
    /// A task of ours.
    #[error("a task failed")]
    Task(#[from] JoinError),
    /// Answers that were to be others, or none.
    #[error("{bad} of {asked} questions were not answered as they were to be")]
    Answers {
        /// Those.
        bad: u64,
        /// All.
        asked: u64,
    },
    /// The machine is too slow, or too busy.
    #[error("{asked} of {wanted} questions were answered in {} s", ask::LONGEST.as_secs())]
    Slow {
        /// As far as it went.
        asked: u64,
        /// All.
        wanted: u64,
    },
    /// A figure that cannot be one.
    #[error("{0}")]
    Implausible(String),
}

/// Measures the wanted parts; `show` sees each table when it is complete.
///
/// # Errors
///
/// When a part cannot be measured.
pub async fn measure(
    wish: &Wish,
    mut show: impl FnMut(Event<'_>),
) -> Result<Vec<Table>, ScalingError> {
    let set = Dataset::new(wish.scale.generations, SEED)?;
    let ground = Ground::set(&wish.sidegate, set, |filled| show(Event::Filling(filled))).await?;
    let mut all = Vec::new();
    for part in &wish.parts {
        show(Event::Begun(*part));
        let mut step = |text: &str| show(Event::Step(text));
        let tables = match part {
            Part::Instances => instances::measure(&ground, &wish.scale, &mut step).await?,
            Part::Stores => stores::measure(&ground, &wish.scale, &mut step).await?,
            Part::Memory => memory::measure(&ground, &wish.scale, &mut step).await?,
            Part::Hits => hits::measure(&ground, &wish.scale, &mut step).await?,
        };
        for table in &tables {
            show(Event::Ended(table));
        }
        all.extend(tables);
    }
    Ok(all)
}

impl Part {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Instances, Self::Stores, Self::Memory, Self::Hits];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Stores => "stores",
            Self::Memory => "memory",
            Self::Hits => "hits",
        }
    }
}

impl FromStr for Part {
    type Err = NoSuchPart;

    fn from_str(text: &str) -> Result<Self, NoSuchPart> {
        let found = Self::ALL.into_iter().find(|part| part.name() == text);
        found.ok_or(NoSuchPart)
    }
}

impl Scale {
    /// Some minutes.
    pub const SHORT: Self = Self {
        generations: 100_000,
        instances: &[0, 1, 2, 4, 8],
        watch: Duration::from_secs(8),
        rounds: 3,
        questions: 4_000,
        pairs: 40_000,
        sizes: &[1, 4, 16, 64],
        draws: [40_000, 10_000],
    };

    /// The better part of an hour.
    pub const FULL: Self = Self {
        generations: 1_000_000,
        instances: &[0, 1, 2, 4, 8, 16],
        watch: Duration::from_secs(30),
        rounds: 7,
        questions: 10_000,
        pairs: 300_000,
        sizes: &[1, 4, 16, 64, 200],
        draws: [400_000, 100_000],
    };
}

/// Answers that hold that there is no membership would be gone from Redis before they are asked for or counted; and on
/// a busy machine an answer that takes 20 ms would leave Redis alone for a while.
const PATIENT: Further<'static> = Further {
    sections: "cache: { negative_ttl: 60s }\n",
    redis: ", command_timeout: 1s, total_timeout: 1s",
};
/// Of the rows and of the questions.
const SEED: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_names_and_nothing_else_has() {
        for part in Part::ALL {
            assert_eq!(part.name().parse::<Part>().unwrap(), part);
        }
        let refused = "sizes".parse::<Part>().unwrap_err().to_string();
        assert_eq!(refused, "expected one of instances, stores, memory, hits");
    }
}
