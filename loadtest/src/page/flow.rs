//! Where the time of a request goes: a bar of its parts, and a table that says the same.
//!
//! Promises: parts keep their order; each has a number in the bar and its owner in the table.
//!
//! Does not: guess parts that were not measured.

use maud::{Markup, html};

use crate::document::{Owner, Part};
use crate::figure;

pub(super) fn flow(parts: &[Part]) -> Markup {
    if parts.is_empty() {
        return html! {};
    }
    let total: f64 = parts.iter().map(|part| part.mean_us.max(0.0)).sum();
    let share = |part: &Part| {
        if total > 0.0 {
            part.mean_us.max(0.0) / total
        } else {
            0.0
        }
    };
    let of = |owner: Owner| -> f64 {
        let parts = parts.iter().filter(|part| part.owner == owner);
        parts.map(|part| part.mean_us.max(0.0)).sum()
    };
    let owners = OWNERS.map(|owner| (owner, of(owner)));
    let (mean, ours) = (figure::time(total), figure::time(of(Owner::Sidegate)));
    let words = format!("Of {mean} in the mean, {ours} are Sidegate's.");
    html! {
        figure {
            figcaption {
                span.name { "Where the time goes" }
                @for (owner, _) in owners.iter().filter(|(_, us)| *us > 0.0) {
                    span.key {
                        svg viewBox="0 0 14 14" aria-hidden="true" {
                            rect class=(class(*owner)) width="14" height="14" rx="2" {}
                        }
                        (name(*owner))
                    }
                }
            }
            svg.bar role="img" aria-label=(words) { (bar(parts, share)) }
            p.words { (words) }
            div.scroll tabindex="0" role="group" aria-label="Parts of a request's time" {
                table {
                    thead {
                        tr {
                            th scope="col" { "#" }
                            th scope="col" { "Part" }
                            th scope="col" { "Whose" }
                            th.number scope="col" { "Mean" }
                            th.number scope="col" { "Share" }
                        }
                    }
                    tbody {
                        @for (part, number) in parts.iter().zip(1_u32..) {
                            tr {
                                td { (number) }
                                th scope="row" { (part.name) }
                                td { (name(part.owner)) }
                                td.number { (figure::time(part.mean_us)) }
                                td.number { (figure::share(share(part))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Percentages of the bar's width: so it fits every page without its text being stretched.
fn bar(parts: &[Part], share: impl Fn(&Part) -> f64) -> Markup {
    let mut start = 0.0;
    let mut placed = Vec::with_capacity(parts.len());
    for (part, number) in parts.iter().zip(1_u32..) {
        let width = share(part) * 100.0;
        placed.push((part, number, start, width));
        start += width;
    }
    html! {
        @for (part, number, start, width) in placed {
            rect class=(class(part.owner)) x=(format!("{start:.3}%")) width=(format!("{width:.3}%"))
                height="100%" {}
            @if width >= ROOM {
                text x=(format!("{:.3}%", start + width / 2.0)) y="50%" dy="0.35em" text-anchor="middle" {
                    (number)
                }
            }
        }
    }
}

/// Percent of the bar that a number needs.
const ROOM: f64 = 3.0;

const OWNERS: [Owner; 3] = [Owner::Sidegate, Owner::Application, Owner::Network];

fn name(owner: Owner) -> &'static str {
    match owner {
        Owner::Sidegate => "Sidegate",
        Owner::Application => "Application",
        Owner::Network => "Network",
    }
}

fn class(owner: Owner) -> &'static str {
    match owner {
        Owner::Sidegate => "sidegate",
        Owner::Application => "application",
        Owner::Network => "network",
    }
}
