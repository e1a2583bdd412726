//! What becomes of figures: documents, pages, verdicts, comparisons.
//!
//! Promises: pages go where they were wanted, and nothing is written of a document that cannot be read.
//!
//! Does not: measure.

use std::io;
use std::path::PathBuf;

use clap::Args;
use sidegate_loadtest::Report;
use sidegate_loadtest::compare::{Allowance, Comparison, NothingInCommon};
use sidegate_loadtest::document::{Document, DocumentError, Measured, Verdict};
use sidegate_loadtest::limit::Limit;
use sidegate_loadtest::page::{comparison, page};
use thiserror::Error;

use crate::sink::Sink;

/// Of `run`, beside its report.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// What must hold, such as 'p95 < 75ms', 'errors < 0.1%', 'rate > 490/s'; may be given more than once.
    #[arg(long = "require", value_name = "LIMIT")]
    limits: Vec<Limit>,
    /// Where to write the run as a document, for `page` and `compare`.
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Where to write the run as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Of the run in its document: runs are compared by their names.
    #[arg(long, default_value = "run")]
    name: String,
}

/// Of `page`.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// A document, as JSON.
    #[arg(value_name = "REPORT.json")]
    document: PathBuf,
    /// Where to write the page: a file, or - for standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    html: Sink,
}

/// Of `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The earlier document.
    #[arg(value_name = "BEFORE.json")]
    before: PathBuf,
    /// The later one.
    #[arg(value_name = "AFTER.json")]
    after: PathBuf,
    /// Where to write the comparison as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// How much longer 95 % of answers may take, and how many more errors there may be.
    #[arg(long, value_name = "SHARE", default_value = "10%")]
    worse: Allowance,
}

/// Why there is no document, page or comparison.
#[derive(Debug, Error)]
pub(crate) enum PaperError {
    #[error("the document cannot be used")]
    Document(#[from] DocumentError),
    #[error("nothing can be compared")]
    Compare(#[from] NothingInCommon),
    #[error("{to} cannot be written")]
    Write { to: String, source: io::Error },
}

impl Wanted {
    /// Judges and writes a run.
    pub(crate) fn write(self, report: Report) -> Result<Vec<Verdict>, PaperError> {
        let limits = self.limits.iter();
        let verdicts: Vec<_> = limits.map(|limit| limit.judge(&report, None)).collect();
        let mut document = Document::new("A load");
        document.assumptions = ASSUMPTIONS.map(str::to_owned).to_vec();
        document.runs.push(Measured {
            name: self.name,
            about: format!("{} {}", report.method, report.urls.join(", ")),
            report,
            flow: Vec::new(),
            tiers: None,
            limits: verdicts.clone(),
            events: Vec::new(),
        });
        if let Some(path) = &self.document {
            document.write(path)?;
        }
        if let Some(path) = self.html {
            put(&page(&document), &Sink::File(path))?;
        }
        Ok(verdicts)
    }
}

impl PageArgs {
    pub(crate) fn carry_out(&self) -> Result<(), PaperError> {
        let document = Document::read(&self.document)?;
        put(&page(&document), &self.html)
    }
}

impl CompareArgs {
    /// Whether nothing is worse.
    pub(crate) fn carry_out(self) -> Result<bool, PaperError> {
        let (before, after) = (Document::read(&self.before)?, Document::read(&self.after)?);
        let compared = Comparison::new(&before, &after, self.worse)?;
        if let Some(path) = self.html {
            put(&comparison(&compared), &Sink::File(path))?;
        }
        put(&format!("{compared}\n"), &Sink::Stdout)?;
        Ok(compared.worse.is_empty())
    }
}

const ASSUMPTIONS: [&str; 2] = [
    "Requests are due at a constant rate; a latency counts from the moment its request was due, so that a \
     stall is seen by every request that it delays.",
    "The generator ran on the machine that is named above; what it took of the processors was not there for \
     what was measured, if that ran on the same machine.",
];

/// Puts a page, or what is told of one, where it is wanted.
pub(crate) fn put(text: &str, sink: &Sink) -> Result<(), PaperError> {
    sink.put(text.as_bytes())
        .map_err(|source| PaperError::Write {
            to: match sink {
                Sink::Stdout => "standard output".to_owned(),
                Sink::File(path) => path.display().to_string(),
            },
            source,
        })
}
