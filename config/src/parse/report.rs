//! What is found while the settings are made: problems, notes, insecure options, files.
//!
//! Promise: a problem is recorded once, with its YAML path, and checking goes on. A `None` from
//! any parser means that its problem is already here. It has no rules of its own.

use std::path::{Path, PathBuf, absolute};

use crate::locate::{Aim, Finding, YamlPath};
use crate::raw::Lenient;

/// Everything found so far.
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<String>,
    pub(crate) insecure: Vec<String>,
    /// The configuration itself, and what was read because of it. Absolute, none twice.
    pub(crate) files: Vec<PathBuf>,
    base: PathBuf,
}

impl Report {
    /// Relative paths will start from the folder of `file`.
    pub(crate) fn new(file: &Path) -> Self {
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        // `absolute` refuses the empty path, which means the current folder here.
        let base = absolute(Path::new(".").join(folder));
        Self {
            files: vec![absolute(file).unwrap_or_else(|_| file.to_path_buf())],
            findings: Vec::new(),
            notes: Vec::new(),
            insecure: Vec::new(),
            base: base.unwrap_or_else(|_| folder.to_path_buf()),
        }
    }

    /// Records a problem.
    pub(crate) fn problem(&mut self, path: &YamlPath, message: impl Into<String>) {
        self.findings.push(Finding {
            path: path.clone(),
            aim: Aim::Value,
            message: message.into(),
        });
    }

    /// Records a problem with a key.
    pub(crate) fn key_problem(&mut self, path: &YamlPath, message: impl Into<String>) {
        self.findings.push(Finding {
            path: path.clone(),
            aim: Aim::Key,
            message: message.into(),
        });
    }

    /// Records a problem in the place of a value.
    pub(crate) fn refuse<T>(&mut self, path: &YamlPath, message: impl Into<String>) -> Option<T> {
        self.problem(path, message);
        None
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Whether an `insecure_…` option is on. One that is gets named in the log at start.
    pub(crate) fn insecure(&mut self, at: &YamlPath, key: &str, on: Lenient<bool>) -> bool {
        if on.0 {
            self.insecure.push(at.key(key).to_string());
        }
        on.0
    }

    /// Records a file that the settings are read from.
    pub(crate) fn reads(&mut self, file: &Path) {
        if !self.files.iter().any(|known| known == file) {
            self.files.push(file.to_path_buf());
        }
    }

    /// A path that was written, from the configuration's folder.
    pub(crate) fn resolve(&self, written: &str) -> PathBuf {
        self.base.join(written)
    }
}
