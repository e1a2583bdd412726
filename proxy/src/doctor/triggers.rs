//! Triggers: without one a change is not seen.

use tokio_postgres::Client;

use super::DoctorError;
use super::ask::{ask, one};
use super::finding::{Check, Finding, Severity};

pub(super) async fn examine(client: &Client) -> Result<(Vec<Finding>, String), DoctorError> {
    let mut findings = Vec::new();
    for row in ask(client, include_str!("sql/triggers.sql"), &[]).await? {
        let (relation, state): (String, String) = (row.try_get("relation")?, row.try_get("state")?);
        findings.push(finding(&relation, &state, row.try_get("events")?));
    }
    let count: i64 = one(client, "select count(*) from sidegate.triggers", &[])
        .await?
        .try_get(0)?;
    Ok((findings, format!("{count} triggers")))
}

fn finding(relation: &str, state: &str, events: &str) -> Finding {
    let migrate =
        "run `sidegate migrate`: it creates and mends triggers without stopping the application";
    let (severity, what, mend) = match state {
        "surplus" => (
            Severity::Warning,
            format!("{events} on {relation}: no watch wants it any more"),
            migrate.to_owned(),
        ),
        "subscribed" => (
            Severity::Uncached,
            format!("{relation} is written by a logical subscription, for which no trigger runs"),
            format!("end the subscription to {relation}, or use the database that publishes it"),
        ),
        "disabled" => (
            Severity::Uncached,
            format!("the triggers for {events} on {relation} are disabled, or not ALWAYS"),
            migrate.to_owned(),
        ),
        "different" => (
            Severity::Uncached,
            format!("the triggers for {events} on {relation} are not those that were installed"),
            migrate.to_owned(),
        ),
        _ => (
            Severity::Uncached,
            format!("there are no triggers for {events} on {relation}"),
            migrate.to_owned(),
        ),
    };
    Finding::new(Check::Triggers, severity, what, mend)
}
