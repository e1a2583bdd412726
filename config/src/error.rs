//! Why a configuration is refused.
//!
//! Promise: one line per problem, `file:line:column: yaml.path: message`, parts that are unknown
//! left out, and each message says what was expected. It does not decide what is a problem.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: expected a readable UTF-8 file: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file was read, and something in it is refused.
    #[error("{}", list(file, problems))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong, in the order of the file. Never empty.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a YAML path: `issuers[0].audiences`. Empty: the document.
    pub path: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column, from 1.
    pub column: Option<usize>,
    /// What was expected, and what was found.
    pub message: String,
}

impl Problem {
    /// The whole line about this problem: `file:line:column: yaml.path: message`.
    #[must_use]
    pub fn in_file(&self, file: &Path) -> String {
        // A problem without a position still needs a space after the file's colon.
        let gap = if self.line.is_some() { "" } else { " " };
        format!("{}:{gap}{self}", file.display())
    }
}

/// Without the file, which only the error knows: `line:column: yaml.path: message`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
            if let Some(column) = self.column {
                write!(f, "{column}:")?;
            }
            f.write_str(" ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

fn list(file: &Path, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| problem.in_file(file))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parts_are_left_out() {
        let file = Path::new("sidegate.yaml");
        let mut problem = Problem {
            path: "listen".to_owned(),
            line: Some(3),
            column: Some(9),
            message: "expected an address".to_owned(),
        };
        let full = "sidegate.yaml:3:9: listen: expected an address";
        assert_eq!(problem.in_file(file), full);
        problem.line = None;
        problem.path.clear();
        assert_eq!(problem.in_file(file), "sidegate.yaml: expected an address");
    }
}
