//! Rights: what we need, what nobody else may have.
//!
//! Whatever everybody may write in schema `sidegate` turns caching off, because who can delete from the
//! log can hide a revocation; what everybody may read or call is a warning.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::DoctorError;
use super::ask::{Quoted, ask};
use super::finding::{Check, Finding, Severity};
use super::server::Server;

/// What was found, and whether the rest can be looked at.
pub(super) struct Rights {
    pub(super) findings: Vec<Finding>,
    pub(super) may_look: bool,
}

pub(super) async fn examine(
    client: &Client,
    server: &Server,
    views: &[String],
) -> Result<Rights, DoctorError> {
    let mut findings = Vec::new();
    let missing = missing(client, server, views).await?;
    let may_look = missing.is_none();
    findings.extend(missing);
    if server.superuser {
        let what = format!(
            "{} is a superuser: whoever has its password has everything",
            server.role
        );
        let mend = "create a login without rights of its own for `database.url`, keep this one for \
                    `database.migrate_url`, and run `sidegate migrate`";
        findings.push(Finding::new(Check::Rights, Severity::Warning, what, mend));
    }
    findings.extend(public(client).await?);
    Ok(Rights { findings, may_look })
}

/// What we may not do and have to, in one finding: one grant mends all of it.
async fn missing(
    client: &Client,
    server: &Server,
    views: &[String],
) -> Result<Option<Finding>, DoctorError> {
    let sql = include_str!("sql/rights.sql");
    let mut severity = Severity::Uncached;
    let mut refused = Vec::new();
    for row in ask(client, sql, &[(&views, Type::TEXT_ARRAY)]).await? {
        let (right, name): (String, String) = (row.try_get("kind")?, row.try_get("name")?);
        let bare = name.strip_prefix("sidegate.").unwrap_or("");
        // Without these no question can be answered.
        let asked = ["history", "revocation_records", "key_records"].contains(&bare);
        if right == "usage" || asked || views.iter().any(|view| view == bare) {
            severity = Severity::Broken;
        }
        refused.push(format!("{right} on {name}"));
    }
    if refused.is_empty() {
        return Ok(None);
    }
    let what = format!("{} may not: {}", server.role, refused.join(", "));
    let mend = format!(
        "grant sidegate_reader to {}; the role must inherit. If it has that: `sidegate migrate`",
        Quoted(&server.role)
    );
    Ok(Some(Finding::new(Check::Rights, severity, what, mend)))
}

async fn public(client: &Client) -> Result<Vec<Finding>, DoctorError> {
    let mut findings = Vec::new();
    for row in ask(client, include_str!("sql/public.sql"), &[]).await? {
        let (kind, name): (String, String) = (row.try_get("kind")?, row.try_get("name")?);
        let rights: String = row.try_get("rights")?;
        let severity = if row.try_get("writes")? {
            Severity::Uncached
        } else {
            Severity::Warning
        };
        let what = format!("everybody may {rights} on {kind} {name}");
        let mend = format!("revoke all on {kind} {name} from public");
        findings.push(Finding::new(Check::Rights, severity, what, mend));
    }
    Ok(findings)
}
