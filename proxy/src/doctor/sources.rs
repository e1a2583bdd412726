//! Sources: whether a change of anything that the views read is logged, under the right tag.
//!
//! `pg_depend` says which columns a view reads, `lineage` whether its decisive outputs need them: all
//! but `updated_at`, and `status` while the policy names no statuses.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::DoctorError;
use super::ask::{Parameter, ask};
use super::expect::Expectations;
use super::finding::{Check, Finding, Severity};
use super::lineage::{self, Needs};
use super::tags;
use super::tree;

/// A view of the contract with those that it reads.
struct View {
    contract: String,
    oid: u32,
    name: String,
    /// Its rule.
    action: String,
}

/// All views.
pub(super) struct Reach(Vec<View>);

/// A column (number 0: the rows) that a view reads.
#[derive(Debug)]
pub(super) struct Read {
    view: u32,
    pub(super) relation: u32,
    pub(super) name: String,
    kind: String,
    of_system: bool,
    number: i64,
    column: Option<String>,
    has_foreign: bool,
}

/// A watch.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    columns: Vec<String>,
    pub(super) inserts: bool,
    /// Every table that it covers.
    parts: Vec<u32>,
    lost: Vec<String>,
}

/// One view of the contract, with everything below it.
pub(super) struct Branch<'r> {
    pub(super) contract: &'r str,
    pub(super) reads: Vec<&'r Read>,
    /// `None`: its rule was not understood.
    pub(super) needs: Option<Needs>,
}

impl Reach {
    pub(super) async fn read(client: &Client, names: &[String]) -> Result<Self, DoctorError> {
        let rows = ask(
            client,
            include_str!("sql/reach.sql"),
            &[(&names, Type::TEXT_ARRAY)],
        )
        .await?;
        let views = rows.iter().map(|row| {
            Ok(View {
                contract: row.try_get("contract")?,
                oid: row.try_get("view")?,
                name: row.try_get("view_name")?,
                action: row.try_get("action")?,
            })
        });
        views.collect::<Result<_, DoctorError>>().map(Self)
    }

    /// Every view once.
    pub(super) fn oids(&self) -> Vec<u32> {
        let oids: BTreeSet<u32> = self.0.iter().map(|view| view.oid).collect();
        oids.into_iter().collect()
    }

    fn name(&self, oid: u32) -> &str {
        let view = self.0.iter().find(|view| view.oid == oid);
        view.map_or("a view", |view| &view.name)
    }

    fn branches<'r>(&'r self, reads: &'r [Read], expected: &Expectations) -> Vec<Branch<'r>> {
        let trees: BTreeMap<u32, _> = self
            .0
            .iter()
            .filter_map(|view| Some((view.oid, tree::parse(&view.action)?)))
            .collect();
        let tops = self
            .0
            .iter()
            .filter(|view| view.name == format!("sidegate.{}", view.contract));
        tops.map(|top| {
            let below: BTreeSet<u32> = self
                .0
                .iter()
                .filter(|view| view.contract == top.contract)
                .map(|view| view.oid)
                .collect();
            let needs = trees.get(&top.oid).and_then(|query| {
                let wanted = decisive(query, expected)?;
                lineage::needs(&trees, top.oid, wanted)
            });
            Branch {
                contract: &top.contract,
                reads: reads
                    .iter()
                    .filter(|read| below.contains(&read.view))
                    .collect(),
                needs,
            }
        })
        .collect()
    }
}

/// The outputs of a contract view that decide.
fn decisive(query: &tree::Node<'_>, expected: &Expectations) -> Option<BTreeSet<i64>> {
    let mut wanted = BTreeSet::new();
    for entry in query.nodes("targetList")? {
        let name = entry.atom("resname")?;
        if name != "updated_at" && (name != "status" || expected.statuses) {
            wanted.insert(entry.number("resno")?);
        }
    }
    Some(wanted)
}

