//! The subcommand `bench`: rows are measured, told and written down.
//!
//! Promises: a line for each row goes to standard output when the row ends, and the summary is the last one, also
//! of rows that could not be measured. The document is there before the first row and is written anew after every one,
//! so that what was measured is there even if the rest is not; that it cannot be written is said at once. Ended early
//! it still stops what it has started, and says that it could not run.
//!
//! Does not: judge; the library does.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use sidegate_loadtest::bench::{Bench, Event, Summary, bench};
use sidegate_loadtest::document::Document;
use sidegate_loadtest::page::page;

use crate::cli::BenchArgs;
use crate::paper::{PaperError, put};
use crate::progress::Cases;
use crate::sink::Sink;
use crate::{Failure, unless_ended};

/// The exit code: 0 nothing is missed, 1 something is, 2 something could not be measured.
pub(crate) async fn measure(args: BenchArgs) -> Result<u8, Failure> {
    let (json, html) = (args.json.clone(), args.html.clone());
    let plan = args.parse();
    let cases = Cases::new();
    let mut document = empty(&plan);
    let write = |document: &Document| write(document, json.as_deref(), html.as_deref());
    // Nothing is measured that cannot be kept.
    if let Err(error) = write(&document) {
        writeln!(io::stdout(), "bench: could not run")?;
        return Err(error.into());
    }
    let (mut written, mut told) = (Ok(()), Ok(()));
    let measuring = bench(&plan, |event| match event {
        Event::Begun { row, done, all } => cases.begin(row.name(), done, all),
        Event::Ended(found) => {
            let line = writeln!(io::stdout(), "{}", found.line);
            told = std::mem::replace(&mut told, Ok(())).and(line);
            document.rows.push(found.line.figure());
            document.runs.extend(found.runs.iter().cloned());
            document.tables.extend(found.tables.iter().cloned());
            if let Err(error) = write(&document) {
                cases.say(&format!("the document is not written: {}", in_full(&error)));
                // The next one may be.
                written = Err(error);
            } else {
                written = Ok(());
            }
        }
    });
    let measuring = Box::pin(measuring);
    let lines = unless_ended(async { Ok(measuring.await) }).await;
    cases.finish();
    if lines.is_err() {
        writeln!(io::stdout(), "bench: could not run")?;
    }
    let summary = Summary::of(&lines?);
    told?;
    writeln!(io::stdout(), "{summary}")?;
    written?;
    Ok(summary.exit_code())
}

/// An error and its causes.
fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn write(document: &Document, json: Option<&Path>, html: Option<&Path>) -> Result<(), PaperError> {
    if let Some(path) = json {
        document.write(path)?;
    }
    match html {
        Some(path) => put(&page(document), &Sink::File(path.to_owned())),
        None => Ok(()),
    }
}

fn empty(plan: &Bench) -> Document {
    let mut document = Document::new("What was promised of Sidegate, measured");
    let scale = if plan.full {
        "Measured in full."
    } else {
        "The short form: fewer repetitions, wider intervals; what is reckoned up says so."
    };
    document.assumptions = ASSUMPTIONS.iter().map(|it| (*it).to_owned()).collect();
    document.assumptions.push(scale.to_owned());
    document
}

/// What a reader must know.
const ASSUMPTIONS: [&str; 4] = [
    "Everything runs on one machine: the generator, Sidegate, the application, PostgreSQL and Redis share its processors.",
    "PostgreSQL and Redis are servers of each row's own, started for it; PostgreSQL does not wait for the disk, but for the row watch-cost.",
    "Latencies are seen from the client: the proxy, the application and two hops over loopback are in them.",
    "Absolute times are this machine's; ratios are of pairs within one run.",
];
