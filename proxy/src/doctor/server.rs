//! The server: which one, as whom, how many connections, what time.

use std::time::Instant;

use tokio_postgres::Client;

use super::DoctorError;
use super::ask::{Quoted, ask, one};
use super::expect::Expectations;
use super::finding::{Check, Finding, Severity};

/// The first version with views that read as whoever asks, and the last that we know to be too old.
const OLDEST: i32 = 150_000;
/// The clocks may differ by so much, in microseconds, before it is said. A membership ends by our
/// clock; one second is also what a revocation may take at most.
const SKEW_NOTED: u64 = 1_000_000;
/// Beyond, rights outlive their end for longer than tokens do with the default leeway.
const SKEW_WRONG: u64 = 30_000_000;

/// What is known of the server.
pub(super) struct Server {
    version_number: i32,
    version: String,
    standby: bool,
    read_only: bool,
    encrypted: bool,
    pub(super) role: String,
    pub(super) superuser: bool,
    role_limit: i32,
    database: String,
    database_limit: i32,
    server_limit: i32,
    pub(super) sees_sessions: bool,
    pub(super) migrated: bool,
}

impl Server {
    pub(super) async fn read(client: &Client) -> Result<Self, DoctorError> {
        let row = one(client, include_str!("sql/server.sql"), &[]).await?;
        Ok(Self {
            version_number: row.try_get("version_number")?,
            version: row.try_get("version")?,
            standby: row.try_get("standby")?,
            read_only: row.try_get("read_only")?,
            encrypted: row.try_get("encrypted")?,
            role: row.try_get("role")?,
            superuser: row.try_get("superuser")?,
            role_limit: row.try_get("role_limit")?,
            database: row.try_get("database")?,
            database_limit: row.try_get("database_limit")?,
            server_limit: row.try_get("server_limit")?,
            sees_sessions: row.try_get("sees_sessions")?,
            migrated: row.try_get("migrated")?,
        })
    }

    /// One line about it.
    pub(super) fn seen(&self) -> String {
        let tls = if self.encrypted { "with" } else { "without" };
        let (version, database, role) = (&self.version, &self.database, &self.role);
        format!("PostgreSQL {version}, database {database}, as {role}, {tls} TLS")
    }

    pub(super) fn version(&self) -> Vec<Finding> {
        if self.version_number >= OLDEST {
            return Vec::new();
        }
        let what = format!("the server is PostgreSQL {}", self.version);
        let mend = "use version 15 or later";
        vec![Finding::new(Check::Reachable, Severity::Broken, what, mend)]
    }

    pub(super) fn primary(&self) -> Vec<Finding> {
        let finding =
            |severity, what, mend: String| vec![Finding::new(Check::Primary, severity, what, mend)];
        if self.standby {
            let what = "the server is a standby: what was revoked may still be granted there";
            let mend = "point `database.url` to the primary".to_owned();
            return finding(Severity::Broken, what, mend);
        }
        if self.read_only {
            let what = "transactions are read only: after a crash nobody can begin a new life of the \
                        database, and the change log is not cleaned";
            let mend = format!(
                "alter role {0} reset default_transaction_read_only; if it is set for the database or \
                 the server, there",
                Quoted(&self.role)
            );
            return finding(Severity::Uncached, what, mend);
        }
        Vec::new()
    }

    pub(super) fn connections(&self, expected: &Expectations) -> Vec<Finding> {
        let Some((wanted, instances)) = expected.connections else {
            return Vec::new();
        };
        // -1: no limit.
        let limits = [
            (
                self.server_limit,
                "max_connections, less what is reserved,".to_owned(),
            ),
            (
                self.role_limit,
                format!("the connection limit of role {}", self.role),
            ),
            (
                self.database_limit,
                format!("the connection limit of database {}", self.database),
            ),
        ];
        let short = limits.into_iter().filter_map(|(limit, name)| {
            let limit = usize::try_from(limit).ok()?;
            (wanted > limit).then(|| {
                Finding::new(
                    Check::Connections,
                    Severity::Warning,
                    format!("the pools of {instances} instance(s) may open {wanted} connections; {name} is {limit}"),
                    "raise the limit, or lower `database.pool_size` and `database.max_overflow`, or put a \
                     pooler in between and set `database.pooler`",
                )
            })
        });
        short.collect()
    }
}

/// How far the clocks are apart. Half of the round trip is taken off; what a slow network adds is
/// never counted as a difference.
pub(super) async fn clock(
    client: &Client,
    expected: &Expectations,
) -> Result<(Vec<Finding>, String), DoctorError> {
    let (before, start) = (expected.clock.now(), Instant::now());
    let sql = include_str!("sql/clock.sql");
    let theirs: i64 = ask(client, sql, &[])
        .await?
        .first()
        .ok_or(DoctorError::Empty)?
        .try_get("now")?;
    let half = i64::try_from(start.elapsed().as_micros() / 2).unwrap_or(i64::MAX);
    let apart = before.0.saturating_add(half).saturating_sub(theirs);
    let milliseconds = apart / 1000;
    let seen = format!("{milliseconds} ms apart");
    let Some(severity) = skew(apart, half) else {
        return Ok((Vec::new(), seen));
    };
    let direction = if apart > 0 { "ahead of" } else { "behind" };
    let what = format!(
        "our clock is {} ms {direction} the database's: memberships end by ours",
        milliseconds.unsigned_abs()
    );
    let mend = "synchronise both machines' clocks (chrony, systemd-timesyncd)";
    Ok((vec![Finding::new(Check::Clock, severity, what, mend)], seen))
}

/// How bad a difference is that may be wrong by `uncertain`, both in microseconds.
fn skew(apart: i64, uncertain: i64) -> Option<Severity> {
    let certain = apart
        .unsigned_abs()
        .saturating_sub(uncertain.unsigned_abs());
    match certain {
        SKEW_WRONG.. => Some(Severity::Broken),
        SKEW_NOTED.. => Some(Severity::Warning),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_named_and_a_slow_network_is_not() {
        let second = 1_000_000;
        assert_eq!(skew(999_000, 0), None);
        assert_eq!(skew(-2 * second, 0), Some(Severity::Warning));
        assert_eq!(skew(2 * second, 2 * second), None);
        assert_eq!(skew(-31 * second, 0), Some(Severity::Broken));
        assert_eq!(skew(i64::MIN, second), Some(Severity::Broken));
    }
}
