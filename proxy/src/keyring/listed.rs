//! Keys as they are listed.
//!
//! Promise: nothing of a secret, and no digest.

use std::time::SystemTime;

use serde::Serialize;
use tokio_postgres::Row;

/// A key as it is listed. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// For whom it speaks.
    pub subject: String,
    /// What it is for.
    pub scopes: Vec<String>,
    /// Who answers for it.
    pub owner: String,
    /// Whatever else is worth knowing.
    pub note: String,
    /// `good`, `expired` or `revoked`.
    pub state: String,
    /// Whether its secret was brought along.
    pub imported: bool,
    /// When it was made.
    pub created_at: String,
    /// Until when it is good.
    pub expires_at: Option<String>,
    /// Until when its secret before the last rotation is.
    pub previous_until: Option<String>,
    /// When it was used last, give or take a minute.
    pub last_used_at: Option<String>,
}

impl Listed {
    pub(super) fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let time = |at: usize| {
            let time: Option<SystemTime> = row.try_get(at)?;
            Ok::<_, tokio_postgres::Error>(
                time.map(|time| humantime::format_rfc3339_seconds(time).to_string()),
            )
        };
        Ok(Self {
            id: row.try_get(0)?,
            subject: row.try_get(1)?,
            scopes: row.try_get(2)?,
            owner: row.try_get(3)?,
            note: row.try_get(4)?,
            state: row.try_get(5)?,
            imported: row.try_get(6)?,
            created_at: time(7)?.unwrap_or_default(),
            expires_at: time(8)?,
            previous_until: time(9)?,
            last_used_at: time(10)?,
        })
    }
}

pub(super) const LIST: &str = "\
select id, subject, scopes, owner, note, \
       case when revoked_at is not null then 'revoked' when expires_at <= clock_timestamp() then 'expired' else 'good' end, \
       imported, created_at, nullif(expires_at, 'infinity'), previous_until, last_used_at \
from sidegate.service_keys order by created_at, id";
