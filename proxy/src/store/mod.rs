//! Where facts come from: one question, one answer, one instant.
//!
//! Promise: the rows of an [`Answer`] were all true at the same moment. A missing row is `None`;
//! a store that cannot tell is an error, never an empty answer.

mod directory;
mod file;
mod postgres;

pub use directory::{Directory, DirectoryError};
pub use file::{Change, FileError, FileStore, Watch};
pub use postgres::{Built, Credential, Pair, PostgresStore, Trust};

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The subject's row.
    pub subject: Option<Arc<SubjectRow>>,
    /// The resource's row.
    pub resource: Option<Arc<ResourceRow>>,
    /// The row of the resource's project.
    pub project: Option<Arc<ProjectRow>>,
    /// The subject's row in the resource's team.
    pub membership: Option<Arc<MembershipRow>>,
    /// Where it was read; `None` where it was put together from what is kept.
    pub origin: Option<Origin>,
}

/// Where and when a store gave an answer: whoever keeps the answer can tell by it whether it
/// still counts (DESIGN §5, R2 and R4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The snapshot's xmin: every transaction below it had ended, and is in the answer if it
    /// committed. 0 where there are no transactions.
    pub xmin: u64,
    /// Which life of the database it was. Numbers of another one mean nothing.
    pub history: Arc<History>,
}

/// One life of a store. Of a database: a crash, a promotion, a restore begins another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct History {
    /// The cluster.
    pub system: Box<str>,
    /// Its timeline.
    pub timeline: Box<str>,
    /// The life's random id; `None` until somebody has given it one.
    pub incarnation: Option<Box<str>>,
}

/// Why a store has no answer. To a client all of them are the same: nobody can know now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or does not answer.
    #[error("the store does not answer")]
    Unavailable,
    /// It does not answer in time.
    #[error("the store does not answer in time")]
    TimedOut,
    /// It refuses to answer: a view or a permission is missing, or the server is no primary.
    #[error("the store refuses to answer")]
    Refused,
    /// Its answer cannot be understood, or is more than one.
    #[error("the store's answer cannot be understood")]
    Malformed,
}

impl StoreError {
    /// Whether the store could not be asked, as opposed to an answer that is of no use.
    #[must_use]
    pub const fn is_outage(self) -> bool {
        match self {
            Self::Unavailable | Self::TimedOut => true,
            Self::Refused | Self::Malformed => false,
        }
    }
}

/// A store.
#[derive(Debug)]
pub enum Store {
    /// The embedded one.
    File(FileStore),
    /// The application's own tables.
    Postgres(Box<PostgresStore>),
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
    /// The store over a database, if this is one.
    #[must_use]
    pub const fn postgres(&self) -> Option<&PostgresStore> {
        match self {
            Self::Postgres(store) => Some(store),
            Self::File(_) => None,
            #[cfg(test)]
            Self::Faulty(_) => None,
        }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When the store cannot tell.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Answer, StoreError> {
        match self {
            Self::File(store) => Ok(store.ask(question)),
            Self::Postgres(store) => store.ask(question, None).await,
            #[cfg(test)]
            Self::Faulty(Fault::Error) => Err(StoreError::Unavailable),
            #[cfg(test)]
            Self::Faulty(Fault::Hang) => std::future::pending().await,
            #[cfg(test)]
            Self::Faulty(Fault::Panic) => panic!("a fault"),
        }
    }
}
