//! The embedded store's data: a YAML directory of users, teams, memberships, projects, resources.
//!
//! Promise: a [`Directory`] is a complete reading of one text: a row that cannot be understood, an
//! unknown key, a repeated id refuse the whole text. The sections and columns are those of the
//! contract views (DESIGN §3). A row that mentions an id without a row of its own is kept, grants
//! nothing through it, and is listed in [`Directory::dangling`].

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use sidegate_policy::{
    Id, IdType, MembershipRow, Policy, ProjectRow, ResourceRow, SubjectRow, UnixMicros, team_of,
};

use super::{Answer, Question};

/// The kinds that have sections of their own.
const OWN_SECTIONS: [&str; 3] = ["project", "team", "user"];

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    users: Vec<UserText>,
    #[serde(default)]
    teams: Vec<TeamText>,
    #[serde(default)]
    memberships: Vec<MembershipText>,
    #[serde(default)]
    projects: Vec<ProjectText>,
    #[serde(default)]
    resources: Vec<ResourceText>,
}

/// An id may be written as text or, where ids are numbers, as a number.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum IdText {
    Text(String),
    Number(i64),
}

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserText {
    id: IdText,
    active: bool,
    #[serde(default)]
    roles: Vec<Arc<str>>,
    /// For the reader.
    #[serde(default, rename = "name")]
    _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamText {
    id: IdText,
    /// For the reader.
    #[serde(default, rename = "name")]
    _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembershipText {
    team_id: IdText,
    user_id: IdText,
    role: Arc<str>,
    #[serde(default)]
    expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectText {
    id: IdText,
    #[serde(default)]
    owner_id: Option<IdText>,
    #[serde(default)]
    team_id: Option<IdText>,
    #[serde(default)]
    visibility: Option<Arc<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceText {
    kind: String,
    id: IdText,
    #[serde(default)]
    owner_id: Option<IdText>,
    #[serde(default)]
    project_id: Option<IdText>,
    #[serde(default)]
    team_id: Option<IdText>,
    #[serde(default)]
    status: Option<Arc<str>>,
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

struct Reader<'p> {
    policy: &'p Policy,
    directory: Directory,
    teams: HashSet<Id>,
    /// Column, section it points to, id.
    mentioned: Vec<(String, &'static str, Id)>,
}

impl<'p> Reader<'p> {
    fn new(policy: &'p Policy) -> Self {
        let directory = Directory {
            subjects: HashMap::new(),
            memberships: HashMap::new(),
            projects: HashMap::new(),
            resources: HashMap::new(),
            dangling: Vec::new(),
            rows: 0,
        };
        Self {
            policy,
            directory,
            teams: HashSet::new(),
            mentioned: Vec::new(),
        }
    }

    fn users(&mut self, rows: &[UserText]) -> Result<(), DirectoryError> {
        for (at, row) in rows.iter().enumerate() {
            let place = format!("users[{at}]");
            let id = self.id(&format!("{place}.id"), self.policy.subject_id(), &row.id)?;
            let subject = SubjectRow {
                active: row.active,
                roles: row.roles.clone().into(),
            };
            if self
                .directory
                .subjects
                .insert(id.clone(), Arc::new(subject))
                .is_some()
            {
                return Err(repeated(place, &id));
            }
            let own = ResourceRow {
                owner: Some(id.clone()),
                ..ResourceRow::default()
            };
            self.resource("user", id, own);
        }
        Ok(())
    }

    fn teams(&mut self, rows: &[TeamText]) -> Result<(), DirectoryError> {
        for (at, row) in rows.iter().enumerate() {
            let place = format!("teams[{at}]");
            let id = self.id(&format!("{place}.id"), self.kind_type("team"), &row.id)?;
            if !self.teams.insert(id.clone()) {
                return Err(repeated(place, &id));
            }
            let own = ResourceRow {
                team: Some(id.clone()),
                ..ResourceRow::default()
            };
            self.resource("team", id, own);
        }
        Ok(())
    }

    fn memberships(&mut self, rows: &[MembershipText]) -> Result<(), DirectoryError> {
        for (at, row) in rows.iter().enumerate() {
            let place = format!("memberships[{at}]");
            let team = self.mention(&place, "team_id", "teams", Some(&row.team_id))?;
            let user = self.mention(&place, "user_id", "users", Some(&row.user_id))?;
            let expires_at = row
                .expires_at
                .as_deref()
                .map(|text| instant(&place, text))
                .transpose()?;
            let membership = MembershipRow {
                role: Arc::clone(&row.role),
                expires_at,
            };
            if let (Some(team), Some(user)) = (team, user) {
                let name = format!("{team}, {user}");
                let known = self
                    .directory
                    .memberships
                    .insert((team, user), Arc::new(membership));
                if known.is_some() {
                    return Err(DirectoryError::Repeated { place, value: name });
                }
            }
        }
        Ok(())
    }

    fn projects(&mut self, rows: &[ProjectText]) -> Result<(), DirectoryError> {
        for (at, row) in rows.iter().enumerate() {
            let place = format!("projects[{at}]");
            let id = self.id(&format!("{place}.id"), self.kind_type("project"), &row.id)?;
            let owner = self.mention(&place, "owner_id", "users", row.owner_id.as_ref())?;
            let team = self.mention(&place, "team_id", "teams", row.team_id.as_ref())?;
            let own = ResourceRow {
                owner: owner.clone(),
                project: Some(id.clone()),
                ..ResourceRow::default()
            };
            let project = ProjectRow {
                owner,
                team,
                visibility: row.visibility.clone(),
            };
            if self
                .directory
                .projects
                .insert(id.clone(), Arc::new(project))
                .is_some()
            {
                return Err(repeated(place, &id));
            }
            self.resource("project", id, own);
        }
        Ok(())
    }

    fn resources(&mut self, rows: &[ResourceText]) -> Result<(), DirectoryError> {
        for (at, row) in rows.iter().enumerate() {
            let place = format!("resources[{at}]");
            let kind = self
                .policy
                .kind(&row.kind)
                .filter(|_| !OWN_SECTIONS.contains(&&*row.kind));
            let Some(id_type) = kind.and_then(|kind| self.policy.id_type(kind)) else {
                return Err(DirectoryError::Value {
                    place: format!("{place}.kind"),
                    value: row.kind.clone(),
                    expected: "one of `policy.kinds` without a section of its own".to_owned(),
                });
            };
            let id = self.id(&format!("{place}.id"), id_type, &row.id)?;
            let resource = ResourceRow {
                owner: self.mention(&place, "owner_id", "users", row.owner_id.as_ref())?,
                project: self.mention(&place, "project_id", "projects", row.project_id.as_ref())?,
                team: self.mention(&place, "team_id", "teams", row.team_id.as_ref())?,
                status: row.status.clone(),
            };
            if self.resource(&row.kind, id.clone(), resource).is_some() {
                return Err(repeated(place, &id));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Directory {
        let known = |section: &str, id: &Id| match section {
            "users" => self.directory.subjects.contains_key(id),
            "teams" => self.teams.contains(id),
            _ => self.directory.projects.contains_key(id),
        };
        self.directory.dangling = self
            .mentioned
            .iter()
            .filter(|(_, section, id)| !known(section, id))
            .map(|(place, section, id)| format!("{place}: no row `{id}` in {section}"))
            .collect();
        self.directory
    }

    /// A kind that the policy does not have can have ids of any text: nothing can ask for it.
    fn kind_type(&self, kind: &str) -> IdType {
        self.policy
            .kind(kind)
            .and_then(|kind| self.policy.id_type(kind))
            .unwrap_or(IdType::Text)
    }

    fn id(&self, place: &str, id_type: IdType, text: &IdText) -> Result<Id, DirectoryError> {
        let text = text.to_string();
        Id::parse(id_type, &text).ok_or_else(|| DirectoryError::Value {
            place: place.to_owned(),
            value: text,
            expected: format!("a {}", id_type.name()),
        })
    }

    fn mention(
        &mut self,
        place: &str,
        column: &str,
        section: &'static str,
        text: Option<&IdText>,
    ) -> Result<Option<Id>, DirectoryError> {
        let Some(text) = text else { return Ok(None) };
        let place = format!("{place}.{column}");
        let id_type = match section {
            "users" => self.policy.subject_id(),
            "teams" => self.kind_type("team"),
            _ => self.kind_type("project"),
        };
        let id = self.id(&place, id_type, text)?;
        self.mentioned.push((place, section, id.clone()));
        Ok(Some(id))
    }

    fn resource(&mut self, kind: &str, id: Id, row: ResourceRow) -> Option<Arc<ResourceRow>> {
        self.directory
            .resources
            .entry(kind.to_owned())
            .or_default()
            .insert(id, Arc::new(row))
    }
}

fn repeated(place: String, id: &Id) -> DirectoryError {
    DirectoryError::Repeated {
        place,
        value: id.to_string(),
    }
}

fn instant(place: &str, text: &str) -> Result<UnixMicros, DirectoryError> {
    let parsed = humantime::parse_rfc3339_weak(text).ok();
    let since = parsed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .map(UnixMicros)
        .ok_or_else(|| DirectoryError::Value {
            place: format!("{place}.expires_at"),
            value: text.to_owned(),
            expected: "a time such as 2027-01-31T12:00:00Z".to_owned(),
        })
}
