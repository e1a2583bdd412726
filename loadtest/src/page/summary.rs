//! The top of a page: what it is about, and what is not as it is to be.
//!
//! Promises: what could not be measured and what was missed come first. Does not: leave out what was skipped.

use maud::{Markup, html};

use super::{is_missing, scroll};
use crate::compare::outcome;
use crate::document::{Document, Machine, Measured, RowOutcome, Table, Verdict};
use crate::figure;

pub(super) fn head(document: &Document) -> Markup {
    html! {
        header {
            h1 { (document.title) }
            p.sub { "Measured " time datetime=(document.made_at) { (document.made_at) } }
            (machine(&document.machine))
        }
    }
}

pub(super) fn machine(machine: &Machine) -> Markup {
    let memory = machine.memory_bytes / (1024 * 1024);
    let files = match machine.open_files {
        0 => "any number".to_owned(),
        files => figure::count(files),
    };
    html! {
        dl.machine {
            div { dt { "Processors" } dd { (machine.processors) " × " (or_unknown(&machine.model)) } }
            div { dt { "Memory" } dd { (figure::count(memory)) " MiB" } }
            div { dt { "Kernel" } dd { (or_unknown(&machine.kernel)) } }
            div { dt { "Open files of a process" } dd { "at most " (files) } }
        }
    }
}

pub(super) fn assumptions(document: &Document) -> Markup {
    html! {
        @if !document.assumptions.is_empty() {
            section {
                h2 id="assumptions" { "Read this first" }
                ul.assumptions { @for sentence in &document.assumptions { li { (sentence) } } }
            }
        }
    }
}

/// Rows, limits, and where to find the runs.
pub(super) fn summary(document: &Document) -> Markup {
    let limits = limits(&document.runs);
    html! {
        section {
            h2 id="summary" { "Summary" }
            p.verdict { (badge(document.is_met())) " " (counted(document, &limits)) }
            @if !document.rows.is_empty() { (rows(document)) }
            @if !limits.is_empty() { (scroll("Limits", &limit_table(&limits, true))) }
            @if document.runs.len() > 1 {
                nav aria-label="Runs" {
                    ul { @for (run, number) in document.runs.iter().zip(1_u32..) {
                        li { a href=(format!("#run-{number}")) { (run.name) } }
                    } }
                }
            }
        }
    }
}

fn counted(document: &Document, limits: &[(&str, &Verdict)]) -> String {
    let of = |outcome| {
        document
            .rows
            .iter()
            .filter(|row| row.outcome == outcome)
            .count()
    };
    let mut parts = Vec::new();
    if !document.rows.is_empty() {
        let [met, missed, skipped, failed] = [
            RowOutcome::Met,
            RowOutcome::Missed,
            RowOutcome::Skipped,
            RowOutcome::Failed,
        ]
        .map(of);
        let all = document.rows.len();
        let unmeasured = match failed {
            0 => String::new(),
            failed => format!(", {failed} could not be measured"),
        };
        parts.push(format!(
            "{all} rows: {met} met, {missed} missed, {skipped} skipped{unmeasured}."
        ));
    }
    if !limits.is_empty() {
        let all = limits.len();
        let missed = limits.iter().filter(|(_, limit)| !limit.is_met).count();
        parts.push(format!("{all} limits: {missed} missed."));
    }
    if parts.is_empty() {
        parts.push("No limits were set.".to_owned());
    }
    parts.join(" ")
}

fn rows(document: &Document) -> Markup {
    let mut rows: Vec<_> = document.rows.iter().collect();
    rows.sort_by_key(|row| match row.outcome {
        RowOutcome::Failed => 0,
        RowOutcome::Missed => 1,
        RowOutcome::Skipped => 2,
        RowOutcome::Met => 3,
    });
    let table = html! {
        table {
            caption { "What was promised, and what was found" }
            thead { tr {
                th scope="col" { "Outcome" } th scope="col" { "Row" }
                th scope="col" { "Target" } th scope="col" { "Measured" }
            } }
            tbody { @for row in rows {
                tr {
                    td { (outcome_badge(row.outcome)) }
                    th scope="row" { (row.name) }
                    td { (row.target) }
                    td { (row.measured) @if let Some(reason) = &row.reason { p.reason { (reason) } } }
                }
            } }
        }
    };
    scroll("Rows", &table)
}

/// Those that do not hold first, otherwise in the order of the runs.
fn limits(runs: &[Measured]) -> Vec<(&str, &Verdict)> {
    let named = runs.iter().flat_map(|run| {
        let limits = run.limits.iter();
        limits.map(|limit| (run.name.as_str(), limit))
    });
    let mut limits: Vec<_> = named.collect();
    limits.sort_by_key(|(_, limit)| limit.is_met);
    limits
}

/// With the names of the runs, where they are not said already.
pub(super) fn limit_table(limits: &[(&str, &Verdict)], is_named: bool) -> Markup {
    html! {
        table {
            caption { "Limits" }
            thead { tr {
                th scope="col" { "Outcome" }
                @if is_named { th scope="col" { "Run" } }
                th scope="col" { "Limit" } th scope="col" { "Found" }
            } }
            tbody { @for (run, limit) in limits {
                tr {
                    td { (badge(limit.is_met)) }
                    @if is_named { th scope="row" { (run) } }
                    td { code { (limit.limit) } }
                    td { (limit.found) }
                }
            } }
        }
    }
}

/// Figures in rows and columns, as they are.
pub(super) fn tables(tables: &[Table]) -> Markup {
    html! {
        @if !tables.is_empty() {
            section {
                h2 id="tables" { "Tables" }
                @for table in tables {
                    (scroll(&table.title, &figures(table)))
                    @for note in &table.notes { p.note { (note) } }
                }
            }
        }
    }
}

fn figures(table: &Table) -> Markup {
    let numeric = |place: usize| {
        let mut cells = table.rows.iter().filter_map(|row| row.get(place));
        cells.all(|cell| is_missing(cell) || cell.starts_with(|sign: char| sign.is_ascii_digit()))
    };
    let class = |place: usize| (place > 0 && numeric(place)).then_some("number");
    html! {
        table {
            caption { (table.title) }
            thead { tr { @for (place, column) in table.columns.iter().enumerate() {
                th scope="col" class=[class(place)] { (column) }
            } } }
            tbody { @for row in &table.rows {
                tr { @for (place, cell) in row.iter().enumerate() {
                    @if place == 0 { th scope="row" { (cell) } }
                    @else { td class=[class(place)] { (cell) } }
                } }
            } }
        }
    }
}

pub(super) fn badge(is_met: bool) -> Markup {
    outcome_badge(if is_met {
        RowOutcome::Met
    } else {
        RowOutcome::Missed
    })
}

pub(super) fn outcome_badge(of: RowOutcome) -> Markup {
    sign(of, outcome(of))
}

/// A sign, a word and a colour.
pub(super) fn sign(of: RowOutcome, word: &str) -> Markup {
    let sign = match of {
        RowOutcome::Met => "✓",
        RowOutcome::Missed => "✗",
        RowOutcome::Skipped => "–",
        RowOutcome::Failed => "!",
    };
    html! { span class=(format!("badge {}", outcome(of))) { span aria-hidden="true" { (sign) " " } (word) } }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}
