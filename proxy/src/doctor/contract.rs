//! The contract's views: that they are there, and what their columns are.

use std::collections::BTreeMap;

use sidegate_config::IdType;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::DoctorError;
use super::ask::{ask, one};
use super::expect::{Expectations, name};
use super::finding::{Check, Finding, Severity};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Subject,
    Project,
    Team,
    /// The id of a resource, as its view is called.
    Resource(IdType),
    Text,
    Texts,
    Boolean,
    Time,
}

/// A column as it is.
struct Column {
    view: String,
    name: String,
    /// As PostgreSQL shows it.
    shown: String,
    /// PostgreSQL's own name of it, if it is one of PostgreSQL's own.
    base: Option<String>,
    is_domain: bool,
    bytewise: bool,
    collation: String,
}

pub(super) async fn examine(
    client: &Client,
    expected: &Expectations,
) -> Result<Vec<Finding>, DoctorError> {
    let mut findings = Vec::new();
    let applied: bool = one(client, include_str!("sql/applied.sql"), &[])
        .await?
        .try_get("applied")?;
    if !applied {
        let what = "no contract is applied, or a table was released";
        let mend = "run `sidegate migrate`";
        findings.push(Finding::new(Check::Contract, Severity::Broken, what, mend));
    }
    let names = expected.views();
    let mut views: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    let sql = include_str!("sql/columns.sql");
    for row in ask(client, sql, &[(&names, Type::TEXT_ARRAY)]).await? {
        let (view, kind): (String, String) = (row.try_get("view")?, row.try_get("kind")?);
        if kind != "v" {
            continue;
        }
        views.entry(view.clone()).or_default().push(Column {
            view,
            name: row.try_get("column_name")?,
            shown: row.try_get("type")?,
            base: row.try_get("base")?,
            is_domain: row.try_get("is_domain")?,
            bytewise: row.try_get("bytewise")?,
            collation: row.try_get("collation")?,
        });
    }
    let id_of = |view: &str, column: &str| {
        let columns = views.get(view)?;
        id_type(columns.iter().find(|it| it.name == column)?)
    };
    let types = Types {
        subject: expected.subject,
        project: id_of("projects", "id"),
        team: id_of("memberships", "team_id"),
    };
    for view in names {
        match views.get(&view) {
            Some(columns) => {
                for wanted in wanted(&view) {
                    findings.extend(types.judge(&view, wanted, columns));
                }
            }
            // Said once already.
            None if !applied => {}
            None => {
                let what = format!("there is no view sidegate.{view}");
                let mend = "define it in the contract (`store.postgres.contract`) and run \
                            `sidegate migrate`";
                findings.push(Finding::new(Check::Contract, Severity::Broken, what, mend));
            }
        }
    }
    Ok(findings)
}

/// The columns of a view of the contract (DESIGN §3).
fn wanted(view: &str) -> Vec<(&'static str, Expected)> {
    let id = match view {
        "subjects" => {
            return vec![
                ("id", Expected::Subject),
                ("active", Expected::Boolean),
                ("roles", Expected::Texts),
            ];
        }
        "memberships" => {
            return vec![
                ("team_id", Expected::Team),
                ("user_id", Expected::Subject),
                ("role", Expected::Text),
                ("expires_at", Expected::Time),
            ];
        }
        "projects" => {
            return vec![
                ("id", Expected::Project),
                ("owner_id", Expected::Subject),
                ("team_id", Expected::Team),
                ("visibility", Expected::Text),
            ];
        }
        "resources_uuid" => IdType::Uuid,
        "resources_bigint" => IdType::Bigint,
        _ => IdType::Text,
    };
    vec![
        ("kind", Expected::Text),
        ("id", Expected::Resource(id)),
        ("owner_id", Expected::Subject),
        ("project_id", Expected::Project),
        ("team_id", Expected::Team),
        ("status", Expected::Text),
        ("updated_at", Expected::Time),
    ]
}

/// The types that ids have to agree on; `None`: the column that says so is bad itself.
struct Types {
    subject: IdType,
    project: Option<IdType>,
    team: Option<IdType>,
}

