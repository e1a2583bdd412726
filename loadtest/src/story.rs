//! The command `before-after`.
//!
//! Promises: standard output holds a line for each run and limit, and the last one is the summary, also when it could not
//! run; what was measured is written after each run, so that one that is cut off leaves what it has. Ended early it
//! stops what it has started.
//!
//! Does not: hold any logic of the chapters.

use std::env::current_exe;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sidegate_loadtest::before_after::{BeforeAfterError, Event, PARTS, Scale, Wish, measure};
use sidegate_loadtest::document::{Document, DocumentError, Measured};
use sidegate_loadtest::page::page;
use thiserror::Error;

use crate::paper::{PaperError, put};
use crate::progress::Cases;
use crate::sink::Sink;
use crate::{Failure, unless_ended};

/// Of `before-after`.
#[derive(Debug, Args)]
pub(crate) struct BeforeAfterArgs {
    /// The binary to be measured: an optimised one.
    #[arg(long, value_name = "PATH")]
    sidegate: PathBuf,
    /// Longer, for more of everything.
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

/// Why it was not told to the end.
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
}

/// Whether all limits are met.
pub(crate) async fn carry_out(args: BeforeAfterArgs) -> Result<bool, Failure> {
    let told = unless_ended(async { Ok(tell(&args).await?) }).await;
    let Ok(document) = &told else {
        writeln!(io::stdout(), "before-after: could not run")?;
        return told.map(|document| document.is_met());
    };
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

/// What could be found out is written and said even if there is an error later.
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
    let mut kept = Ok(());
    let told = measure(&wish, |event| match event {
        Event::Begun { name, done } => cases.begin(name, done, PARTS),
        Event::Ended(document) => {
            if kept.is_ok() {
                kept = keep(document, args);
            }
        }
    })
    .await;
    cases.finish();
    let document = told?;
    kept?;
    // There it is written once.
    if let Some(sink @ Sink::Stdout) = &args.html {
        put(&page(&document), sink)?;
    }
    Ok(document)
}

/// Everything so far, and what the last chapter has found.
fn keep(document: &Document, args: &BeforeAfterArgs) -> Result<(), StoryError> {
    if let Some(run) = document.runs.last() {
        say(run)?;
    }
    if let Some(path) = &args.json {
        document.write(path)?;
    }
    if let Some(sink @ Sink::File(_)) = &args.html {
        put(&page(document), sink)?;
    }
    Ok(())
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
