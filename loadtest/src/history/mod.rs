//! The history checker: is a right that was revoked ever granted later than the bound allows?
//!
//! Writers grant and revoke rights in Postgres while clients ask two instances of Sidegate, which share a
//! Redis, and something goes wrong ([`Fault`]). All of them read one monotonic clock. Afterwards every answer is held against
//! what was written: an allow that was asked for at s and answered at e must have been right in some state
//! of the database in [s - 1 s, e], a refusal in some state in [s, e].
//!
//! A right is taken away where it is kept (memberships, ownership, activity, visibility, teams), or with the credential
//! that it is asked for with: a token, a session or all of a user's tokens are revoked, a service key is revoked or
//! its secret changed, the subject of a link loses its membership. Some of each are also asked for with an answer that
//! has no end: each piece of it that arrives is an allow, asked for when the application sent it.
//!
//! # Layout
//!
//! A `World` of scenes is in the tables; each `Writer` takes the steps of its scenes and notes them in the
//! `Arena`, which keeps a `Timeline` for each fact and sends probes after each change. `Front`s ask and log, by
//! `Ticket`s, for readers, probes and watchers.
//! The `checker` judges with `Rule`s. A `Stage` holds the servers, relays and processes of a case.
//!
//! Promises: no false alarm; commits that a crash took back are judged by the database's own word. To show
//! that it can fail there are guards ([`Guard`]: a binary without one rule) and a stand-in that lies.
//!
//! Does not: link the proxy: it starts a binary and speaks HTTP to it. Nor does it look inside: whether
//! anything was cached is not its business, so a Sidegate without caches passes, but for the guards.

mod arena;
mod case;
mod checker;
mod clock;
mod dice;
mod fact;
mod fault;
mod front;
mod outcome;
mod play;
mod reader;
mod rule;
mod scene;
mod session;
mod shared;
mod stage;
mod timeline;
mod watcher;
mod world;
mod writer;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;
use tokio::task::JoinError;

use crate::TargetError;
use crate::app::DatabaseError;
use crate::postgres::ClusterError;
use crate::process::ProcessError;
use crate::redis::RedisServerError;
use stage::Actor;
use world::World;

pub use case::{Fault, Guard, NoSuchCase, Scale};
pub use outcome::{Outcome, Report};

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct Check {
    /// Who answers.
    pub subject: Subject,
    /// Under which faults.
    pub faults: Vec<Fault>,
    /// Without which rules, each by itself.
    pub guards: Vec<Guard>,
    /// How much.
    pub scale: Scale,
    /// Whether it counts only with as many revocations and reads as the scale asks for.
    pub enough: bool,
}

/// Who answers.
#[derive(Debug, Clone)]
pub enum Subject {
    /// `sidegate`.
    Sidegate {
        /// The binary.
        binary: PathBuf,
        /// The same, built with the feature `fault-injection`: for guards, and for [`Fault::OneSlot`].
        weakened: Option<PathBuf>,
    },
    /// A stand-in that asks the database, and keeps an allow for so long.
    Stub(Duration),
}

/// How far a check is.
#[derive(Debug)]
pub enum Event<'a> {
    /// A case begins.
    Begun {
        /// The fault's or the guard's name.
        name: &'static str,
        /// Cases that have ended.
        done: usize,
        /// All cases.
        all: usize,
    },
    /// A case has ended.
    Ended {
        /// The fault's or the guard's name.
        name: &'static str,
        /// What came of it.
        report: &'a Report,
    },
}

/// Why a check could not be made. Not that it failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The database server.
    #[error("the database server")]
    Cluster(#[from] ClusterError),
    /// The Redis server.
    #[error("the Redis server")]
    Redis(#[from] RedisServerError),
    /// A statement of ours.
    #[error("the database")]
    Database(#[source] tokio_postgres::Error),
    /// The stand-in's connections.
    #[error("the stand-in's database")]
    Pool(#[from] DatabaseError),
    /// A guard, or a case, that needs it.
    #[error("a binary with the feature fault-injection is needed (--weakened)")]
    NoWeakened,
    /// Sidegate does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// An instance answered what nobody asked for.
    #[error("an instance answers {0}")]
    Strange(StatusCode),
    /// Something did not come.
    #[error("{0}")]
    Silent(&'static str),
    /// A file, a port or a process.
    #[error("the surroundings")]
    Io(#[from] io::Error),
    /// No address.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No request.
    #[error("a request cannot be made")]
    Request(#[from] http::Error),
    /// A task of ours.
    #[error("a task failed")]
    Task(#[from] JoinError),
}

/// Plays every case, one after the other, and judges it.
///
/// # Errors
///
/// When a case could not be played; what was found before is lost.
pub async fn check(check: Check, mut show: impl FnMut(Event<'_>)) -> Result<Outcome, HistoryError> {
    let all = check.faults.len().saturating_add(check.guards.len());
    let mut outcome = Outcome {
        goal: check.enough.then_some(check.scale),
        kinds: check.subject.kinds(),
        ..Outcome::default()
    };
    let shares = check.enough.then_some(check.faults.len());
    for (done, fault) in check.faults.iter().copied().enumerate() {
        let name = fault.name();
        show(Event::Begun { name, done, all });
        let actor = check.subject.under(fault)?;
        let report = play::play(&actor, fault, check.scale, shares).await?;
        show(Event::Ended {
            name,
            report: &report,
        });
        outcome.faults.push((fault, report));
    }
    for (done, guard) in check.guards.iter().copied().enumerate() {
        let (name, done) = (guard.name(), done.saturating_add(check.faults.len()));
        show(Event::Begun { name, done, all });
        let actor = check.subject.without(guard)?;
        let report = play::play(&actor, guard.fault(), Scale::Short, None).await?;
        show(Event::Ended {
            name,
            report: &report,
        });
        outcome.guards.push((guard, report));
    }
    Ok(outcome)
}

impl Subject {
    /// What nobody must be able to say of a check: that it has not looked at these.
    fn kinds(&self) -> Vec<&'static str> {
        match self {
            Self::Sidegate { .. } => [&["membership"][..], &World::ABOUT_CREDENTIALS].concat(),
            Self::Stub(_) => Vec::new(),
        }
    }

    fn under(&self, fault: Fault) -> Result<Actor, HistoryError> {
        match self {
            Self::Sidegate { .. } if fault == Fault::OneSlot => {
                self.weakened("SIDEGATE_SLOTS", "1")
            }
            Self::Sidegate { binary, .. } => Ok(Actor::Binary {
                path: binary.clone(),
                environment: Vec::new(),
            }),
            Self::Stub(keep) => Ok(Actor::Stub(*keep)),
        }
    }

    fn without(&self, guard: Guard) -> Result<Actor, HistoryError> {
        self.weakened("SIDEGATE_WITHOUT", guard.name())
    }

    fn weakened(&self, name: &'static str, value: &'static str) -> Result<Actor, HistoryError> {
        match self {
            Self::Sidegate {
                weakened: Some(path),
                ..
            } => Ok(Actor::Binary {
                path: path.clone(),
                environment: vec![(name, value)],
            }),
            Self::Sidegate { weakened: None, .. } => Err(HistoryError::NoWeakened),
            Self::Stub(keep) => Ok(Actor::Stub(*keep)),
        }
    }
}
