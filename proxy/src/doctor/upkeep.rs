//! The change log, and who holds it back.

use tokio_postgres::Client;

use super::DoctorError;
use super::ask::{Quoted, ask, one};
use super::expect::Expectations;
use super::finding::{Check, Finding, Severity};
use super::server::Server;

/// The log keeps an hour; one so large is not cleaned, or too much is watched.
const LARGE: i64 = 1 << 30;
/// In seconds: changes are kept for one hour, and cleaned every minute.
const OLD: i64 = 3 * 3600;
/// In seconds: a transaction that lasts longer is named.
const LONG: i64 = 60;

pub(super) async fn log(
    client: &Client,
    expected: &Expectations,
) -> Result<(Vec<Finding>, String), DoctorError> {
    let row = one(client, include_str!("sql/log.sql"), &[]).await?;
    let (bytes, oldest): (i64, i64) = (row.try_get("bytes")?, row.try_get("oldest_seconds")?);
    // -1: nobody has counted yet.
    let rows: i64 = row.try_get::<_, i64>("rows")?.max(0);
    let persistence: String = row.try_get("persistence")?;
    let mut findings = Vec::new();
    let mut found = |severity, what: String, mend: &str| {
        findings.push(Finding::new(Check::Log, severity, what, mend));
    };
    if persistence != "p" {
        let what = "sidegate.change_log is not an ordinary table: a crash empties it".to_owned();
        found(
            Severity::Uncached,
            what,
            "alter table sidegate.change_log set logged",
        );
    }
    if !row.try_get::<_, bool>("has_floor")? {
        let what = "sidegate.floor is empty: nobody knows what the log still has".to_owned();
        let mend =
            "insert into sidegate.floor (xid) values (pg_snapshot_xmax(pg_current_snapshot()))";
        found(Severity::Uncached, what, mend);
    }
    if row.try_get("alien")? {
        let what =
            "the log has transaction ids that this server has not given out: the database was \
                    restored from another one's dump"
                .to_owned();
        let mend = "truncate sidegate.change_log, sidegate.horizon; \
                    update sidegate.floor set xid = pg_snapshot_xmin(pg_current_snapshot())";
        found(Severity::Uncached, what, mend);
    }
    if oldest > OLD {
        let what = format!(
            "the oldest row of the log is {} h old: it is not cleaned",
            oldest / 3600
        );
        let mend = "see the log of Sidegate for why, or who holds it back (`snapshots`); while no \
                    Sidegate runs it is normal";
        found(Severity::Warning, what, mend);
    }
    if bytes > LARGE {
        let what = format!("the log takes {} MiB for about {rows} rows", bytes >> 20);
        let mend = "see who holds it back (`snapshots`), or watch fewer columns; then: \
                    vacuum (analyze) sidegate.change_log";
        found(Severity::Warning, what, mend);
    }
    let (hangs, silent) = (row.try_get("doorbell")?, row.try_get("silent")?);
    findings.extend(doorbell(expected.doorbell, hangs, silent));
    Ok((findings, format!("about {rows} rows, {} KiB", bytes >> 10)))
}

/// Whether one that is wanted rings, and no other.
fn doorbell(wanted: bool, hangs: bool, silent: bool) -> Option<Finding> {
    let (what, mend) = match (wanted, hangs, silent) {
        (false, false, _) | (true, true, false) => return None,
        (false, true, _) => (
            "the doorbell hangs, and `database.doorbell` is false: writes notify whom nobody asked to",
            "run `sidegate migrate`, or set `database.doorbell` to true",
        ),
        (true, false, _) => (
            "the doorbell does not hang: changes are known a poll later",
            "run `sidegate migrate`",
        ),
        (true, true, true) => (
            "the doorbell stays silent, because transactions may be prepared \
             (max_prepared_transactions): changes are known a poll later",
            "set max_prepared_transactions to 0 if nobody prepares any, or `database.doorbell` to false",
        ),
    };
    let what = what.to_owned();
    Some(Finding::new(Check::Log, Severity::Warning, what, mend))
}

pub(super) async fn holders(client: &Client, server: &Server) -> Result<Vec<Finding>, DoctorError> {
    let mut findings = Vec::new();
    let mut found = |what: String, mend: String| {
        findings.push(Finding::new(
            Check::Snapshots,
            Severity::Warning,
            what,
            mend,
        ));
    };
    let mut named = false;
    for row in ask(client, include_str!("sql/holders.sql"), &[]).await? {
        let text = |name| row.try_get::<_, String>(name);
        let (kind, number, name) = (text("kind")?, text("number")?, text("name")?);
        let (application, state) = (text("application")?, text("state")?);
        let seconds = row.try_get::<_, Option<i64>>("seconds")?.unwrap_or(0);
        let inactive = kind == "slot" && state == "inactive";
        // One is enough, and the next one is named when it is gone; a slot has nobody who would end.
        if !inactive && (named || seconds <= LONG) {
            continue;
        }
        named |= !inactive;
        let held =
            format!("holds back the log's clean-up and what instances may share, for {seconds} s");
        match kind.as_str() {
            "session" => found(
                format!(
                    "session {number} (user {name}, application `{application}`, {state}) {held}"
                ),
                format!(
                    "select pg_terminate_backend({number}); and set idle_in_transaction_session_timeout"
                ),
            ),
            "prepared" => found(
                format!("prepared transaction {number} (owner {name}) {held}"),
                format!(
                    "commit prepared '{0}' or rollback prepared '{0}'",
                    number.replace('\'', "''")
                ),
            ),
            _ if inactive => found(
                format!(
                    "replication slot {number} is used by nobody and holds back every clean-up"
                ),
                format!("start its subscriber, or: select pg_drop_replication_slot('{number}')"),
            ),
            _ => found(
                format!("replication slot {number} {held}"),
                "end the long transaction on the standby, or turn hot_standby_feedback off there"
                    .to_owned(),
            ),
        }
    }
    if !server.sees_sessions {
        found(
            "since when the transactions of others run cannot be seen".to_owned(),
            format!("grant pg_read_all_stats to {}", Quoted(&server.role)),
        );
    }
    Ok(findings)
}
