//! The command line, parsed into a plan.
//!
//! Promises: what it accepts is a [`Plan`]; everything else is wrong usage, said in one line.
//!
//! Does not: run anything, though resolving the host of a URL may ask a name server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::beside::PeersArgs;
use clap::{Args, Parser, Subcommand};
use http::Method;
use sidegate_loadtest::app::{Conduct, Profile};
use sidegate_loadtest::bench::{Bench, Row};
use sidegate_loadtest::history::{Check, Fault, Guard, Scale, Subject};
use sidegate_loadtest::{
    AmountError, Expected, Header, Load, Plan, PlanError, Reach, Schedule, ScheduleError, Target,
    TargetError,
};
use thiserror::Error;

use crate::paper::{CompareArgs, PageArgs, Wanted};
use crate::played::ScenarioArgs;
use crate::scaled::ScalingArgs;
use crate::sink::Sink;
use crate::story::BeforeAfterArgs;

/// Load for Sidegate.
#[derive(Debug, Parser)]
#[command(name = "sidegate-loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send requests at a constant rate and report latencies from the moment each was due.
    Run(Box<RunArgs>),
    /// The example application that a load can be put on.
    #[command(subcommand)]
    App(AppCommand),
    /// Check that a revoked right is not granted a second later, whatever goes wrong.
    History(HistoryArgs),
    /// Measure what was promised, row by row.
    Bench(BenchArgs),
    /// Do the same work with other proxies, and compare.
    Peers(PeersArgs),
    /// Make a page for people from a document.
    Page(PageArgs),
    /// Hold a document against an earlier one: what is worse?
    Compare(CompareArgs),
    /// Measure the example application as it is today, behind Sidegate, and with its own part improved.
    BeforeAfter(BeforeAfterArgs),
    /// Play ways of using Sidegate: users, herds, storms, outages, attacks.
    Scenario(ScenarioArgs),
    /// Measure what more of everything costs: instances, questions, rows in memory.
    Scaling(ScalingArgs),
}

/// Of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The binary to be measured: an optimised one.
    #[arg(long, value_name = "PATH")]
    sidegate: PathBuf,
    /// Bare Pingora, for the row cpu: `bare-pingora` of the same build.
    #[arg(long, value_name = "PATH")]
    bare: Option<PathBuf>,
    /// Envoy, for the row cpu, where it is not on the PATH.
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// More of everything, for narrower intervals.
    #[arg(long)]
    full: bool,
    /// Where `cargo bench -p sidegate --bench memory -- decision` has left its estimates.
    #[arg(long, value_name = "DIR")]
    criterion: Option<PathBuf>,
    /// Where the project's scripts are.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
    /// Where to write what was measured as JSON, anew after every row; a page goes beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where to write it as a page, anew after every row.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Which rows; without any, all of them.
    #[arg(value_name = "ROW")]
    rows: Vec<Row>,
}

impl BenchArgs {
    pub(crate) fn parse(self) -> Bench {
        let rows = if self.rows.is_empty() {
            Row::ALL.to_vec()
        } else {
            self.rows
        };
        Bench {
            sidegate: self.sidegate,
            bare: self.bare,
            envoy: self.envoy,
            rows,
            full: self.full,
            criterion: self.criterion,
            scripts: self.scripts,
        }
    }
}

/// Of `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The binary to be checked.
    #[arg(long, value_name = "PATH", required_unless_present = "stub")]
    sidegate: Option<PathBuf>,
    /// The same, built with the feature fault-injection: for guards, and for the case one-slot.
    #[arg(long, value_name = "PATH")]
    weakened: Option<PathBuf>,
    /// Only the case of this name, and no guards; may be given more than once.
    #[arg(long, value_name = "CASE")]
    only: Vec<Fault>,
    /// Only the guard of this name: the binary without that rule, which must fail; may be given more
    /// than once.
    #[arg(long, value_name = "RULE")]
    without: Vec<Guard>,
    /// 10^5 revocations and 10^6 reads, in place of what a machine does between other things.
    #[arg(long)]
    full: bool,
    /// In place of Sidegate a stand-in that keeps an allow for so long: to try the checker itself.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with = "sidegate")]
    stub: Option<Duration>,
}

/// What to do with the example application.
#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Serve it; the first line on standard output is JSON and says where.
    Serve(ServeArgs),
    /// Print its tables as SQL.
    Schema,
    /// Create its tables if they are not there, and fill them.
    Seed(SeedArgs),
}

