//! Load for Sidegate: an open-loop HTTP/1.1 generator, and an application to put it on.
//!
//! # Layout
//!
//! [`Target`] (where to) and [`Schedule`] (when) are parsed into a [`Plan`]; [`run()`] carries the
//! plan out and hands back a [`Report`]. Inside a run, one dispatcher releases arrivals at their
//! time, workers take them from a queue, and every answer is recorded once.
//!
//! [`app`] is the example application over Postgres, [`seed()`] fills its database with a
//! [`Dataset`], whose rows and [`ids`] can be computed without it. [`postgres`] and [`mod@redis`] start
//! throw-away servers for tests.
//!
//! [`history`] is another program over the same parts: it checks whether Sidegate ever grants a right
//! later than a second after its revocation.
//!
//! [`mod@bench`] measures what was promised of it, row by row; [`peers`] does the same work with other proxies;
//! [`scaling`] measures what more of everything costs.
//!
//! [`before_after`] tells what became of an application that did everything itself.
//!
//! What was measured becomes a [`document`], which is written as JSON, held against [`limit`]s,
//! [`mod@compare`]d with an earlier one, and read by people as a [`page`].
//!
//! Promises: arrivals come at a constant rate, whatever the server does; latency counts from the
//! moment an arrival was due, so that a stall is seen by every request it delayed (no coordinated
//! omission); what was never sent is reported; a run ends by itself.
//!
//! Does not: ramp the rate within a run, send bodies, speak TLS or HTTP/2, check the content of answers.

pub mod app;
pub mod before_after;
pub mod bench;
pub mod compare;
pub mod document;
pub mod history;
pub mod ids;
pub mod limit;
pub mod page;
pub mod peers;
pub mod postgres;
pub mod redis;
pub mod scaling;
pub mod scenario;

mod connection;
mod figure;
mod plan;
mod process;
mod question;
mod queue;
mod relay;
mod replace;
mod report;
mod run;
mod schedule;
mod scrape;
mod seed;
mod server;
mod tally;
mod target;
mod usage;
mod worker;

pub use plan::{Load, MAX_CONNECTIONS, MAX_TIMEOUT, Plan, PlanError};
pub use process::ProcessError;
pub use question::{Expected, Header, HeaderError, NoSuchExpectation, Question};
pub use replace::replace;
pub use report::{Errors, Moment, Percentiles, Quantile, Report};
pub use run::{Progress, RunError, run};
pub use schedule::{MAX_RATE, MAX_SPAN, Schedule, ScheduleError};
pub use seed::{
    AmountError, Dataset, Ends, Existing, Filled, Generation, Member, Project, SeedError, User,
    seed,
};
pub use target::{Reach, Target, TargetError};
