//! The command `scaling`.
//!
//! Promises: what was measured is written after each table, so that a run that is cut off leaves what it has;
//! standard output holds the tables as Markdown, which is what the documentation has.
//!
//! Does not: hold any logic of the measurements.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sidegate_loadtest::document::{Document, DocumentError, Table};
use sidegate_loadtest::page::page;
use sidegate_loadtest::scaling::{Event, Part, Scale, ScalingError, Wish, measure};
use thiserror::Error;

use crate::paper::{PaperError, put};
use crate::progress::Filling;
use crate::sink::Sink;

/// Of `scaling`.
#[derive(Debug, Args)]
pub(crate) struct ScalingArgs {
    /// The binary to be measured: an optimised one.
    #[arg(long, value_name = "PATH")]
    sidegate: PathBuf,
    /// Where to write what was measured, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write it as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<Sink>,
    /// Only this part: instances, stores, memory or hits; may be given more than once.
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// A million generations, 16 instances, a memory of 200 MB, and more of everything: an hour in place of minutes.
    #[arg(long)]
    full: bool,
}

impl ScalingArgs {
    fn parse(&self) -> Wish {
        let parts = if self.only.is_empty() {
            Part::ALL.to_vec()
        } else {
            self.only.clone()
        };
        Wish {
            sidegate: self.sidegate.clone(),
            parts,
            scale: if self.full { Scale::FULL } else { Scale::SHORT },
        }
    }
}

/// Why not everything was measured.
#[derive(Debug, Error)]
pub(crate) enum ScaleError {
    #[error("a part cannot be measured")]
    Scaling(#[from] ScalingError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Paper(#[from] PaperError),
    #[error("the tables cannot be written")]
    Write(#[from] io::Error),
}

pub(crate) async fn carry_out(args: ScalingArgs) -> Result<(), ScaleError> {
    let wish = args.parse();
    let mut document = Document::new("Scaling");
    document.assumptions = ASSUMPTIONS.map(str::to_owned).to_vec();
    let mut written = Ok(());
    let mut filling = Filling::new();
    let measured = measure(&wish, |event| match event {
        Event::Filling(filled) => filling.show(filled),
        Event::Begun(part) => {
            filling.finish();
            say(part.name());
        }
        Event::Step(step) => say(&format!("    {step}")),
        Event::Ended(table) => {
            document.tables.push(table.clone());
            if written.is_ok() {
                written = write(table, &document, &args);
            }
        }
    })
    .await;
    written?;
    measured?;
    Ok(())
}

fn write(table: &Table, document: &Document, args: &ScalingArgs) -> Result<(), ScaleError> {
    // A page on standard output is alone there.
    if !matches!(args.html, Some(Sink::Stdout)) {
        io::stdout().write_all(markdown(table).as_bytes())?;
    }
    if let Some(path) = &args.json {
        document.write(path)?;
    }
    if let Some(sink) = &args.html {
        put(&page(document), sink)?;
    }
    Ok(())
}

/// Names to the left, figures to the right.
fn markdown(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rules = (0..table.columns.len()).map(|place| if place == 0 { "---" } else { "---:" });
    let mut text = format!("### {}\n\n{}", table.title, line(&table.columns));
    text.push_str(&line(&rules.map(str::to_owned).collect::<Vec<_>>()));
    for row in &table.rows {
        text.push_str(&line(row));
    }
    for note in &table.notes {
        text.push_str(&format!("\n{note}\n"));
    }
    text.push('\n');
    text
}

/// A line for people. When nobody reads standard error, there is nobody to tell.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

const ASSUMPTIONS: [&str; 3] = [
    "Questions, application, Sidegate, PostgreSQL and Redis share the processors of one machine. Processor time is told by \
     process, so that what the others use is not in it; that they push each other out of the processor's caches is.",
    "PostgreSQL runs with its defaults, without waits for the disk, over data that fits into its memory.",
    "No network lies between any of them: what a real one adds is time, and some processor time for TLS.",
];

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn wish(words: &[&str]) -> Result<Wish, clap::Error> {
        let all = ["sidegate-loadtest", "scaling", "--sidegate", "x"];
        let parsed = Cli::try_parse_from(all.iter().chain(words))?;
        let Command::Scaling(args) = parsed.command else {
            unreachable!("another command");
        };
        Ok(args.parse())
    }

    #[test]
    fn all_parts_are_measured_unless_some_are_named() {
        let all = wish(&[]).unwrap();
        assert_eq!((all.parts, all.scale), (Part::ALL.to_vec(), Scale::SHORT));
        let some = wish(&["--only", "hits", "--only", "stores", "--full"]).unwrap();
        assert_eq!(
            (some.parts, some.scale),
            (vec![Part::Hits, Part::Stores], Scale::FULL)
        );
        let refused = wish(&["--only", "size"]).unwrap_err().to_string();
        assert!(
            refused.contains("expected one of instances, stores, memory, hits"),
            "{refused}"
        );
    }

    #[test]
    fn a_table_is_markdown() {
        let table = Table {
            title: "T".to_owned(),
            columns: vec!["a".to_owned(), "b".to_owned()],
            rows: vec![vec!["x".to_owned(), "1".to_owned()]],
            notes: vec!["n".to_owned()],
        };
        assert_eq!(
            markdown(&table),
            "### T\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n\nn\n\n"
        );
    }
}
