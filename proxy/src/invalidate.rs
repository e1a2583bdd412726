//! An administrator's word that facts have changed: `sidegate invalidate`, and `/invalidate` of the admin
//! listener.
//!
//! Promise: it goes the way of every change (DESIGN §5), into the change log and from there to every
//! instance within the bound. A tag that nothing kept could have is an error that says what was expected,
//! and then nothing is written at all. The platform's own cache keys (`ownership:U:R`, …) mean the rows
//! that their answers are made of.
//!
//! Does not: change a right, or know what is kept. Afterwards the database is asked again, that is all.

use std::time::Duration;

use serde::Serialize;
use sidegate_config::{PolicySettings, PostgresSettings};
use sidegate_policy::{Id, IdType};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::coherence::Tag;
use crate::database::{self, DatabaseError, describe};
use crate::generation::id_type;

/// What changed, as the log says it: at least one tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tags(Vec<String>);

/// Why text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// There is none.
    #[error("expected at least one tag, such as `member:TEAM:USER`, or `*`")]
    None,
    /// It begins with no known name, or lacks a part.
    #[error("`{0}`: expected {EXPECTED}")]
    Unknown(String),
    /// The policy has no such kind.
    #[error("`{text}`: expected a kind of the policy: {kinds}")]
    Kind {
        /// The tag.
        text: String,
        /// The policy's kinds.
        kinds: String,
    },
    /// An id is not of its column's type.
    #[error("`{text}`: expected an id of type {expected}")]
    Id {
        /// The tag.
        text: String,
        /// The type, or types.
        expected: String,
    },
    /// Memberships are kept one by one.
    #[error("`{0}`: expected `member:TEAM:USER` for each member, or `*`")]
    Team(String),
}

/// Why it is not written.
#[derive(Debug, thiserror::Error)]
pub enum InvalidateError {
    /// The database cannot be had.
    #[error("{0}")]
    Connect(#[from] DatabaseError),
    /// The server refuses, or the connection is lost: it may be written or not.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The server does not answer.
    #[error("no answer within {} s: it may be written or not, and to say it again does no harm", PATIENCE.as_secs())]
    TimedOut,
}

/// How long a write may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

const EXPECTED: &str = "`*`, user:U, member:T:U, project:P, resource:KIND:ID, key:I, session:S, token:J, \
    or one of auth:U:…, user_profile:U, ownership:U:R, team_access:U:R, project_vis:P, gen_media:R:…";

impl Tags {
    /// Reads tags, and what the platform's cache keys stand for.
    ///
    /// # Errors
    /// At the first text that is none; or when there is no text.
    pub fn parse<T: AsRef<str>>(texts: &[T], policy: &PolicySettings) -> Result<Self, TagError> {
        let mut tags = Vec::with_capacity(texts.len());
        for text in texts {
            tags.append(&mut meant(text.as_ref(), policy)?);
        }
        tags.sort_unstable();
        tags.dedup();
        if tags.is_empty() {
            return Err(TagError::None);
        }
        Ok(Self(tags))
    }

