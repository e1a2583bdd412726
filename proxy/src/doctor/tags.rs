//! Tags: whether a change of a table is logged as a change of what the view shows.
//!
//! That a tag names the right row cannot be seen; that it names a row of the right view can.

use std::collections::{BTreeMap, BTreeSet};

use super::expect::Expectations;
use super::finding::{Check, Finding, Severity};
use super::sources::{Branch, Watch};

/// Tables of a view whose watches emit no tag of its kind, and whose new rows are not logged.
pub(super) fn of_view(branch: &Branch<'_>, watches: &[Watch]) -> Vec<Finding> {
    let contract = branch.contract;
    let kind = kind(contract);
    let mut tables: BTreeMap<u32, (&str, Vec<&Watch>)> = BTreeMap::new();
    for read in branch.reads.iter().filter(|read| read.is_table()) {
        let covering = watches.iter().filter(|watch| watch.covers(read));
        tables.insert(read.relation, (&read.name, covering.collect()));
    }
    // One without a watch is said already.
    tables.retain(|_, (_, watches)| !watches.is_empty());
    let tagged = |watches: &[&Watch]| {
        watches
            .iter()
            .flat_map(|watch| &watch.tags)
            .any(|tag| tag.starts_with(kind))
    };
    let any = tables.values().any(|(_, watches)| tagged(watches));
    let mut findings = Vec::new();
    for (relation, (name, watches)) in &tables {
        if !tagged(watches) {
            // A table that is joined may change what another one's row means; its tags cannot tell.
            let severity = if any && !branch.is_alone(*relation) {
                Severity::Warning
            } else {
                Severity::Uncached
            };
            let what = format!("sidegate.{contract} reads {name}, whose watch has no tag {kind}…");
            let mend = format!(
                "add a tag {kind}… to sidegate.watch('{name}', …) in the contract; then `sidegate migrate`"
            );
            findings.push(Finding::new(Check::Sources, severity, what, mend));
        }
        let logs_new_rows = watches.iter().any(|watch| watch.inserts);
        let row_is_resource = kind == "resource:" && branch.is_alone(*relation);
        if !logs_new_rows && !row_is_resource {
            let what = format!(
                "sidegate.{contract} reads {name}, whose new rows are not logged and are not each a new resource"
            );
            let mend = format!(
                "remove inserts => false from sidegate.watch('{name}', …) in the contract; then `sidegate migrate`"
            );
            findings.push(Finding::new(Check::Sources, Severity::Uncached, what, mend));
        }
    }
    findings
}

/// How the tags of a view's rows begin.
pub(super) fn kind(contract: &str) -> &'static str {
    match contract {
        "subjects" => "user:",
        "memberships" => "member:",
        "projects" => "project:",
        _ => "resource:",
    }
}

/// Kinds of the policy that no watch has a tag for.
pub(super) fn of_kinds(watches: &[Watch], expected: &Expectations) -> Vec<Finding> {
    let tags: BTreeSet<&str> = watches
        .iter()
        .flat_map(|watch| &watch.tags)
        .map(String::as_str)
        .collect();
    // A kind that is in a column may be any.
    if tags.iter().any(|tag| tag.starts_with("resource:{")) {
        return Vec::new();
    }
    let untagged = expected.kinds.keys().filter(|kind| {
        let prefix = format!("resource:{kind}:");
        !tags.iter().any(|tag| tag.starts_with(&prefix))
    });
    untagged
        .map(|kind| {
            let what = format!("no watch has a tag resource:{kind}:…, and the policy has kind {kind}");
            let mend = "watch the table of this kind in the contract, then `sidegate migrate`; or remove \
                        the kind from the policy";
            Finding::new(Check::Sources, Severity::Uncached, what, mend)
        })
        .collect()
}
