//! What was measured, as it is written to JSON and read back for a comparison or a page.
//!
//! Promises: a document says by itself what was measured, on what, under which assumptions and whether it
//! is within its limits. Field names are a format: they are added, not changed.
//!
//! Does not: measure; or know how a page looks.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::replace::replace;
use crate::report::Report;

/// One or more measurements of one day on one machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What this is about.
    pub title: String,
    /// When it was made, as in RFC 3339.
    pub made_at: String,
    /// Where.
    pub machine: Machine,
    /// What a reader must know to judge the figures, in sentences.
    pub assumptions: Vec<String>,
    /// Loads.
    pub runs: Vec<Measured>,
    /// What was promised, and what was found.
    pub rows: Vec<RowFigure>,
    /// Everything else.
    pub tables: Vec<Table>,
}

/// The machine that everything ran on: generator, proxy, application and databases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// That this process may use.
    pub processors: usize,
    /// Of the processors.
    pub model: String,
    /// The operating system's.
    pub kernel: String,
    /// Of the machine.
    pub memory_bytes: u64,
    /// That one process may have, at most; 0: any number.
    pub open_files: u64,
}

/// One load and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Short, and the same in documents that are to be compared.
    pub name: String,
    /// What is done, in a sentence or two.
    pub about: String,
    /// Seen from the client.
    pub report: Report,
    /// Where the time of a request goes, in the order in which it does; empty where nobody knows.
    pub flow: Vec<Part>,
    /// Where the rows of decisions came from.
    pub tiers: Option<Tiers>,
    /// What was to hold.
    pub limits: Vec<Verdict>,
    /// What happened meanwhile: the second of the measured time, and what.
    pub events: Vec<(f64, String)>,
}

/// A part of a request's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Of the part.
    pub name: String,
    /// In the mean of all requests, in microseconds.
    pub mean_us: f64,
    /// Whose it is.
    pub owner: Owner,
}

/// Who spends a part of a request's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// Sidegate.
    Sidegate,
    /// The application.
    Application,
    /// What is between them and the client.
    Network,
}

/// Questions of decisions, by where their rows came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiers {
    /// The process's memory.
    pub l1: u64,
    /// Redis.
    pub l2: u64,
    /// The materialized view.
    pub view: u64,
    /// The tables.
    pub store: u64,
    /// Memory past its bound, because the store could not be asked.
    pub stale: u64,
}

/// Something that was to hold, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was to hold.
    pub limit: String,
    /// What was found.
    pub found: String,
    /// Whether it holds.
    pub is_met: bool,
}

/// A row of what was promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFigure {
    /// Of the row.
    pub name: String,
    /// What was to be reached.
    pub target: String,
    /// What was found, in words.
    pub measured: String,
    /// Whether that is within the target.
    pub outcome: RowOutcome,
    /// Why it was missed or left out, as far as that was found.
    pub reason: Option<String>,
}

/// Whether a row is within its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowOutcome {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// It was not measured, or not all of it.
    Skipped,
    /// It was to be measured, and could not be.
    Failed,
}

/// Figures in rows and columns, as they are printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What this is.
    pub title: String,
    /// Of the columns.
    pub columns: Vec<String>,
    /// Each with a value for every column.
    pub rows: Vec<Vec<String>>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Why a document cannot be read or written.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// The file.
    #[error("{path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Not what this program writes.
    #[error("{path}: expected a document that this program has written")]
    Content {
        /// Which.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Document {
    /// An empty one, of now and of this machine.
    #[must_use]
    pub fn new(title: &str) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "when something was measured is for people, who have calendars"
        )]
        let now = SystemTime::now();
        Self {
            title: title.to_owned(),
            made_at: humantime::format_rfc3339_seconds(now).to_string(),
            machine: Machine::here(),
            ..Self::default()
        }
    }

    /// Whether nothing in it is outside of its limits, or could not be measured.
    #[must_use]
    pub fn is_met(&self) -> bool {
        let mut limits = self.runs.iter().flat_map(|run| &run.limits);
        let is_against = |row: &RowFigure| match row.outcome {
            RowOutcome::Met | RowOutcome::Skipped => false,
            RowOutcome::Missed | RowOutcome::Failed => true,
        };
        limits.all(|limit| limit.is_met) && !self.rows.iter().any(is_against)
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Self, DocumentError> {
        let text = fs::read(path).map_err(|source| file(path, source))?;
        serde_json::from_slice(&text).map_err(|source| DocumentError::Content {
            path: path.display().to_string(),
            source,
        })
    }

    /// Writes it as JSON, and the folder around it. Whoever reads meanwhile sees all of the one before or all of this one.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DocumentError> {
        let written = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
            text.push(b'\n');
            replace(path, &text)
        };
        written().map_err(|source| file(path, source))
    }
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let kibibytes = field(&read("/proc/meminfo"), "MemTotal").and_then(|value| {
            let number = value.split_whitespace().next()?;
            number.parse::<u64>().ok()
        });
        Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            model: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_bytes: kibibytes.unwrap_or_default().saturating_mul(1024),
            open_files: getrlimit(Resource::Nofile).maximum.unwrap_or_default(),
        }
    }
}

impl Tiers {
    /// All questions.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self {
            l1,
            l2,
            view,
            store,
            stale,
        } = self;
        l1 + l2 + view + store + stale
    }

    /// Of all, those from memory; 0 to 1. Without any it is 1: nothing was asked elsewhere.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
    pub fn l1_share(&self) -> f64 {
        match self.total() {
            0 => 1.0,
            total => (self.l1 + self.stale) as f64 / total as f64,
        }
    }

    /// Of those that memory could not answer, those from Redis; 0 to 1. Without any it is 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
    pub fn l2_share(&self) -> f64 {
        match self.l2 + self.view + self.store {
            0 => 1.0,
            total => self.l2 as f64 / total as f64,
        }
    }
}

/// The value after `name` and a colon.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

fn file(path: &Path, source: io::Error) -> DocumentError {
    DocumentError::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;
