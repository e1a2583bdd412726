//! The scenarios that there are, and what each of them is made of.
//!
//! Promises: a scenario is one value: how many ask, how often, what, after which preparation, what happens
//! meanwhile, and what must hold. Its size follows from the wish and the dataset alone.
//!
//! Does not: carry anything out.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::ScenarioError;
use super::draw::{Draw, Route};
use super::meanwhile::Meanwhile;
use crate::question::Expected;

/// A way of using Sidegate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`about` says it")]
pub enum Scenario {
    Steady,
    Zipf,
    Cold,
    Herd,
    Flush,
    Storm,
    Churn,
    Attack,
    RedisOutage,
    DatabaseOutage,
    Users1000,
    Users10000,
}

/// Not the name of a scenario.
#[derive(Debug, Error)]
#[error("expected one of {}", Scenario::ALL.map(Scenario::name).join(", "))]
pub struct NoSuchScenario;

/// What a scenario is made of.
pub(super) struct Shape {
    pub(super) draw: Draw,
    /// Arrivals a second, and how many come at once.
    pub(super) rate: u32,
    pub(super) burst: u32,
    pub(super) connections: usize,
    pub(super) before: Before,
    pub(super) meanwhile: Meanwhile,
    /// What must hold of 95 % of the answers.
    pub(super) p95: &'static str,
    /// What must hold besides that and what always must.
    pub(super) further: &'static [&'static str],
}

/// What is done before the measured time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing: an instance that has just become ready.
    Nothing,
    /// The same load, for so long.
    Same(Duration),
    /// Each of so many pairs once.
    Pairs(u64),
    /// Each generation of so many users once.
    Users(u64),
}

impl Scenario {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Steady,
        Self::Zipf,
        Self::Cold,
        Self::Herd,
        Self::Flush,
        Self::Storm,
        Self::Churn,
        Self::Attack,
        Self::RedisOutage,
        Self::DatabaseOutage,
        Self::Users1000,
        Self::Users10000,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Zipf => "zipf",
            Self::Cold => "cold",
            Self::Herd => "herd",
            Self::Flush => "flush",
            Self::Storm => "storm",
            Self::Churn => "churn",
            Self::Attack => "attack",
            Self::RedisOutage => "redis-outage",
            Self::DatabaseOutage => "database-outage",
            Self::Users1000 => "users-1000",
            Self::Users10000 => "users-10000",
        }
    }

    /// What is done.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Steady => {
                "A thousand pairs of user and generation, again and again, all of them in memory."
            }
            Self::Zipf => {
                "All generations, by popularity (Zipf, exponent 1), asked for by those who may read them; memory has \
                 seen three seconds of it."
            }
            Self::Cold => {
                "The same popularity, on an instance that has just become ready, over an empty Redis."
            }
            Self::Herd => {
                "A thousand clients at once ask for one generation that nothing has asked for before, twice a second."
            }
            Self::Flush => {
                "Steady; after a third of the time Redis is emptied and all facts are said to have changed."
            }
            Self::Storm => {
                "Steady, on the popular generations; in the middle third two hundred memberships a second end or are \
                 given back. Whether a single answer is right is the history checker's to say."
            }
            Self::Churn => {
                "Steady, but each request has a token that nobody has seen before (ES256)."
            }
            Self::Attack => {
                "Every second request is an attack: no token, a forged one, one without signature, bytes, a stranger's, \
                 an unknown generation, an identity that only Sidegate may state."
            }
            Self::RedisOutage => "Steady; Redis stands still for the middle third.",
            Self::DatabaseOutage => {
                "Steady, on a route with `stale_if_error: 30s`; PostgreSQL is ended without warning, and started again a third of the time later."
            }
            Self::Users1000 => {
                "A thousand users on as many connections, each with ten seconds between its requests, for one of four \
                 generations that it works on; each of these was asked for once before."
            }
            Self::Users10000 => {
                "Ten thousand users on as many connections, each with ten seconds between its requests, for one of four \
                 generations that it works on; each of these was asked for once before."
            }
        }
    }

    pub(super) fn shape(self, generations: u64) -> Result<Shape, ScenarioError> {
        let zipf = Draw::zipf(generations, 1.0)?;
        let steady = Shape::steady(Route::Strict, Expected::Success);
        Ok(match self {
            Self::Steady => Shape {
                further: &["l1_hits > 95%"],
                ..steady
            },
            Self::Zipf => Shape {
                draw: zipf,
                before: Before::Same(WARM_UP),
                ..steady
            },
            Self::Cold => Shape {
                draw: zipf,
                rate: 500,
                before: Before::Nothing,
                ..steady
            },
            Self::Herd => herd(steady),
            Self::Flush => during(Meanwhile::Flush, steady),
            Self::Storm => during(
                Meanwhile::Storm(200),
                Shape::steady(Route::Strict, Expected::Verdict),
            ),
            Self::Churn => Shape {
                draw: Draw::Fresh(PAIRS),
                ..steady
            },
            Self::Attack => Shape {
                draw: Draw::Attacked(PAIRS),
                ..steady
            },
            Self::RedisOutage => during(Meanwhile::WithoutRedis, steady),
            Self::DatabaseOutage => during(
                Meanwhile::WithoutDatabase,
                Shape::steady(Route::Stale, Expected::Success),
            ),
            Self::Users1000 => users(1_000, steady),
            Self::Users10000 => users(10_000, steady),
        })
    }
}

impl Shape {
    /// A thousand pairs from memory, a thousand times a second.
    fn steady(route: Route, expected: Expected) -> Self {
        Self {
            draw: Draw::Hot {
                pairs: PAIRS,
                route,
                expected,
            },
            rate: 1_000,
            burst: 1,
            connections: 64,
            before: Before::Pairs(PAIRS),
            meanwhile: Meanwhile::Nothing,
            p95: "p95 < 75ms",
            further: &[],
        }
    }

    /// What must hold.
    pub(super) fn limits(&self) -> impl Iterator<Item = &'static str> {
        let always = [self.p95].into_iter().chain(ALWAYS);
        always.chain(self.further.iter().copied())
    }
}

/// A thousand at once. Two processors need more than 75 ms for so many requests, whoever answers them.
fn herd(steady: Shape) -> Shape {
    Shape {
        draw: Draw::Herd(HERD),
        rate: 2_000,
        burst: 1_000,
        connections: 1_000,
        before: Before::Nothing,
        p95: "p95 < 1s",
        ..steady
    }
}

fn during(meanwhile: Meanwhile, steady: Shape) -> Shape {
    Shape {
        meanwhile,
        ..steady
    }
}

/// So many users who think for ten seconds.
fn users(users: u32, steady: Shape) -> Shape {
    Shape {
        draw: Draw::Users(u64::from(users)),
        rate: users / THINKING,
        connections: usize::try_from(users).unwrap_or(usize::MAX),
        before: Before::Users(u64::from(users)),
        further: &["l1_hits > 95%"],
        ..steady
    }
}

impl FromStr for Scenario {
    type Err = NoSuchScenario;

    fn from_str(text: &str) -> Result<Self, NoSuchScenario> {
        let found = Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == text);
        found.ok_or(NoSuchScenario)
    }
}

/// What must always hold.
pub(super) const ALWAYS: [&str; 2] = ["errors < 0.1%", "let_in = 0"];

/// Few enough to be in memory soon.
pub(super) const PAIRS: u64 = 1_000;
/// Clients at once.
const HERD: u64 = 1_000;
/// Seconds between two requests of a user.
const THINKING: u32 = 10;
const WARM_UP: Duration = Duration::from_secs(3);
