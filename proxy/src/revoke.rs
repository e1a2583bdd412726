//! Taking credentials away: `sidegate revoke`, and `/revocations` of the admin listener.
//!
//! Promise: what is written counts on every instance within the bound (DESIGN §5): it goes the way of every change.
//! It is kept for as long as anything that it is about could still be good: a year, or for ever where nobody can say. What was
//! taken away is not given back: another revocation only takes more.
//!
//! Does not: end a session at its provider, which may issue new tokens for it: a revocation of a session is about
//! those too, one of a user is not.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use sidegate_config::{IssuerSettings, PostgresSettings, Settings};
use sidegate_policy::{Id, UnixMicros};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::authn::MAX_NAME_BYTES;
use crate::clock::Clock;
use crate::database::{self, DatabaseError, describe};
use crate::generation::id_type;

/// How long a write may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// By how much the clock of an issuer may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(600);
/// Longer than any token lives that a configuration may accept: this one, or a later one.
const LONGEST: Duration = Duration::from_secs(367 * 24 * 3600);

/// What is taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    kind: Kind,
    value: String,
    /// What was issued until then; `None`: until now by the database's clock, and of a session or a token for ever.
    before: Option<UnixMicros>,
    note: String,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The transaction's number.
    pub xid: String,
    /// What is worth a second look.
    pub notes: Vec<String>,
}

/// By what it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Everything that a subject has: tokens, links, service keys.
    User,
    /// Every token of a session (the claim `sid`, or what `claims.session` names).
    Session,
    /// One token (`jti`).
    Token,
    /// Everybody's tokens and links. Service keys are not.
    All,
}

/// Why there is nothing to take away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// Not an id of a subject.
    #[error("expected a subject's id of type {0}")]
    Subject(&'static str),
    /// Not a name that a token can have.
    #[error("expected 1 to {MAX_NAME_BYTES} bytes, as a token that is accepted has")]
    Name,
    /// Not a time.
    #[error("expected a time such as 2026-11-28T17:00:00Z")]
    Time,
    /// A time that is long in coming: what is issued until then would not be good when it is issued.
    #[error(
        "expected a time that is not in the future, but for the minutes that an issuer's clock may be ahead"
    )]
    Future,
}

/// Why it is not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
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

impl Kind {
    /// As the tables have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Token => "token",
            Self::All => "all",
        }
    }
}

impl Revocation {
    /// Of what `value` names. `before` is RFC 3339, at most ten minutes ahead; a user's and everybody's default to now,
    /// and of a session and a token everything is meant, whenever it is issued.
    ///
    /// # Errors
    /// When there can be no such thing.
    pub fn new(
        kind: Kind,
        value: &str,
        before: Option<&str>,
        note: &str,
        settings: &Settings,
    ) -> Result<Self, RevocationError> {
        let now = Clock::System.now();
        let before = match before {
            Some(text) => {
                let time =
                    humantime::parse_rfc3339(text).map_err(|_no_time| RevocationError::Time)?;
                let time = micros(time);
                let ahead = i64::try_from(AHEAD.as_micros()).unwrap_or(i64::MAX);
                if time.0 > now.0.saturating_add(ahead) {
                    return Err(RevocationError::Future);
                }
                Some(time)
            }
            None => None,
        };
        let value = match kind {
            Kind::User => {
                let id_type = id_type(settings.policy.subject_id);
                let id = Id::parse(id_type, value);
                let id = id.filter(|id| id.as_str().len() <= MAX_NAME_BYTES);
                id.ok_or(RevocationError::Subject(id_type.name()))?
                    .to_string()
            }
            Kind::Session | Kind::Token => {
                if value.is_empty() || value.len() > MAX_NAME_BYTES || value.contains('\0') {
                    return Err(RevocationError::Name);
                }
                value.to_owned()
            }
            Kind::All => "*".to_owned(),
        };
        Ok(Self {
            kind,
            value,
            before,
            note: note.chars().filter(|it| *it != '\0').take(500).collect(),
        })
    }

    /// The tag under which it is written.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("{}:{}", self.kind.name(), self.value)
    }
}

/// Writes it, in a transaction of its own. The transaction's number.
///
/// # Errors
/// When the server refuses, or the connection is lost.
pub async fn write(
    client: &Client,
    revocation: &Revocation,
    settings: &Settings,
) -> Result<String, tokio_postgres::Error> {
    let kind = revocation.kind.name();
    let before = revocation.before.map(|before| before.0);
    let keep = keep(revocation.kind, settings);
    let keep = keep.map(|keep| i64::try_from(keep.as_secs()).unwrap_or(i64::MAX));
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&kind, Type::TEXT),
        (&revocation.value, Type::TEXT),
        (&before, Type::INT8),
        (&keep, Type::INT8),
        (&revocation.note, Type::TEXT),
    ];
    let rows = client.query_typed(WRITE, &parameters).await?;
    rows.first()
        .map_or_else(|| Ok(String::new()), |row| row.try_get(0))
}

/// The same, over a connection of its own and as the login of `database.url`.
///
/// # Errors
/// When there is no connection, or the server refuses or does not answer.
pub async fn write_once(
    store: &PostgresSettings,
    revocation: &Revocation,
    settings: &Settings,
) -> Result<Written, WriteError> {
    let database = &store.database;
    let (client, _connection) = database::connect(&database.url, database).await?;
    let work = async {
        let xid = write(&client, revocation, settings).await?;
        let notes = notes(&client, revocation).await?;
        Ok::<_, tokio_postgres::Error>(Written { xid, notes })
    };
    match timeout(PATIENCE, work).await {
        Ok(written) => Ok(written?),
        Err(_elapsed) => Err(WriteError::TimedOut),
    }
}

/// What is worth a second look: a subject that nobody has is easily mistyped.
async fn notes(
    client: &Client,
    revocation: &Revocation,
) -> Result<Vec<String>, tokio_postgres::Error> {
    if revocation.kind != Kind::User {
        return Ok(Vec::new());
    }
    let rows = client
        .query_typed(ABOUT, &[(&revocation.value, Type::TEXT)])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Vec::new());
    };
    let (known, keys): (bool, i64) = (row.try_get(0)?, row.try_get(1)?);
    let mut notes = Vec::new();
    if !known {
        notes.push("no subject of this id has a row in sidegate.subjects".to_owned());
    }
    if keys > 0 {
        notes.push(format!("{keys} service keys of this subject are revoked"));
    }
    Ok(notes)
}

/// For how long something that was issued could be good; `None`: nobody can say. A session may be given new tokens for
/// ever, and so may live one that its issuer is asked about.
fn keep(kind: Kind, settings: &Settings) -> Option<Duration> {
    let is_asked = |issuer: &IssuerSettings| issuer.introspection.is_some();
    let endless = kind == Kind::Session || settings.issuers.iter().any(is_asked);
    (!endless).then_some(LONGEST)
}

fn micros(time: SystemTime) -> UnixMicros {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// By the database's clock it is kept, not by ours.
const WRITE: &str = "select sidegate.revoke($1, $2, \
    'epoch'::timestamptz + $3 * interval '1 microsecond', \
    clock_timestamp() + $4 * interval '1 second', $5)::text";
const ABOUT: &str = "select exists (select from sidegate.subjects s where s.id::text = $1), \
    (select count(*) from sidegate.service_keys k where k.subject = $1 and k.revoked_at is not null)";