impl Types {
    fn judge(
        &self,
        view: &str,
        (column, expected): (&str, Expected),
        columns: &[Column],
    ) -> Option<Finding> {
        let finding = |what: String, mend: String| {
            Some(Finding::new(Check::Contract, Severity::Broken, what, mend))
        };
        let Some(found) = columns.iter().find(|it| it.name == column) else {
            let what = format!("sidegate.{view} has no column {column}");
            return finding(
                what,
                format!("add {column} to the view; what is not there is `null`, cast to its type"),
            );
        };
        let (id, says) = match expected {
            Expected::Subject => (Some(self.subject), "`policy.subject_id`"),
            Expected::Project => (self.project, "sidegate.projects.id"),
            Expected::Team => (self.team, "sidegate.memberships.team_id"),
            Expected::Resource(id) => (Some(id), "the view's name"),
            Expected::Text => return text(found),
            Expected::Texts => return plain(found, &["_text", "_varchar"], "text[]"),
            Expected::Boolean => return plain(found, &["bool"], "boolean"),
            Expected::Time => return plain(found, &["timestamptz"], "timestamptz"),
        };
        match (id_type(found), id) {
            (Some(found_type), Some(id)) if found_type == id => collated(found),
            (Some(_), None) => None,
            // It is the column that the others are compared with.
            (None, None) | (None | Some(_), Some(_)) => {
                let as_what = id.map_or_else(
                    || "uuid, bigint or text".to_owned(),
                    |id| format!("{}, as {says} says", name(id)),
                );
                finding(
                    format!(
                        "sidegate.{view}.{column} is {}; expected {as_what}",
                        found.shown
                    ),
                    id_mend(found, id),
                )
            }
        }
    }
}

/// The type of an id in a column, if it can be one.
fn id_type(column: &Column) -> Option<IdType> {
    match column.base.as_deref()? {
        "uuid" => Some(IdType::Uuid),
        "int2" | "int4" | "int8" => Some(IdType::Bigint),
        "text" | "varchar" => Some(IdType::Text),
        _ => None,
    }
}

fn id_mend(found: &Column, wanted: Option<IdType>) -> String {
    let (column, wanted) = (&found.name, wanted.map_or("text", name));
    if found.is_domain {
        return format!(
            "write {column}::{wanted} in the view: a domain's base type has the same index"
        );
    }
    match (found.shown.as_str(), wanted) {
        (shown, _) if shown.ends_with("citext") => format!(
            "give the table's column the type text: under citext two spellings are one id, and neither is \
             the other's key. Or write {column}::text, with an index on that"
        ),
        (shown, "text") if shown.starts_with("character(") => format!(
            "give the table's column the type text: character(n) ignores blanks at the end. Or write \
             {column}::text, with an index on that"
        ),
        _ => format!(
            "write {column}::{wanted} in the view, or correct the policy's `id` and `subject_id`"
        ),
    }
}

/// Text that is compared byte by byte.
fn collated(found: &Column) -> Option<Finding> {
    if found.bytewise {
        return None;
    }
    let Column {
        view,
        name,
        collation,
        ..
    } = found;
    let what = format!(
        "sidegate.{view}.{name} has the nondeterministic collation {collation}: two spellings are one id"
    );
    let mend = format!("write {name} collate \"C\" in the view, with an index of that collation");
    Some(Finding::new(Check::Contract, Severity::Broken, what, mend))
}

fn text(found: &Column) -> Option<Finding> {
    plain(found, &["text", "varchar"], "text").or_else(|| collated(found))
}

fn plain(found: &Column, accepted: &[&str], wanted: &str) -> Option<Finding> {
    if found
        .base
        .as_deref()
        .is_some_and(|base| accepted.contains(&base))
    {
        return None;
    }
    let Column {
        view, name, shown, ..
    } = found;
    let what = format!("sidegate.{view}.{name} is {shown}; expected {wanted}");
    let mend = match shown.as_str() {
        "timestamp without time zone" => {
            format!("write {name} at time zone 'UTC' in the view, or whatever zone it is in")
        }
        _ => format!("write {name}::{wanted} in the view"),
    };
    Some(Finding::new(Check::Contract, Severity::Broken, what, mend))
}
