//! Sidegate's own schema: whether it is what this version has.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::DoctorError;
use super::ask::{Parameter, ask, one};
use super::finding::{Check, Finding, Severity};
use crate::migrate;

/// What the other checks and a running Sidegate ask for.
const RELATIONS: [&str; 13] = [
    "state",
    "history",
    "change_log",
    "floor",
    "horizon",
    "incarnation",
    "watches",
    "triggers",
    "surplus",
    "service_keys",
    "revocations",
    "revocation_records",
    "key_records",
];
const FUNCTIONS: [&str; 8] = [
    "begin_incarnation",
    "clean",
    "invalidate",
    "tree",
    "revoke",
    "revoke_key",
    "keys_used",
    "forget_revocations",
];

/// A migration's name and checksum by its version.
type Migrations = BTreeMap<i64, (String, String)>;

/// Findings that are [`Severity::Broken`] mean that the rest cannot be looked at.
pub(super) async fn examine(client: &Client) -> Result<(Vec<Finding>, String), DoctorError> {
    let (relations, functions) = (RELATIONS.as_slice(), FUNCTIONS.as_slice());
    let parameters: [Parameter<'_>; 2] = [
        (&relations, Type::TEXT_ARRAY),
        (&functions, Type::TEXT_ARRAY),
    ];
    let row = one(client, include_str!("sql/migrations.sql"), &parameters).await?;
    let mut absent: Vec<String> = row.try_get("absent")?;
    let history: Option<bool> = row.try_get("history")?;
    absent.extend(
        history
            .is_none()
            .then(|| "sidegate.schema_history".to_owned()),
    );
    if !absent.is_empty() {
        let what = format!("not there: {}", absent.join(", "));
        let mend = "run `sidegate migrate`; if it says that nothing is to be done, the schema was changed by hand: \
                    restore it (`sidegate migrate --down` would take keys and revocations along)";
        let finding = Finding::new(Check::Migrations, Severity::Broken, what, mend);
        return Ok((vec![finding], String::new()));
    }
    let ours: Migrations = migrate::runner()
        .get_migrations()
        .iter()
        .map(|it| {
            let known = (it.name().to_owned(), it.checksum().to_string());
            (i64::from(it.version()), known)
        })
        .collect();
    let count = ours.len();
    if history != Some(true) {
        return Ok((
            Vec::new(),
            format!("{count}; which were applied cannot be seen"),
        ));
    }
    let mut applied = Migrations::new();
    for row in ask(client, include_str!("sql/history.sql"), &[]).await? {
        let known = (row.try_get("name")?, row.try_get("checksum")?);
        applied.insert(row.try_get("version")?, known);
    }
    Ok((compare(&ours, &applied), format!("{count} migrations")))
}

fn compare(ours: &Migrations, applied: &Migrations) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |severity, what: String, mend: &str| {
        findings.push(Finding::new(Check::Migrations, severity, what, mend));
    };
    for (version, migration) in ours {
        let file = format!("V{version}__{}", migration.0);
        match applied.get(version) {
            None => found(
                Severity::Broken,
                format!("migration {file} is not applied"),
                "run `sidegate migrate`",
            ),
            Some(theirs) if theirs != migration => found(
                Severity::Uncached,
                format!("migration {file} was applied with another text"),
                "install the Sidegate that migrated this database",
            ),
            Some(_) => {}
        }
    }
    let newer = applied
        .iter()
        .find(|(version, _)| !ours.contains_key(version));
    if let Some((version, (name, _))) = newer {
        found(
            Severity::Warning,
            format!("migration V{version}__{name} is of a newer Sidegate"),
            "install the Sidegate that migrated this database",
        );
    }
    findings
}
