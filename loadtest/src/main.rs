//! The command `sidegate-loadtest`.
//!
//! Promises: the report alone goes to standard output, everything for people to standard error;
//! exit code 0 when at least one request was answered and every required limit holds (or the application
//! did what it was told), 1 when not or when the run failed, 2 for wrong usage. A check of histories says 0 when the property
//! held, 1 when it did not, 2 when it could not be found out; its summary is the last line. So do rows.
//!
//! Does not: hold any logic of the run; that is the library's.

mod beside;
mod cli;
mod example;
mod measured;
mod paper;
mod played;
mod progress;
mod scaled;
mod sink;
mod story;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use sidegate_loadtest::history::{self, HistoryError, Outcome, check};
use sidegate_loadtest::{Report, RunError, run};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::beside::BesideError;
use crate::cli::{Cli, Command, HistoryArgs, RunArgs, UsageError};
use crate::example::ExampleError;
use crate::paper::PaperError;
use crate::played::PlayError;
use crate::progress::{Cases, Display};
use crate::scaled::ScaleError;
use crate::sink::Sink;
use crate::story::StoryError;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
        .and_then(|runtime| runtime.block_on(carry_out(command)));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            say(&failure.chain());
            ExitCode::from(failure.code())
        }
    }
}

/// The exit code of a command that was carried out.
async fn carry_out(command: Command) -> Result<u8, Failure> {
    let is_done = match command {
        Command::Run(args) => load(*args).await?,
        Command::App(command) => {
            example::carry_out(command).await?;
            true
        }
        Command::History(args) => Box::pin(history(args)).await?,
        Command::Bench(args) => return Box::pin(measured::measure(args)).await,
        Command::Page(args) => {
            args.carry_out()?;
            true
        }
        Command::Compare(args) => args.carry_out()?,
        Command::BeforeAfter(args) => story::carry_out(args).await?,
        Command::Scenario(args) => {
            unless_ended(async { Ok(played::carry_out(args).await?) }).await?
        }
        Command::Scaling(args) => {
            unless_ended(async { Ok(scaled::carry_out(args).await?) }).await?;
            true
        }
        Command::Peers(args) => {
            unless_ended(async { Ok(beside::carry_out(args).await?) }).await?;
            true
        }
    };
    Ok(if is_done { DONE } else { FAILED })
}

/// Carries something out unless somebody ends this program: then what it has started ends with it.
pub(crate) async fn unless_ended<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err(Failure::Interrupted),
        _ = terminate.recv() => Err(Failure::Interrupted),
        _ = hang_up.recv() => Err(Failure::Interrupted),
    }
}

/// The last line is the summary, also of a check that could not be made.
async fn history(args: HistoryArgs) -> Result<bool, Failure> {
    let played = Box::pin(play(args)).await;
    if played.is_err() {
        writeln!(io::stdout(), "history: could not run")?;
    }
    let outcome = played?;
    if !outcome.is_enough() {
        let unseen = outcome.unseen().join(", ");
        say(&format!(
            "history: fewer revocations or reads than there must be, or not enough of: {unseen}"
        ));
    }
    writeln!(io::stdout(), "{outcome}")?;
    Ok(outcome.is_met())
}

/// Ended early it still stops what it has started.
async fn play(args: HistoryArgs) -> Result<Outcome, Failure> {
    let plan = args.parse()?;
    let cases = Cases::new();
    let checked = check(plan, |event| played(&cases, &event));
    let checked = Box::pin(checked);
    let outcome = unless_ended(async { checked.await.map_err(Failure::History) }).await;
    cases.finish();
    outcome
}

fn played(cases: &Cases, event: &history::Event<'_>) {
    match event {
        history::Event::Begun { name, done, all } => cases.begin(name, *done, *all),
        history::Event::Ended { name, report } => {
            cases.say(&format!("{name}: {report}"));
            for example in &report.examples {
                cases.say(&format!("    {example}"));
            }
        }
    }
}

/// Whether anything was answered, and everything holds that is to.
async fn load(args: RunArgs) -> Result<bool, Failure> {
    let (plan, sink, wanted) = args.parse().await?;
    let mut display = Display::new(plan.schedule().span());
    let report = run(plan, |progress| display.show(progress)).await?;
    display.finish();
    say(&report.to_string());
    write(&report, &sink)?;
    let is_answered = report.completed > 0;
    let verdicts = wanted.write(report)?;
    for verdict in &verdicts {
        let outcome = if verdict.is_met { "met" } else { "missed" };
        say(&format!(
            "{outcome}     {}, found {}",
            verdict.limit, verdict.found
        ));
    }
    Ok(is_answered && verdicts.iter().all(|verdict| verdict.is_met))
}

fn write(report: &Report, sink: &Sink) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(report).map_err(io::Error::from)?;
    text.push(b'\n');
    Ok(sink.put(&text)?)
}

/// A line for people. When nobody reads standard error, there is nobody to tell.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Why there is no report.
#[derive(Debug, Error)]
enum Failure {
    #[error("wrong usage")]
    Usage(#[from] UsageError),
    #[error("the runtime cannot start")]
    Runtime(#[source] io::Error),
    #[error("the run failed")]
    Run(#[from] RunError),
    #[error(transparent)]
    Example(#[from] ExampleError),
    #[error("the report cannot be written")]
    Write(#[from] io::Error),
    #[error("the history cannot be checked")]
    History(#[from] HistoryError),
    #[error(transparent)]
    Paper(#[from] PaperError),
    #[error(transparent)]
    Play(#[from] PlayError),
    #[error(transparent)]
    Beside(#[from] BesideError),
    #[error(transparent)]
    Story(#[from] StoryError),
    #[error(transparent)]
    Scale(#[from] ScaleError),
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Paper(_) | Self::Play(PlayError::Usage(_)) => WRONG_USAGE,
            Self::History(_)
            | Self::Beside(_)
            | Self::Play(_)
            | Self::Story(_)
            | Self::Scale(_)
            | Self::Interrupted => NOT_RUN,
            Self::Example(error) if error.is_wrong_usage() => WRONG_USAGE,
            Self::Runtime(_) | Self::Run(_) | Self::Example(_) | Self::Write(_) => FAILED,
        }
    }

    /// The failure and all its causes in one line.
    fn chain(&self) -> String {
        let mut text = format!("error: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

const DONE: u8 = 0;
const FAILED: u8 = 1;

/// The same as the argument parser's.
const WRONG_USAGE: u8 = 2;

/// A check that says nothing about its subject.
const NOT_RUN: u8 = 2;
