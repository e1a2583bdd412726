//! Where what was measured goes: standard output, or a file that is replaced whole.

use std::io::{self, Write};
use std::path::PathBuf;

use sidegate_loadtest::replace;

/// `-` is standard output, everything else a file.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    Stdout,
    File(PathBuf),
}

impl Sink {
    /// Puts a text there.
    pub(crate) fn put(&self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(text),
            Self::File(path) => replace(path, text),
        }
    }
}

impl From<String> for Sink {
    fn from(text: String) -> Self {
        if text == "-" {
            Self::Stdout
        } else {
            Self::File(PathBuf::from(text))
        }
    }
}
