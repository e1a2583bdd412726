//! Where facts come from: the embedded store, or the application's database.
//!
//! Promise: exactly one of them, and a database only where it is described. No file is opened here
//! and nothing is connected to.

use std::time::Duration;

use super::database::database;
use super::report::Report;
use super::value::{Bounds, MILLISECOND};
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::{DatabaseSettings, PostgresSettings, StoreSettings};

/// `described` is the section `database`. It is checked in any case.
pub(crate) fn store(
    raw: raw::Store,
    described: Option<raw::Database>,
    report: &mut Report,
) -> Option<StoreSettings> {
    let at = YamlPath::default().key("store");
    let database = described.map(|raw| database(raw, report));
    match (raw.file, raw.postgres) {
        (Some(raw), None) => {
            if database.is_some() {
                report.note("database is not used with `store.file`".to_owned());
            }
            file(&raw, &at.key("file"), report)
        }
        (None, Some(raw)) => postgres(&raw, database, &at.key("postgres"), report),
        (Some(_), Some(_)) | (None, None) => {
            report.refuse(&at, "expected exactly one of `file` and `postgres`")
        }
    }
}

fn file(raw: &raw::FileStore, at: &YamlPath, report: &mut Report) -> Option<StoreSettings> {
    let path = report.file(&at.key("path"), &raw.path);
    let written = raw.poll_interval.as_ref();
    let poll_interval = report.duration(&at.key("poll_interval"), written, &POLL);
    Some(StoreSettings::File {
        path: path?,
        poll_interval: poll_interval?,
    })
}

/// `database` is `Some(None)` where it was described and refused.
fn postgres(
    raw: &raw::PostgresStore,
    database: Option<Option<DatabaseSettings>>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<StoreSettings> {
    let contract = match &raw.contract {
        Some(written) => report.file(&at.key("contract"), written).map(Some),
        None => Some(None),
    };
    let Some(database) = database else {
        return report.refuse(
            at,
            "expected a section `database` with a `url`, which `store.postgres` needs",
        );
    };
    Some(StoreSettings::Postgres(PostgresSettings {
        contract: contract?,
        database: database?,
    }))
}

const POLL: Bounds = Bounds {
    default: MILLISECOND.saturating_mul(250),
    min: MILLISECOND.saturating_mul(10),
    max: Duration::from_secs(1),
    says: "10ms to 1s",
};
