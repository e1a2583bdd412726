//! Where facts come from: one question, one answer, one instant.
//!
//! Promise: the rows of an [`Answer`] were all true at the same moment. A missing row is `None`;
//! a store that cannot tell is an error, never an empty answer.

mod directory;
mod file;

pub use directory::{Directory, DirectoryError};
pub use file::{Change, FileError, FileStore, Watch};

use std::sync::Arc;

use sidegate_policy::{Id, MembershipRow, ProjectRow, ResourceRow, SubjectRow};

/// What a decision needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// About whom.
    pub subject: &'q Id,
    /// About which resource: the kind's name and the id.
    pub resource: Option<(&'q str, &'q Id)>,
}

/// The rows that exist.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The subject's row.
    pub subject: Option<Arc<SubjectRow>>,
    /// The resource's row.
    pub resource: Option<Arc<ResourceRow>>,
    /// The row of the resource's project.
    pub project: Option<Arc<ProjectRow>>,
    /// The subject's row in the resource's team.
    pub membership: Option<Arc<MembershipRow>>,
}

/// Why a store has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or does not answer.
    #[error("the store does not answer")]
    Unavailable,
}

/// A store.
#[derive(Debug)]
pub enum Store {
    /// The embedded one.
    File(FileStore),
    /// One that fails as a test wants it to.
    #[cfg(test)]
    Faulty(Fault),
}

/// How a store can fail.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It says that it cannot answer.
    Error,
    /// It never answers.
    Hang,
    /// It panics.
    Panic,
}

impl Store {
    /// Answers a question.
    ///
    /// # Errors
    /// When the store cannot tell.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Answer, StoreError> {
        match self {
            Self::File(store) => Ok(store.directory().answer(question)),
            #[cfg(test)]
            Self::Faulty(Fault::Error) => Err(StoreError::Unavailable),
            #[cfg(test)]
            Self::Faulty(Fault::Hang) => std::future::pending().await,
            #[cfg(test)]
            Self::Faulty(Fault::Panic) => panic!("a fault"),
        }
    }
}
