//! The command line, parsed into a plan.
//!
//! Promises: what it accepts is a [`Plan`]; everything else is wrong usage, said in one line.
//!
//! Does not: run anything, though resolving the host of a URL may ask a name server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use http::Method;
use sidegate_loadtest::{
    Header, Load, Plan, PlanError, Reach, Schedule, ScheduleError, Target, TargetError,
};
use thiserror::Error;

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
    /// Time at the same rate before the measured time.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s")]
    warmup: Duration,
    /// For one request, and for waiting arrivals after the end; at most 60s.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "5s")]
    timeout: Duration,
    /// Where to write the report as JSON: a file, or - for standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    json: Sink,
    /// Permit targets outside this machine. Only for machines that are yours.
    #[arg(long)]
    allow_remote: bool,
}

/// Where the report goes.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    Stdout,
    File(PathBuf),
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
}

impl RunArgs {
    /// The plan and where its report goes.
    pub(crate) async fn parse(self) -> Result<(Plan, Sink), UsageError> {
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
            timeout,
        };
        Ok((Plan::new(load)?, self.json))
    }
}

impl From<String> for Sink {
    fn from(text: String) -> Self {
        if text == "-" {
            Self::Stdout
        } else {
            Self::File(PathBuf::from(text))
        }
    }
}
