//! What the database is asked again and again, and its answer.
//!
//! Promise: an answer is whole and understood, or there is none. One statement without parameters of a
//! session, so that it passes any pooler.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::snapshot::{NoSnapshot, Snapshot, number};
use super::tag::EVERYTHING;
use crate::credential::{Change, MalformedRecord};
use crate::store::History;

/// The statement. Both parameters are text.
pub(super) const POLL: &str = include_str!("poll.sql");
/// Gives a life of the database its id.
pub(super) const BEGIN_INCARNATION: &str = "select sidegate.begin_incarnation()::text";
/// The most rows of the log that are told one by one. More, and everything counts as changed: after a
/// long silence reading them all would take longer than reading what is asked for anew.
pub(super) const MOST_ROWS: usize = 10_000;

/// What one poll saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Which transactions it saw.
    pub(super) snapshot: Snapshot,
    /// Which life of the database it is.
    pub(super) history: History,
    /// Rows of the log below this may be gone.
    pub(super) floor: u64,
    /// Of what makes changes show in the log.
    pub(super) fingerprint: Box<str>,
    /// What the snapshot before did not see.
    pub(super) changes: Changes,
    /// What is known now of the credentials that these changes name.
    pub(super) credentials: Vec<Change>,
}

/// Rows of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changes {
    /// These, each by one transaction.
    Told(Vec<(u64, Vec<String>)>),
    /// More than [`MOST_ROWS`].
    TooMany,
}

impl Changes {
    /// Whether there are any.
    pub(super) const fn are_told(&self) -> bool {
        match self {
            Self::Told(told) => !told.is_empty(),
            Self::TooMany => true,
        }
    }
}

/// Why an answer cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// A column has no value, or one that means nothing.
    #[error("{0} cannot be understood")]
    Column(&'static str),
    /// There is no row.
    #[error("no row")]
    Empty,
}

/// The parameters that ask for what a snapshot did not see: what was in progress in it, and what began
/// after it. There are no others, and the order of commits plays no part.
pub(super) fn parameters(cursor: Option<&Snapshot>) -> (Option<String>, Option<String>) {
    let Some(cursor) = cursor else {
        return (None, None);
    };
    let mut listed = String::from("{");
    for xid in cursor.in_progress() {
        let comma = if listed.len() > 1 { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(listed, "{comma}{xid}");
    }
    listed.push('}');
    (Some(cursor.xmax().to_string()), Some(listed))
}

/// Reads the rows of an answer.
pub(super) fn read(rows: &[Row]) -> Result<Answer, Malformed> {
    let first = rows.first().ok_or(Malformed::Empty)?;
    let text = |at, name| value::<&str>(first, at, name);
    let floor = number(text(4, "floor")?).map_err(|NoSnapshot| Malformed::Column("floor"))?;
    let snapshot = text(0, "snapshot")?
        .parse()
        .map_err(|NoSnapshot| Malformed::Column("snapshot"))?;
    let changes = changes(rows)?;
    Ok(Answer {
        snapshot,
        history: history(first, 1)?,
        floor,
        fingerprint: text(5, "fingerprint")?.into(),
        credentials: credentials(rows, &changes)?,
        changes,
    })
}

/// Which life of the database it is: three columns from this one on.
pub(super) fn history(row: &Row, at: usize) -> Result<History, Malformed> {
    Ok(History {
        system: value::<&str>(row, at, "system")?.into(),
        timeline: value::<&str>(row, at + 1, "timeline")?.into(),
        incarnation: value::<Option<&str>>(row, at + 2, "incarnation")?.map(Box::from),
    })
}

fn changes(rows: &[Row]) -> Result<Changes, Malformed> {
    if rows.len() > MOST_ROWS {
        return Ok(Changes::TooMany);
    }
    let mut told = Vec::new();
    for row in rows {
        let Some(xid) = value::<Option<&str>>(row, 6, "xid")? else {
            continue;
        };
        let xid = number(xid).map_err(|NoSnapshot| Malformed::Column("xid"))?;
        let tags = value::<Vec<Option<String>>>(row, 7, "tags")?;
        // A tag without a value is about something that nobody named.
        let named = tags
            .into_iter()
            .map(|tag| tag.unwrap_or_else(|| EVERYTHING.to_owned()));
        told.push((xid, named.collect()));
    }
    Ok(Changes::Told(told))
}

/// For every tag that is about a credential what its row says in this snapshot; or that there is none.
fn credentials(rows: &[Row], changes: &Changes) -> Result<Vec<Change>, Malformed> {
    let Changes::Told(told) = changes else {
        return Ok(Vec::new());
    };
    let tags = told.iter().flat_map(|(_, tags)| tags);
    let named: BTreeSet<&str> = tags
        .map(String::as_str)
        .filter(|tag| Change::concerns(tag))
        .collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = BTreeMap::new();
    for row in rows {
        for record in value::<Option<Vec<&str>>>(row, 8, "records")?
            .into_iter()
            .flatten()
        {
            let change =
                Change::parse(record).map_err(|MalformedRecord| Malformed::Column("records"))?;
            found.insert(change.tag.clone(), change);
        }
    }
    let change = |tag: &str| {
        let gone = || Change {
            tag: tag.into(),
            record: None,
        };
        found.remove(tag).unwrap_or_else(gone)
    };
    Ok(named.into_iter().map(change).collect())
}

fn value<'r, T: FromSql<'r>>(row: &'r Row, at: usize, name: &'static str) -> Result<T, Malformed> {
    row.try_get(at)
        .map_err(|_not_of_this_type| Malformed::Column(name))
}
