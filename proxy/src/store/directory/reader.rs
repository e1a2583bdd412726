//! From a text's rows to indexed facts, one section after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sidegate_policy::{
    Id, IdType, MembershipRow, Policy, ProjectRow, ResourceRow, SubjectRow, UnixMicros,
};

use super::text::{IdText, MembershipText, ProjectText, ResourceText, TeamText, UserText};
use super::{Directory, DirectoryError};

/// The kinds that have sections of their own.
const OWN_SECTIONS: [&str; 3] = ["project", "team", "user"];

/// Reads the sections of one text into a [`Directory`].
pub(super) struct Reader<'p> {
    policy: &'p Policy,
    pub(super) directory: Directory,
    teams: HashSet<Id>,
    /// Column, section it points to, id.
    mentioned: Vec<(String, &'static str, Id)>,
}

impl<'p> Reader<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
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

    pub(super) fn users(&mut self, rows: &[UserText]) -> Result<(), DirectoryError> {
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

    pub(super) fn teams(&mut self, rows: &[TeamText]) -> Result<(), DirectoryError> {
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

    pub(super) fn memberships(&mut self, rows: &[MembershipText]) -> Result<(), DirectoryError> {
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

    pub(super) fn projects(&mut self, rows: &[ProjectText]) -> Result<(), DirectoryError> {
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

    pub(super) fn resources(&mut self, rows: &[ResourceText]) -> Result<(), DirectoryError> {
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

    pub(super) fn finish(mut self) -> Directory {
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