    /// Each of them, once.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// Writes tags to the log, in a transaction of its own. Its number.
///
/// # Errors
/// When the server refuses, or the connection is lost.
pub async fn write(client: &Client, tags: &Tags) -> Result<String, tokio_postgres::Error> {
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] =
        [(&tags.0, Type::TEXT_ARRAY)];
    let rows = client.query_typed(WRITE, &parameters).await?;
    rows.first()
        .map_or_else(|| Ok(String::new()), |row| row.try_get(0))
}

/// The same, over a connection of its own and as the login of `database.url`.
///
/// # Errors
/// When there is no connection, or the server refuses or does not answer.
pub async fn write_once(
    settings: &PostgresSettings,
    tags: &Tags,
) -> Result<String, InvalidateError> {
    let database = &settings.database;
    let (client, _connection) = database::connect(&database.url, database).await?;
    match timeout(PATIENCE, write(&client, tags)).await {
        Ok(written) => Ok(written?),
        Err(_elapsed) => Err(InvalidateError::TimedOut),
    }
}

const WRITE: &str = "select sidegate.invalidate($1)::text";

/// What one text stands for.
fn meant(text: &str, policy: &PolicySettings) -> Result<Vec<String>, TagError> {
    if text == "*" {
        return Ok(vec![text.to_owned()]);
    }
    let unknown = || TagError::Unknown(text.to_owned());
    let (name, rest) = text.split_once(':').ok_or_else(unknown)?;
    let two = || {
        rest.split_once(':')
            .filter(|(first, second)| !first.is_empty() && !second.is_empty())
            .ok_or_else(unknown)
    };
    let one = || (!rest.is_empty()).then_some(rest).ok_or_else(unknown);
    let subject = |id| parsed(text, id, id_type(policy.subject_id));
    let tags = match name {
        "user" | "user_profile" => vec![user(&subject(one()?)?)],
        "auth" => vec![user(&subject(two()?.0)?)],
        "member" => {
            let (team, user) = two()?;
            // Where ids are text, one may hold a colon: the parts are then a guess, the tag is not.
            let user = match id_type(policy.subject_id) {
                IdType::Text => user.to_owned(),
                IdType::Uuid | IdType::Bigint => subject(user)?.to_string(),
            };
            let (team, user) = (team, &*user);
            vec![Tag::Member { team, user }.to_string()]
        }
        "project" => vec![Tag::Project(one()?).to_string()],
        "project_vis" => {
            let mut tags = vec![Tag::Project(one()?).to_string()];
            if policy.kinds.contains_key("project") {
                tags.append(&mut resource(text, "project", rest, policy)?);
            }
            tags
        }
        "resource" => {
            let (kind, id) = two()?;
            resource(text, kind, id, policy)?
        }
        // The answer is made of rows; without the resource's, all of them are read anew.
        "ownership" | "team_access" => of_any_kind(text, two()?.1, policy)?,
        "gen_media" => of_any_kind(text, two()?.0, policy)?,
        "key" => vec![Tag::Key(one()?).to_string()],
        "session" => vec![Tag::Session(one()?).to_string()],
        "token" => vec![Tag::Token(one()?).to_string()],
        "team" => return Err(TagError::Team(text.to_owned())),
        _ => return Err(unknown()),
    };
    Ok(tags)
}

fn user(id: &Id) -> String {
    Tag::User(id.as_str()).to_string()
}

fn parsed(text: &str, id: &str, id_type: IdType) -> Result<Id, TagError> {
    Id::parse(id_type, id).ok_or_else(|| TagError::Id {
        text: text.to_owned(),
        expected: id_type.name().to_owned(),
    })
}

fn resource(
    text: &str,
    kind: &str,
    id: &str,
    policy: &PolicySettings,
) -> Result<Vec<String>, TagError> {
    let Some(settings) = policy.kinds.get(kind) else {
        let kinds: Vec<_> = policy.kinds.keys().map(String::as_str).collect();
        return Err(TagError::Kind {
            text: text.to_owned(),
            kinds: kinds.join(", "),
        });
    };
    let id = parsed(text, id, id_type(settings.id))?;
    let id = id.as_str();
    Ok(vec![Tag::Resource { kind, id }.to_string()])
}

/// A key of the platform does not name the kind: every kind that could have such an id.
fn of_any_kind(text: &str, id: &str, policy: &PolicySettings) -> Result<Vec<String>, TagError> {
    let tags: Vec<_> = policy
        .kinds
        .keys()
        .filter_map(|kind| resource(text, kind, id, policy).ok())
        .flatten()
        .collect();
    if tags.is_empty() {
        let mut types: Vec<_> = policy
            .kinds
            .values()
            .map(|kind| id_type(kind.id).name())
            .collect();
        types.sort_unstable();
        types.dedup();
        return Err(TagError::Id {
            text: text.to_owned(),
            expected: types.join(" or "),
        });
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::testing;

    const ID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

    fn parse(text: &str) -> Result<String, String> {
        let mut document = testing::over_database("postgres://me@127.0.0.1:1/app");
        document["policy"]["kinds"] =
            json!({ "generation": { "id": "uuid" }, "page": { "id": "text" } });
        document["policy"]["subject_id"] = json!("uuid");
        document["routes"] = json!([{ "methods": ["GET"], "path": "/a", "access": "public" }]);
        let settings = testing::settings(Path::new("/"), &document);
        let texts: Vec<_> = text.split(' ').filter(|text| !text.is_empty()).collect();
        let tags = Tags::parse(&texts, &settings.policy).map_err(|error| error.to_string())?;
        Ok(tags.as_slice().join(" "))
    }

    #[test]
    fn a_tag_is_written_as_kept_rows_have_it() {
        for (text, expected) in [
            ("*".to_owned(), "*".to_owned()),
            (
                format!("user:{} user:{ID}", ID.to_uppercase()),
                format!("user:{ID}"),
            ),
            (format!("member:t:{{{ID}}}"), format!("member:t:{ID}")),
            (
                "resource:page:a:b".to_owned(),
                "resource:page:a:b".to_owned(),
            ),
            (format!("auth:{ID}:*"), format!("user:{ID}")),
            (
                format!("ownership:{ID}:{ID}"),
                format!("resource:generation:{ID} resource:page:{ID}"),
            ),
            (
                format!("team_access:{ID}:maps"),
                "resource:page:maps".to_owned(),
            ),
            ("project_vis:p".to_owned(), "project:p".to_owned()),
            (
                "key:k token:t".to_owned(),
                "credential:key:k credential:token:t".to_owned(),
            ),
        ] {
            assert_eq!(parse(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_tag_that_no_kept_row_can_have_is_refused_with_what_was_expected() {
        for (text, expected) in [
            ("", "at least one tag"),
            ("user", "`*`, user:U"),
            ("user:", "user:U"),
            ("user:alice", "an id of type uuid"),
            ("member:t", "member:T:U"),
            ("member:t:alice", "an id of type uuid"),
            ("resource:song:1", "generation, page"),
            ("resource:generation:1", "an id of type uuid"),
            ("team:t", "member:TEAM:USER"),
            ("users:a", "user:U"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        // One that is wrong, and nothing is written of the others.
        assert!(parse(&format!("user:{ID} team:t")).is_err());
    }
}