/// Of `app serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The database, as postgres://user@host:port/name.
    #[arg(long, value_name = "URL")]
    pub(crate) database: String,
    /// Where to listen; it trusts whoever reaches it.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Connections to the database, at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) connections: u16,
    /// How it comes to an answer: plain, legacy, trusting or tuned.
    #[arg(long, default_value = "plain")]
    profile: Profile,
    /// How much later each answer of the database arrives, such as 50ms.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) database_delay: Option<Duration>,
    /// What tokens are signed with (HS256); every profile but plain verifies them.
    #[arg(long, value_name = "SECRET")]
    token_secret: Option<String>,
    /// Where Sidegate publishes the keys of its assertions; trusting and tuned verify them.
    #[arg(long, value_name = "URL")]
    assertion_keys: Option<String>,
    /// The time of business logic, in place of the profile's.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    work: Option<Duration>,
    /// The time of sending, in place of the profile's.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    sending: Option<Duration>,
}

impl ServeArgs {
    /// How it is to behave.
    pub(crate) fn conduct(&self) -> Conduct {
        Conduct {
            profile: self.profile,
            token_secret: self.token_secret.clone(),
            keys: self.assertion_keys.clone(),
            work: self.work,
            sending: self.sending,
        }
    }
}

/// Of `app seed`.
#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    /// The database, as postgres://user@host:port/name.
    #[arg(long, value_name = "URL")]
    pub(crate) database: String,
    /// Rows of the largest table, 100 to 1,000,000; the others follow.
    #[arg(long)]
    pub(crate) generations: u64,
    /// The same seed gives the same rows.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Drop the application's tables first, with all they hold.
    #[arg(long)]
    pub(crate) drop: bool,
}

/// The load of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Where to; may be given more than once: requests take turns.
    #[arg(long = "url", value_name = "URL", required = true)]
    urls: Vec<String>,
    /// A header of every request; may be given more than once.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// The method of every request.
    #[arg(long, default_value = "GET")]
    method: Method,
    /// Arrivals per second, at most 1,000,000.
    #[arg(long)]
    rate: u32,
    /// The measured time, such as 10s or 2m; with the warm-up at most 10m.
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Requests in flight, at most 15,000; each keeps a connection per host and port.
    #[arg(long)]
    connections: usize,
    /// What is to be answered: success (2xx), refusal (4xx) or anything; the rest is counted as an error.
    #[arg(long, default_value = "success")]
    expect: Expected,
    /// Addresses of this machine that connections come from, 127.0.0.1 and on; 0: as the system likes.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=250))]
    sources: u8,
    /// Time at the same rate before the measured time.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s")]
    warmup: Duration,
    /// For one request, and for waiting arrivals after the end; at most 60s.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "5s")]
    timeout: Duration,
    /// Where to write the report as JSON: a file, or - for standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    json: Sink,
    #[command(flatten)]
    wanted: Wanted,
    /// Permit targets outside this machine. Only for machines that are yours.
    #[arg(long)]
    allow_remote: bool,
}

/// Wrong usage that the argument parser cannot see.
#[derive(Debug, Error)]
pub(crate) enum UsageError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error("neither a binary nor a stand-in")]
    NoSubject,
}

impl HistoryArgs {
    /// Without names: every case, and every guard where there is a binary for it.
    pub(crate) fn parse(self) -> Result<Check, UsageError> {
        let subject = match (self.sidegate, self.stub) {
            (Some(binary), _) => Subject::Sidegate {
                binary,
                weakened: self.weakened,
            },
            (None, Some(keep)) => Subject::Stub(keep),
            (None, None) => return Err(UsageError::NoSubject),
        };
        let all = self.only.is_empty() && self.without.is_empty();
        let (faults, guards) = if all {
            (Fault::ALL.to_vec(), Guard::ALL.to_vec())
        } else {
            (self.only, self.without)
        };
        let scale = if self.full { Scale::Full } else { Scale::Short };
        Ok(Check {
            subject,
            faults,
            guards,
            scale,
            enough: all,
        })
    }
}

impl RunArgs {
    /// The plan, where its report goes, and what else is to become of it.
    pub(crate) async fn parse(self) -> Result<(Plan, Sink, Wanted), UsageError> {
        let Self {
            urls,
            headers,
            method,
            rate,
            duration,
            connections,
            ..
        } = self;
        let schedule = Schedule::new(rate, self.warmup, duration)?;
        let reach = if self.allow_remote {
            Reach::Anywhere
        } else {
            Reach::LoopbackOnly
        };
        let mut targets = Vec::with_capacity(urls.len());
        for url in &urls {
            targets.push(Target::resolve(url, reach).await?);
        }
        let timeout = self.timeout;
        let load = Load {
            targets,
            method,
            headers,
            schedule,
            connections,
            sources: self.sources,
            timeout,
        };
        Ok((
            Plan::new(load)?.expecting(self.expect),
            self.json,
            self.wanted,
        ))
    }
}
