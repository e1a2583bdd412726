//! Why a document cannot be read, and where.
//!
//! Promise: a message is one printable line. Does not: repeat what stood there instead.

use std::fmt;
use std::io;

use super::text::shown;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenApiError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is too long.
    #[error("expected at most 16 MiB")]
    TooLong,
    /// It is no text.
    #[error("expected text in UTF-8")]
    NotText,
    /// It is neither JSON nor YAML.
    #[error("expected JSON or YAML: {0}")]
    Syntax(String),
    /// Something in it is not what it has to be.
    #[error("{place}: expected {expected}")]
    Expected {
        /// Where, such as `paths./a/{b}.get`.
        place: Place,
        /// What has to be there.
        expected: &'static str,
    },
}

/// A place in a document, such as `paths./a/{b}.get.parameters[0]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// A key of the document itself.
    pub(super) fn root(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// A key below.
    pub(super) fn key(&self, key: &str) -> Self {
        Self(format!("{}.{key}", self.0))
    }

    /// An entry of a list.
    pub(super) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// Says what has to be here.
    pub(super) fn expected(self, expected: &'static str) -> OpenApiError {
        OpenApiError::Expected {
            place: self,
            expected,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}
