//! A document, or two of them, as a page for people.
//!
//! Promises: one file that loads nothing: no script, no font, no address. Its own policy forbids everything
//! but its style, so that a name in a document cannot do more than be read; names are escaped. It follows the
//! reader's theme, and says nothing by colour alone.
//!
//! Does not: compute figures; they are in the document.

mod charts;
mod flow;
mod measured;
mod plot;
mod summary;
mod versus;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::compare::Comparison;
use crate::document::Document;

/// The page of one document.
#[must_use]
pub fn page(document: &Document) -> String {
    let body = html! {
        (summary::head(document))
        (summary::assumptions(document))
        (summary::summary(document))
        @if !document.runs.is_empty() {
            section {
                h2 id="runs" { "Runs" }
                @for (run, number) in document.runs.iter().zip(1_u32..) {
                    (measured::measured(run, number, document.runs.len() == 1))
                }
            }
        }
        (summary::tables(&document.tables))
    };
    shell(&document.title, &body)
}

/// The page of a comparison.
#[must_use]
pub fn comparison(comparison: &Comparison<'_>) -> String {
    let Comparison { before, after, .. } = comparison;
    let title = format!("{} → {}", before.title, after.title);
    shell(&title, &versus::body(comparison))
}

const STYLE: &str = include_str!("style.css");

fn shell(title: &str, body: &Markup) -> String {
    let digest = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    page.into_string()
}

/// A table that is wider than the page scrolls by itself, by keyboard also.
fn scroll(name: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(name) { (table) } }
}

/// How a table writes that there is no figure.
fn is_missing(cell: &str) -> bool {
    matches!(cell.trim(), "" | "-" | "–" | "—")
}

#[cfg(test)]
mod tests;
