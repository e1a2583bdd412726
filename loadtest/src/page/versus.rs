//! Two documents on one page.
//!
//! Promises: what is worse than allowed comes first, after what makes the figures hard to compare.
//!
//! Does not: judge; the comparison has.

use maud::{Markup, html};

use super::plot::Ink;
use super::summary::{machine, outcome_badge, sign};
use super::{charts, scroll};
use crate::compare::{Comparison, Pair};
use crate::document::{Document, RowOutcome};
use crate::figure;
use crate::limit::Figure;

pub(super) fn body(comparison: &Comparison<'_>) -> Markup {
    let Comparison {
        before,
        after,
        allowance,
        pairs,
        rows,
        alone,
        warnings,
        worse,
    } = comparison;
    html! {
        header {
            h1 { "Comparison" }
            @for warning in warnings { p.warning role="note" { "⚠ " (warning) } }
            div.plots { (side("Before", before)) (side("After", after)) }
        }
        section {
            h2 id="summary" { "Summary" }
            p.verdict {
                @if worse.is_empty() { (sign(RowOutcome::Met, "not worse")) } @else { (sign(RowOutcome::Missed, "worse")) } " "
                @if worse.is_empty() { "Nothing is worse by more than " (allowance) "." }
                @else { (worse.len()) " worse by more than " (allowance) ":" }
            }
            @if !worse.is_empty() { ul { @for worse in worse { li { (worse) } } } }
            @if !rows.is_empty() { (scroll("Rows", &changed(comparison))) }
            @if !alone.is_empty() {
                h3 { "In one document only" }
                ul { @for alone in alone { li { (alone) } } }
            }
        }
        @if !pairs.is_empty() {
            section {
                h2 id="runs" { "Runs" }
                @for (pair, number) in pairs.iter().zip(1_u32..) { (run(pair, number)) }
            }
        }
    }
}

fn side(name: &str, document: &Document) -> Markup {
    html! {
        div.side {
            h2 { (name) }
            p { (document.title) }
            p.sub { "Measured " time datetime=(document.made_at) { (document.made_at) } }
            (machine(&document.machine))
        }
    }
}

fn changed(comparison: &Comparison<'_>) -> Markup {
    html! {
        table {
            caption { "Rows with another outcome" }
            thead { tr {
                th scope="col" { "Row" } th scope="col" { "Target" }
                th scope="col" { "Before" } th scope="col" { "After" }
            } }
            tbody { @for (before, after) in &comparison.rows {
                tr {
                    th scope="row" { (after.name) }
                    td { (after.target) }
                    td { (outcome_badge(before.outcome)) " " (before.measured) }
                    td {
                        (outcome_badge(after.outcome)) " " (after.measured)
                        @if let Some(reason) = &after.reason { p.reason { (reason) } }
                    }
                }
            } }
        }
    }
}

fn run(pair: &Pair<'_>, number: u32) -> Markup {
    let Pair {
        before,
        after,
        changes,
    } = pair;
    let table = html! {
        table {
            caption { "Figures" }
            thead { tr {
                th scope="col" { "Figure" } th.number scope="col" { "Before" }
                th.number scope="col" { "After" } th.number scope="col" { "Ratio" }
            } }
            tbody { @for change in changes {
                tr {
                    th scope="row" { (long(change.figure)) }
                    td.number { (change.shown(change.before)) }
                    td.number { (change.shown(change.after)) }
                    td.number {
                        @match change.ratio() { Some(ratio) => (figure::ratio(ratio)), None => "–" }
                    }
                }
            } }
        }
    };
    let plotted = [
        (Ink::Before, "before", &before.report),
        (Ink::After, "after", &after.report),
    ];
    html! {
        article id=(format!("run-{number}")) {
            h3 { (after.name) }
            p { (after.about) }
            div.plots {
                div { (scroll("Figures", &table)) }
                div { (charts::distribution(&plotted)) }
            }
        }
    }
}

/// For people who do not write limits.
fn long(figure: Figure) -> &'static str {
    match figure {
        Figure::P999 => "p99.9",
        Figure::Errors => "errors",
        Figure::L1Hits => "L1 hits",
        Figure::L2Hits => "L2 hits",
        Figure::LetIn => "let in",
        Figure::Rate => "achieved rate",
        Figure::P50
        | Figure::P90
        | Figure::P95
        | Figure::P99
        | Figure::Max
        | Figure::Mean
        | Figure::Unexpected
        | Figure::Unsent => figure.name(),
    }
}
