//! The command `before-after`.
//!
//! Promises: standard output holds a line for each run and limit, and the last one is the summary; what was measured is
//! written whole, or not at all. Ended early it stops what it has started.
//!
//! Does not: hold any logic of the chapters.

use std::env::current_exe;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sidegate_loadtest::before_after::{BeforeAfterError, PARTS, Scale, Wish, measure};
use sidegate_loadtest::document::{Document, DocumentError, Measured};
use sidegate_loadtest::page::page;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Sink;
use crate::paper::{PaperError, put};
use crate::progress::Cases;

/// Of `before-after`.
#[derive(Debug, Args)]
pub(crate) struct BeforeAfterArgs {
    /// The binary to be measured: an optimised one.
    #[arg(long, value_name = "PATH")]
    sidegate: PathBuf,
    /// 10^6 generations and 10^4 users, and longer.
    #[arg(long, conflicts_with = "smoke")]
    full: bool,
    /// A few seconds, to see that it works; its figures say nothing.
    #[arg(long)]
    smoke: bool,
    /// Where to write what was measured, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write it as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<Sink>,
}

/// Why it was not told.
#[derive(Debug, Error)]
pub(crate) enum StoryError {
    #[error("before and after cannot be measured")]
    Measure(#[from] BeforeAfterError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Paper(#[from] PaperError),
    #[error("the summary cannot be written")]
    Write(#[from] io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// Whether all limits are met.
pub(crate) async fn carry_out(args: BeforeAfterArgs) -> Result<bool, StoryError> {
    let told = tell(&args).await;
    if told.is_err() {
        writeln!(io::stdout(), "before-after: could not run")?;
    }
    let document = told?;
    if let Some(path) = &args.json {
        document.write(path)?;
    }
    if let Some(sink) = &args.html {
        put(&page(&document), sink)?;
    }
    for run in &document.runs {
        say(run)?;
    }
    let limits = || document.runs.iter().flat_map(|run| &run.limits);
    let met = limits().filter(|limit| limit.is_met).count();
    let (all, runs) = (limits().count(), document.runs.len());
    let missed = all.saturating_sub(met);
    writeln!(
        io::stdout(),
        "before-after: {runs} runs, {all} limits, {met} met, {missed} missed"
    )?;
    Ok(document.is_met())
}

async fn tell(args: &BeforeAfterArgs) -> Result<Document, StoryError> {
    let wish = Wish {
        sidegate: args.sidegate.clone(),
        own: current_exe()?,
        scale: match (args.full, args.smoke) {
            (true, _) => Scale::Full,
            (false, true) => Scale::Smoke,
            (false, false) => Scale::Usual,
        },
    };
    let cases = Cases::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let told = tokio::select! {
        told = measure(&wish, |name, done| cases.begin(name, done, PARTS)) => told.map_err(StoryError::Measure),
        _ = interrupt.recv() => Err(StoryError::Interrupted),
        _ = terminate.recv() => Err(StoryError::Interrupted),
    };
    cases.finish();
    told
}

/// A line with the figures, and one for each limit.
fn say(run: &Measured) -> io::Result<()> {
    let mut out = io::stdout();
    let report = &run.report;
    let ms = |us: u64| us as f64 / 1000.0;
    if let Some(latency) = &report.latency {
        writeln!(
            out,
            "{}: {:.0}/s, p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, errors {:.3} %",
            run.name,
            report.achieved_rate,
            ms(latency.p50),
            ms(latency.p95),
            ms(latency.p99),
            report.error_share() * 100.0
        )?;
    }
    for limit in &run.limits {
        let verdict = if limit.is_met { "met" } else { "missed" };
        writeln!(out, "    {}: {}; {verdict}", limit.limit, limit.found)?;
    }
    Ok(())
}
