//! From the statement's row to an [`Answer`].
//!
//! Promise: what is missing is a missing row; what is there and cannot be understood is an error
//! that names the column and never its value. No row grants more than the table says: `active`
//! that is null is false, roles that are null are none, a membership whose role is null is none.
//!
//! Owners are subjects, so they are parsed like subjects' ids. Ids of projects and teams are
//! compared inside the statement and are only names here; their columns' types may differ from any
//! other's. Postgres writes a uuid and a bigint canonically, so their text is their canonical text.

use std::sync::Arc;

use sidegate_policy::{Id, IdType, MembershipRow, ProjectRow, ResourceRow, SubjectRow, UnixMicros};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::store::{Answer, History, Origin};

/// What cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// Not exactly one row.
    #[error("a contract view has two rows for one id")]
    Rows,
    /// A value.
    #[error("{0} cannot be understood")]
    Column(&'static str),
}

/// Where the columns begin.
const SUBJECT: usize = 4;
const RESOURCE: usize = 7;
const PROJECT: usize = 12;
const MEMBERSHIP: usize = 16;

/// Reads the answer to a question about a subject alone.
pub(super) fn about_subject(rows: &[Row]) -> Result<Answer, Malformed> {
    let [row] = rows else {
        return Err(Malformed::Rows);
    };
    Ok(Answer {
        subject: subject(row)?,
        origin: Some(origin(row)?),
        ..Answer::default()
    })
}

/// Reads the answer to a question about a resource.
pub(super) fn about_resource(rows: &[Row], subject_id: IdType) -> Result<Answer, Malformed> {
    let [row] = rows else {
        return Err(Malformed::Rows);
    };
    Ok(Answer {
        subject: subject(row)?,
        resource: resource(row, subject_id)?,
        project: project(row, subject_id)?,
        membership: membership(row)?,
        origin: Some(origin(row)?),
    })
}

pub(super) fn origin(row: &Row) -> Result<Origin, Malformed> {
    let xmin: &str = value(row, 0, "the snapshot's xmin")?;
    let xmin = xmin
        .parse()
        .map_err(|_no_number| Malformed::Column("the snapshot's xmin"))?;
    let system: &str = value(row, 1, "history.system")?;
    let timeline: &str = value(row, 2, "history.timeline")?;
    let incarnation: Option<&str> = value(row, 3, "history.incarnation")?;
    Ok(Origin {
        xmin,
        history: Arc::new(History {
            system: system.into(),
            timeline: timeline.into(),
            incarnation: incarnation.map(Into::into),
        }),
    })
}

fn subject(row: &Row) -> Result<Option<Arc<SubjectRow>>, Malformed> {
    if !value::<bool>(row, SUBJECT, "subjects.id")? {
        return Ok(None);
    }
    let roles: Option<Vec<Option<&str>>> = value(row, SUBJECT + 2, "subjects.roles")?;
    let roles = roles.into_iter().flatten().flatten();
    Ok(Some(Arc::new(SubjectRow {
        active: value(row, SUBJECT + 1, "subjects.active")?,
        roles: roles.map(Arc::from).collect(),
    })))
}

fn resource(row: &Row, subject_id: IdType) -> Result<Option<Arc<ResourceRow>>, Malformed> {
    if !value::<bool>(row, RESOURCE, "resources.id")? {
        return Ok(None);
    }
    Ok(Some(Arc::new(ResourceRow {
        owner: id(row, RESOURCE + 1, subject_id, "resources.owner_id")?,
        project: id(row, RESOURCE + 2, IdType::Text, "resources.project_id")?,
        team: id(row, RESOURCE + 3, IdType::Text, "resources.team_id")?,
        status: text(row, RESOURCE + 4, "resources.status")?,
    })))
}

fn project(row: &Row, subject_id: IdType) -> Result<Option<Arc<ProjectRow>>, Malformed> {
    if !value::<bool>(row, PROJECT, "projects.id")? {
        return Ok(None);
    }
    Ok(Some(Arc::new(ProjectRow {
        owner: id(row, PROJECT + 1, subject_id, "projects.owner_id")?,
        team: id(row, PROJECT + 2, IdType::Text, "projects.team_id")?,
        visibility: text(row, PROJECT + 3, "projects.visibility")?,
    })))
}

fn membership(row: &Row) -> Result<Option<Arc<MembershipRow>>, Malformed> {
    if !value::<bool>(row, MEMBERSHIP, "memberships.user_id")? {
        return Ok(None);
    }
    let end: i64 = value(row, MEMBERSHIP + 2, "memberships.expires_at")?;
    let role = text(row, MEMBERSHIP + 1, "memberships.role")?;
    Ok(role.map(|role| {
        Arc::new(MembershipRow {
            role,
            expires_at: (end != i64::MAX).then_some(UnixMicros(end)),
        })
    }))
}

pub(super) fn value<'r, T: FromSql<'r>>(
    row: &'r Row,
    at: usize,
    name: &'static str,
) -> Result<T, Malformed> {
    row.try_get(at)
        .map_err(|_not_of_this_type| Malformed::Column(name))
}

pub(super) fn text(
    row: &Row,
    at: usize,
    name: &'static str,
) -> Result<Option<Arc<str>>, Malformed> {
    let text: Option<&str> = value(row, at, name)?;
    Ok(text.map(Arc::from))
}

pub(super) fn id(
    row: &Row,
    at: usize,
    id_type: IdType,
    name: &'static str,
) -> Result<Option<Id>, Malformed> {
    let text: Option<&str> = value(row, at, name)?;
    let parse = |text| Id::parse(id_type, text).ok_or(Malformed::Column(name));
    text.map(parse).transpose()
}
