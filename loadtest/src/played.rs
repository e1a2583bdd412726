//! The command `scenario`.
//!
//! Promises: what was measured is written after each scenario, so that a run that is cut off leaves what it has;
//! standard output holds a line for each scenario and limit, and the last one is the summary.
//!
//! Does not: hold any logic of the scenarios.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sidegate_loadtest::document::{Document, DocumentError, Measured};
use sidegate_loadtest::page::page;
use sidegate_loadtest::scenario::{Event, Scenario, ScenarioError, Wish, play};
use sidegate_loadtest::{Dataset, Schedule};
use thiserror::Error;

use crate::cli::UsageError;
use crate::paper::{PaperError, put};
use crate::progress::{Display, Filling};
use crate::sink::Sink;

/// Of `scenario`.
#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// The binary to be measured: an optimised one.
    #[arg(long, value_name = "PATH")]
    sidegate: PathBuf,
    /// Rows of the application's largest table, 100 to 1,000,000; the others follow.
    #[arg(long, default_value_t = 1_000_000)]
    generations: u64,
    /// The same seed gives the same rows and the same questions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each one is measured.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "15s")]
    duration: Duration,
    /// Where to write what was measured, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write it as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Which; without any, all of them.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
}

impl ScenarioArgs {
    fn parse(&self) -> Result<Wish, UsageError> {
        let scenarios = if self.scenarios.is_empty() {
            Scenario::ALL.to_vec()
        } else {
            self.scenarios.clone()
        };
        // Held against its bounds before a database is filled.
        Schedule::new(1, Duration::ZERO, self.duration)?;
        Ok(Wish {
            sidegate: self.sidegate.clone(),
            scenarios,
            set: Dataset::new(self.generations, self.seed)?,
            seed: self.seed,
            span: self.duration,
        })
    }
}

/// Why scenarios were not played to the end.
#[derive(Debug, Error)]
pub(crate) enum PlayError {
    #[error("wrong usage")]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Paper(#[from] PaperError),
    #[error("the summary cannot be written")]
    Write(#[from] io::Error),
}

/// Whether all limits are met.
pub(crate) async fn carry_out(args: ScenarioArgs) -> Result<bool, PlayError> {
    let wish = args.parse()?;
    let mut document = Document::new("Scenarios");
    document.assumptions = ASSUMPTIONS.map(str::to_owned).to_vec();
    let mut written = Ok(());
    let mut filling = Filling::new();
    let mut display = None;
    let played = play(&wish, |event| match event {
        Event::Filling(filled) => filling.show(filled),
        Event::Begun { scenario, span } => {
            filling.finish();
            let _ = writeln!(io::stderr(), "{}: {}", scenario.name(), scenario.about());
            display = Some(Display::new(span));
        }
        Event::Load(progress) => {
            if let Some(display) = &mut display {
                display.show(progress);
            }
        }
        Event::Ended(measured) => {
            if let Some(display) = display.take() {
                display.finish();
            }
            document.runs.push(measured.clone());
            if written.is_ok() {
                written = say(measured).map_err(PlayError::from);
            }
            if written.is_ok() {
                written = write(&document, &args);
            }
        }
    })
    .await;
    if played.is_err() {
        writeln!(io::stdout(), "scenarios: could not run")?;
    }
    played?;
    written?;
    let limits = || document.runs.iter().flat_map(|run| &run.limits);
    let (all, met) = (
        limits().count(),
        limits().filter(|limit| limit.is_met).count(),
    );
    let missed = all.saturating_sub(met);
    writeln!(
        io::stdout(),
        "scenarios: {} played, {all} limits, {met} met, {missed} missed",
        document.runs.len()
    )?;
    Ok(document.is_met())
}

/// A line with the figures, and one for each limit that is not met.
fn say(measured: &Measured) -> io::Result<()> {
    let Measured {
        name,
        report,
        tiers,
        ..
    } = measured;
    let latency = report
        .latency
        .map_or_else(|| "no answers".to_owned(), |latency| latency.to_string());
    let hits = tiers.map_or(0.0, |tiers| tiers.l1_share() * 100.0);
    writeln!(
        io::stdout(),
        "{name}: {:.0}/s, {latency}, errors {:.4} %, L1 {hits:.2} %, let in {}",
        report.achieved_rate,
        report.error_share() * 100.0,
        report.let_in
    )?;
    for limit in measured.limits.iter().filter(|limit| !limit.is_met) {
        writeln!(
            io::stdout(),
            "{name}: missed {}: {}",
            limit.limit,
            limit.found
        )?;
    }
    Ok(())
}

fn write(document: &Document, args: &ScenarioArgs) -> Result<(), PlayError> {
    if let Some(path) = &args.json {
        document.write(path)?;
    }
    if let Some(path) = &args.html {
        put(&page(document), &Sink::File(path.clone()))?;
    }
    Ok(())
}

const ASSUMPTIONS: [&str; 4] = [
    "Generator, application, Sidegate, PostgreSQL and Redis share the processors of one machine: what one of them uses, \
     the others do not have.",
    "The application answers at once, with nothing; what a real one takes comes on top.",
    "All clients have one source of requests, as behind a load balancer: the limit on failed authentications is off.",
    "Latency counts from the moment a request was due, not from when it was sent: waiting for a connection is in it.",
];
