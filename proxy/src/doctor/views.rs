//! The views by themselves: whether they see every row, and change only when one does.
//!
//! A row that row-level security hides from a view's owner does not exist for us: rights are refused
//! that exist. Of functions and operators, PostgreSQL's own immutable ones are trusted; one of anybody
//! else's is not, whatever it says of itself: what it reads cannot be seen.

use tokio_postgres::Client;

use super::DoctorError;
use super::ask::{Parameter, Quoted, ask};
use super::finding::{Check, Finding, Severity};

/// Tables of which a view does not see all rows, or none.
pub(super) async fn rows(
    client: &Client,
    views: &[Parameter<'_>],
) -> Result<Vec<Finding>, DoctorError> {
    let mut findings = Vec::new();
    for row in ask(client, include_str!("sql/rows.sql"), views).await? {
        let (view, relation): (String, String) = (row.try_get("view")?, row.try_get("relation")?);
        let (reader, owner): (String, String) = (row.try_get("reader")?, row.try_get("owner")?);
        let (invoker, forced): (bool, bool) = (row.try_get("invoker")?, row.try_get("forced")?);
        let by = if invoker {
            "security_invoker"
        } else {
            "its owner"
        };
        let mut found = |what: String, mend: String| {
            findings.push(Finding::new(Check::Rows, Severity::Broken, what, mend));
        };
        if row.try_get("filtered")? {
            let mend = match (invoker, forced) {
                (true, _) => format!("alter view {view} reset (security_invoker)"),
                (false, true) => format!("alter role {} bypassrls", Quoted(&reader)),
                (false, false) => format!("alter view {view} owner to {}", Quoted(&owner)),
            };
            let what = format!(
                "row-level security of {relation} hides rows from {view}, which reads as {reader} ({by})"
            );
            found(what, mend);
        }
        if row.try_get("refused")? {
            let what = format!("{view} may not read {relation}: it reads as {reader} ({by})");
            let mend = format!(
                "grant select on {relation} to {} (and usage on its schema), or make the table's owner the \
                 view's",
                Quoted(&reader)
            );
            found(what, mend);
        }
    }
    Ok(findings)
}

/// Functions that hide what is read, or change their mind by themselves.
pub(super) async fn functions(
    client: &Client,
    views: &[Parameter<'_>],
) -> Result<Vec<Finding>, DoctorError> {
    let mut findings = Vec::new();
    for row in ask(client, include_str!("sql/functions.sql"), views).await? {
        let (view, function): (String, String) = (row.try_get("view")?, row.try_get("function")?);
        let (what, mend) = if row.try_get("foreign_code")? {
            (
                format!("view {view} calls {function}: what that reads cannot be seen"),
                "write its expression, or a join, in the view",
            )
        } else {
            (
                format!("view {view} calls {function}: it changes without any row being changed"),
                "give the columns as they are: memberships.expires_at is compared with the clock when \
                 a decision is made",
            )
        };
        findings.push(Finding::new(
            Check::Functions,
            Severity::Uncached,
            what,
            mend,
        ));
    }
    Ok(findings)
}
