//! The command `sidegate-loadtest`.
//!
//! Promises: the report alone goes to standard output, everything for people to standard error;
//! exit code 0 when at least one request was answered (or the application did what it was told), 1
//! when none was or the run failed, 2 for wrong usage.
//!
//! Does not: hold any logic of the run; that is the library's.

mod cli;
mod example;
mod progress;

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use sidegate_loadtest::{Report, RunError, run};
use thiserror::Error;

use crate::cli::{Cli, Command, RunArgs, Sink, UsageError};
use crate::example::ExampleError;
use crate::progress::Display;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
        .and_then(|runtime| runtime.block_on(carry_out(command)));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(failure) => {
            say(&failure.chain());
            ExitCode::from(failure.code())
        }
    }
}

/// Whether the command did what it is for.
async fn carry_out(command: Command) -> Result<bool, Failure> {
    match command {
        Command::Run(args) => Ok(load(*args).await?.completed > 0),
        Command::App(command) => {
            example::carry_out(command).await?;
            Ok(true)
        }
    }
}

async fn load(args: RunArgs) -> Result<Report, Failure> {
    let (plan, sink) = args.parse().await?;
    let mut display = Display::new(plan.schedule().span());
    let report = run(plan, |progress| display.show(progress)).await?;
    display.finish();
    say(&report.to_string());
    write(&report, &sink)?;
    Ok(report)
}

fn write(report: &Report, sink: &Sink) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(report).map_err(io::Error::from)?;
    text.push(b'\n');
    match sink {
        Sink::Stdout => io::stdout().write_all(&text)?,
        Sink::File(path) => File::create(path)?.write_all(&text)?,
    }
    Ok(())
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
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => WRONG_USAGE,
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

const FAILED: u8 = 1;

/// The same as the argument parser's.
const WRONG_USAGE: u8 = 2;