pub(super) async fn examine(
    client: &Client,
    reach: &Reach,
    views: &[Parameter<'_>],
    expected: &Expectations,
) -> Result<(Vec<Finding>, String), DoctorError> {
    let reads = reads(client, views).await?;
    let watches = watches(client).await?;
    let mut findings = BTreeSet::new();
    for read in &reads {
        findings.extend(strange(read, reach.name(read.view)));
    }
    let branches = reach.branches(&reads, expected);
    for branch in &branches {
        findings.extend(columns(branch, reach, &watches));
        findings.extend(tags::of_view(branch, &watches));
    }
    findings.extend(tags::of_kinds(&watches, expected));
    findings.extend(watches.iter().filter_map(lost));
    let tables: BTreeSet<u32> = reads.iter().map(|read| read.relation).collect();
    Ok((
        findings.into_iter().collect(),
        format!("{} tables", tables.len()),
    ))
}

/// What is no ordinary table or column.
fn strange(read: &Read, view: &str) -> Option<Finding> {
    let name = &read.name;
    let (what, mend) = if read.of_system {
        (
            format!("view {view} reads {name}, a catalog of PostgreSQL"),
            "read a table of the application",
        )
    } else if read.kind == "m" {
        (
            format!("view {view} reads {name}, a materialized view: a copy"),
            "read what it is made from",
        )
    } else if read.kind == "f" || read.has_foreign {
        (
            format!("view {view} reads {name}, which is foreign or has a foreign part"),
            "read local tables alone",
        )
    } else if read.kind != "r" && read.kind != "p" {
        (
            format!("view {view} reads {name}, which is no table"),
            "read tables alone",
        )
    } else if read.number < 0 {
        let column = read.column.as_deref().unwrap_or("a system column");
        (
            format!("view {view} reads {column} of {name}, which changes by itself"),
            "read columns of the application",
        )
    } else {
        return None;
    };
    Some(Finding::new(Check::Sources, Severity::Uncached, what, mend))
}

/// Tables without a watch, columns that none of a table's watches names.
fn columns(branch: &Branch<'_>, reach: &Reach, watches: &[Watch]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unnamed: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut found = |what: String, mend: String| {
        findings.push(Finding::new(Check::Sources, Severity::Uncached, what, mend));
    };
    if branch.needs.is_none() {
        let contract = branch.contract;
        found(
            format!(
                "the query of sidegate.{contract} is not understood: every column that it reads counts"
            ),
            "write the view more simply".to_owned(),
        );
    }
    for read in branch.reads.iter().filter(|read| read.is_table()) {
        let (view, name) = (reach.name(read.view), read.name.as_str());
        let covering: Vec<_> = watches.iter().filter(|watch| watch.covers(read)).collect();
        if covering.is_empty() {
            let kind = tags::kind(branch.contract);
            found(
                format!("view {view} reads {name}, which nothing watches"),
                format!(
                    "add to the contract: select sidegate.watch('{name}', array['{kind}…'], '{{…}}'); \
                     then `sidegate migrate`"
                ),
            );
            continue;
        }
        if branch.needs(read.relation, 0) {
            found(
                format!(
                    "view {view} reads whole rows of {name}: which columns count cannot be seen"
                ),
                "name the columns".to_owned(),
            );
        }
        // A watch that has lost a column logs everything.
        let named = |column: &str| {
            let mut watches = covering.iter();
            watches.any(|watch| !watch.lost.is_empty() || watch.names(column))
        };
        if let Some(column) = &read.column
            && read.number > 0
            && (branch.needs.is_none() || branch.needs(read.relation, read.number))
            && !named(column)
        {
            unnamed.entry((view, name)).or_default().insert(column);
        }
    }
    for ((view, name), columns) in unnamed {
        let columns = columns.into_iter().collect::<Vec<_>>().join(", ");
        found(
            format!("view {view} reads {columns} of {name}, which its watch does not name"),
            format!(
                "add {columns} to the columns of sidegate.watch('{name}', …) in the contract; then \
                 `sidegate migrate`"
            ),
        );
    }
    findings
}

/// Columns that are gone: the trigger can only log everything.
fn lost(watch: &Watch) -> Option<Finding> {
    if watch.lost.is_empty() {
        return None;
    }
    let (name, lost) = (&watch.name, watch.lost.join(", "));
    let what = format!(
        "the watch of {name} names {lost}, which is no column any more: each change counts as a change of everything"
    );
    let mend = "correct it in the contract, then `sidegate migrate`";
    Some(Finding::new(Check::Sources, Severity::Warning, what, mend))
}

impl Read {
    pub(super) fn is_table(&self) -> bool {
        !self.of_system && (self.kind == "r" || self.kind == "p")
    }
}

impl Watch {
    pub(super) fn covers(&self, read: &Read) -> bool {
        self.parts.contains(&read.relation)
    }

    /// Whether a change of a column is logged.
    fn names(&self, column: &str) -> bool {
        let template = format!("{{{column}}}");
        self.columns.iter().any(|known| known == column)
            || self.tags.iter().any(|tag| tag.contains(&template))
    }
}

impl Branch<'_> {
    /// Whether a column (0: the whole row) is known to be needed.
    fn needs(&self, relation: u32, number: i64) -> bool {
        let needs = self.needs.as_ref();
        needs.is_some_and(|needs| needs.columns.contains(&(relation, number)))
    }

    /// Whether each row of a table is one row of the view by itself.
    pub(super) fn is_alone(&self, relation: u32) -> bool {
        let needs = self.needs.as_ref();
        needs.is_some_and(|needs| needs.alone.contains(&relation))
    }
}

async fn reads(client: &Client, views: &[Parameter<'_>]) -> Result<Vec<Read>, DoctorError> {
    let rows = ask(client, include_str!("sql/reads.sql"), views).await?;
    let reads = rows.iter().map(|row| {
        Ok(Read {
            view: row.try_get("view")?,
            relation: row.try_get("relation")?,
            name: row.try_get("name")?,
            kind: row.try_get("kind")?,
            of_system: row.try_get("of_system")?,
            number: i64::from(row.try_get::<_, i32>("number")?),
            column: row.try_get("column_name")?,
            has_foreign: row.try_get("has_foreign")?,
        })
    });
    reads.collect()
}

async fn watches(client: &Client) -> Result<Vec<Watch>, DoctorError> {
    let rows = ask(client, include_str!("sql/watches.sql"), &[]).await?;
    let watches = rows.iter().map(|row| {
        Ok(Watch {
            name: row.try_get("name")?,
            tags: row.try_get("tags")?,
            columns: row.try_get("columns")?,
            inserts: row.try_get("inserts")?,
            parts: row.try_get("parts")?,
            lost: row.try_get("lost")?,
        })
    });
    watches.collect()
}
