//! What an answer is written as.
//!
//! Promise: what is read back is what was written, to the last byte, or it is [`Malformed`]; ids are parsed
//! again, by the same types as those of the store. Before anything is unpacked its size is known and small.
//!
//! Does not: say who wrote it (`seal`), or whether it is still true (`coherence::shared`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sidegate_policy::{Id, IdType, MembershipRow, ProjectRow, ResourceRow, SubjectRow, UnixMicros};

use crate::store::{Answer, Question};

/// The longest answer that is written, before it is packed.
const MOST: usize = 256 * 1024;

/// An answer with the statement that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) answer: Answer,
    /// The statement's xmin (R2).
    pub(super) xmin: u64,
    /// When it was written, in seconds since 1970.
    pub(super) since: u64,
    /// From this instant on it does not count, in seconds since 1970.
    pub(super) until: u64,
}

/// What was written is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an answer")]
pub(super) struct Malformed;

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    xmin: u64,
    since: u64,
    until: u64,
    #[serde(borrow)]
    subject: WrittenSubject<'a>,
    #[serde(borrow)]
    resource: Option<WrittenResource<'a>>,
    #[serde(borrow)]
    project: Option<WrittenProject<'a>>,
    #[serde(borrow)]
    membership: Option<WrittenMembership<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WrittenSubject<'a> {
    active: bool,
    #[serde(borrow)]
    roles: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct WrittenResource<'a> {
    owner: Option<&'a str>,
    project: Option<&'a str>,
    team: Option<&'a str>,
    status: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct WrittenProject<'a> {
    owner: Option<&'a str>,
    team: Option<&'a str>,
    visibility: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct WrittenMembership<'a> {
    role: &'a str,
    expires_at: Option<i64>,
}

/// How the rest is written.
const PLAIN: u8 = 0;
const PACKED: u8 = 1;

impl Record {
    /// As bytes, packed if they are more than so many. `None`: it is not written, because something that is
    /// never kept is missing from it, or because it is too long.
    pub(super) fn write(&self, question: &Question<'_>, pack_above: usize) -> Option<Vec<u8>> {
        let answer = &self.answer;
        let subject = answer.subject.as_ref()?;
        if question.resource.is_some() != answer.resource.is_some() {
            return None;
        }
        let written = Written {
            xmin: self.xmin,
            since: self.since,
            until: self.until,
            subject: WrittenSubject {
                active: subject.active,
                roles: subject.roles.iter().map(|role| &**role).collect(),
            },
            resource: answer.resource.as_deref().map(|row| WrittenResource {
                owner: row.owner.as_ref().map(Id::as_str),
                project: row.project.as_ref().map(Id::as_str),
                team: row.team.as_ref().map(Id::as_str),
                status: row.status.as_deref(),
            }),
            project: answer.project.as_deref().map(|row| WrittenProject {
                owner: row.owner.as_ref().map(Id::as_str),
                team: row.team.as_ref().map(Id::as_str),
                visibility: row.visibility.as_deref(),
            }),
            membership: answer.membership.as_deref().map(|row| WrittenMembership {
                role: &row.role,
                expires_at: row.expires_at.map(|UnixMicros(at)| at),
            }),
        };
        // The library writes to memory and knows no error here.
        let plain = postcard::to_extend(&written, vec![PLAIN]).ok()?;
        if plain.len() > MOST {
            return None;
        }
        let body = plain.get(1..)?;
        if body.len() <= pack_above {
            return Some(plain);
        }
        let mut packed = vec![PACKED];
        packed.extend(lz4_flex::compress_prepend_size(body));
        Some(if packed.len() < plain.len() {
            packed
        } else {
            plain
        })
    }

    /// What was written for this question.
    pub(super) fn read(
        bytes: &[u8],
        question: &Question<'_>,
        subject_id: IdType,
    ) -> Result<Self, Malformed> {
        let (form, body) = bytes.split_first().ok_or(Malformed)?;
        match *form {
            PLAIN => Self::parse(body, question, subject_id),
            PACKED => {
                let (size, _) = lz4_flex::block::uncompressed_size(body).or(Err(Malformed))?;
                if size > MOST {
                    return Err(Malformed);
                }
                let body = lz4_flex::decompress_size_prepended(body).or(Err(Malformed))?;
                Self::parse(&body, question, subject_id)
            }
            _ => Err(Malformed),
        }
    }

    fn parse(body: &[u8], question: &Question<'_>, subject_id: IdType) -> Result<Self, Malformed> {
        let (written, rest) =
            postcard::take_from_bytes::<Written<'_>>(body).map_err(|_library| Malformed)?;
        if !rest.is_empty() || written.resource.is_some() != question.resource.is_some() {
            return Err(Malformed);
        }
        let subject = SubjectRow {
            active: written.subject.active,
            roles: written.subject.roles.into_iter().map(Arc::from).collect(),
        };
        let owner = |text| id(subject_id, text);
        let name = |text| id(IdType::Text, text);
        let resource = match written.resource {
            Some(row) => Some(Arc::new(ResourceRow {
                owner: owner(row.owner)?,
                project: name(row.project)?,
                team: name(row.team)?,
                status: row.status.map(Arc::from),
            })),
            None => None,
        };
        let project = match written.project {
            Some(row) => Some(Arc::new(ProjectRow {
                owner: owner(row.owner)?,
                team: name(row.team)?,
                visibility: row.visibility.map(Arc::from),
            })),
            None => None,
        };
        let membership = written.membership.map(|row| {
            Arc::new(MembershipRow {
                role: row.role.into(),
                expires_at: row.expires_at.map(UnixMicros),
            })
        });
        Ok(Self {
            answer: Answer {
                subject: Some(Arc::new(subject)),
                resource,
                project,
                membership,
                origin: None,
            },
            xmin: written.xmin,
            since: written.since,
            until: written.until,
        })
    }
}

fn id(id_type: IdType, text: Option<&str>) -> Result<Option<Id>, Malformed> {
    text.map(|text| Id::parse(id_type, text).ok_or(Malformed))
        .transpose()
}
