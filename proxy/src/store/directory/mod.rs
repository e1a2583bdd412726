//! The embedded store's data: a YAML directory of users, teams, memberships, projects, resources.
//!
//! Promise: a [`Directory`] is a complete reading of one text: a row that cannot be understood, an
//! unknown key, a repeated id refuse the whole text. The sections and columns are those of the
//! contract views (DESIGN §3). A row that mentions an id without a row of its own is kept, grants
//! nothing through it, and is listed in [`Directory::dangling`].

mod changes;
mod reader;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use reader::Reader;
use sidegate_policy::{Id, MembershipRow, Policy, ProjectRow, ResourceRow, SubjectRow, team_of};
use text::Text;

use super::{Answer, Question};

/// The rows of one text, indexed.
#[derive(Debug)]
pub struct Directory {
    subjects: HashMap<Id, Arc<SubjectRow>>,
    memberships: HashMap<(Id, Id), Arc<MembershipRow>>,
    projects: HashMap<Id, Arc<ProjectRow>>,
    resources: HashMap<String, HashMap<Id, Arc<ResourceRow>>>,
    dangling: Vec<String>,
    rows: usize,
}

/// Why a text is not a directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It is not YAML of this shape. The message names line and column where they are known.
    #[error("{0}")]
    Syntax(String),
    /// A value is not what its column holds.
    #[error("{place}: `{value}`: expected {expected}")]
    Value {
        /// Where: section, position, column.
        place: String,
        /// What is there.
        value: String,
        /// What should be.
        expected: String,
    },
    /// Two rows have the same key.
    #[error("{place}: there is already a row for `{value}`")]
    Repeated {
        /// Where: section, position.
        place: String,
        /// The key.
        value: String,
    },
}

impl Directory {
    /// Parses a text with the id types of a policy.
    ///
    /// # Errors
    /// When any part of the text cannot be understood.
    pub fn parse(text: &str, policy: &Policy) -> Result<Self, DirectoryError> {
        let text: Text = serde_yaml::from_str(text)
            .map_err(|error| DirectoryError::Syntax(error.to_string()))?;
        let mut reader = Reader::new(policy);
        reader.directory.rows = text.users.len()
            + text.teams.len()
            + text.memberships.len()
            + text.projects.len()
            + text.resources.len();
        reader.users(&text.users)?;
        reader.teams(&text.teams)?;
        reader.memberships(&text.memberships)?;
        reader.projects(&text.projects)?;
        reader.resources(&text.resources)?;
        Ok(reader.finish())
    }

    /// The rows that a question is about.
    #[must_use]
    pub fn answer(&self, question: &Question<'_>) -> Answer {
        let resource = question
            .resource
            .and_then(|(kind, id)| self.resources.get(kind).and_then(|rows| rows.get(id)))
            .cloned();
        let project = resource
            .as_ref()
            .and_then(|row| row.project.as_ref())
            .and_then(|id| self.projects.get(id))
            .cloned();
        let team = resource
            .as_ref()
            .and_then(|row| team_of(row, project.as_deref()))
            .cloned();
        let membership = team
            .and_then(|team| self.memberships.get(&(team, question.subject.clone())))
            .cloned();
        Answer {
            subject: self.subjects.get(question.subject).cloned(),
            resource,
            project,
            membership,
            origin: None,
        }
    }

    /// Ids that rows mention and that have no row, as sentences for `sidegate check`.
    #[must_use]
    pub fn dangling(&self) -> &[String] {
        &self.dangling
    }

    /// How many rows the text has.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }
}
