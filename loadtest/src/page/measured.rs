//! One run: its figures, its plots, where its time went.
//!
//! Promises: nothing of a run is left out that a figure is judged by.
//!
//! Does not: hide what went wrong behind a mean.

use maud::{Markup, html};

use super::plot::Ink;
use super::summary::limit_table;
use super::{charts, flow, scroll};
use crate::document::{Measured, Tiers};
use crate::figure;
use crate::report::{Percentiles, Report};

/// A run alone has its limits in the summary.
pub(super) fn measured(run: &Measured, number: u32, is_alone: bool) -> Markup {
    let report = &run.report;
    let mut limits: Vec<_> = run
        .limits
        .iter()
        .map(|limit| (run.name.as_str(), limit))
        .collect();
    limits.sort_by_key(|(_, limit)| limit.is_met);
    html! {
        article id=(format!("run-{number}")) {
            h3 { (run.name) }
            p { (run.about) }
            (figures(run))
            (scroll("Latency", &percentiles(report)))
            @if !limits.is_empty() && !is_alone { (scroll("Limits of this run", &limit_table(&limits, false))) }
            div.plots {
                div { (charts::distribution(&[(Ink::After, run.name.as_str(), report)])) (flow::flow(&run.flow)) }
                div { (charts::course(run)) }
            }
            details {
                summary { "How it was run" }
                (setting(report))
            }
        }
    }
}

fn figures(run: &Measured) -> Markup {
    let report = &run.report;
    let wished = figure::rate(f64::from(report.requested_rate));
    let arrivals = figure::count(report.arrivals);
    let errors = figure::share(report.error_share());
    html! {
        dl.figures {
            (tile("Achieved rate", &figure::rate(report.achieved_rate), &format!("of {wished} wished"), false))
            (tile("Arrivals", &arrivals, &format!("in {:.1} s", report.duration_s), false))
            (tile("Errors", &errors, &failures(report), report.error_share() > 0.0))
            (tile("Let in", &figure::count(report.let_in), "who were to be refused", report.let_in > 0))
            (tile("Unexpected", &figure::count(report.unexpected), "answers that were to be others", report.unexpected > 0))
            @if let Some(tiers) = &run.tiers { (hits(tiers)) }
        }
    }
}

/// A figure that is bad says so by a sign also.
fn tile(name: &str, value: &str, about: &str, is_bad: bool) -> Markup {
    html! {
        div class=[is_bad.then_some("bad")] {
            dt { (name) }
            dd { strong { @if is_bad { "⚠ " } (value) } span { (about) } }
        }
    }
}

fn failures(report: &Report) -> String {
    let errors = &report.errors;
    let classes = [
        ("no connection", errors.connect),
        ("timed out", errors.timeout),
        ("no HTTP", errors.protocol),
        ("closed", errors.closed),
        ("unsent", report.unsent),
        ("unexpected", report.unexpected),
    ];
    let some = classes.into_iter().filter(|(_, count)| *count > 0);
    let some: Vec<_> = some
        .map(|(name, count)| format!("{} {name}", figure::count(count)))
        .collect();
    if some.is_empty() {
        "none of any kind".to_owned()
    } else {
        some.join(", ")
    }
}

fn hits(tiers: &Tiers) -> Markup {
    let Tiers {
        l1,
        l2,
        view,
        store,
        stale,
    } = tiers;
    let memory = format!(
        "{} of {} questions, {} of them stale",
        figure::count(l1 + stale),
        figure::count(tiers.total()),
        figure::count(*stale)
    );
    let past = format!(
        "{} of {} past memory; {} by view, {} by tables",
        figure::count(*l2),
        figure::count(l2 + view + store),
        figure::count(*view),
        figure::count(*store)
    );
    html! {
        (tile("L1 hits", &figure::share(tiers.l1_share()), &memory, false))
        (tile("L2 hits", &figure::share(tiers.l2_share()), &past, false))
    }
}

fn percentiles(report: &Report) -> Markup {
    let rows = [
        ("Latency", "from when it was due", report.latency),
        ("Service", "from when it was sent", report.service),
    ];
    html! {
        table.percentiles {
            caption { "Latency and service time" }
            thead { tr {
                th scope="col" { "Time" }
                @for name in ["p50", "p90", "p95", "p99", "p99.9", "max", "mean"] {
                    th.number scope="col" { (name) }
                }
            } }
            tbody { @for (name, from, all) in rows {
                tr {
                    th scope="row" { (name) " " span.sub { (from) } }
                    @match all {
                        Some(all) => @for us in in_order(&all) { td.number { (figure::time(us)) } },
                        None => td colspan="7" { "no answers" },
                    }
                }
            } }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds are below 2^52")]
fn in_order(all: &Percentiles) -> [f64; 7] {
    let Percentiles {
        p50,
        p90,
        p95,
        p99,
        p999,
        max,
        mean,
    } = *all;
    let [p50, p90, p95, p99, p999, max] = [p50, p90, p95, p99, p999, max].map(|us| us as f64);
    [p50, p90, p95, p99, p999, max, mean]
}

fn setting(report: &Report) -> Markup {
    let status = report.status.iter();
    let status: Vec<_> = status
        .map(|(code, count)| format!("{code}: {}", figure::count(*count)))
        .collect();
    let lateness = u32::try_from(report.dispatcher_lateness_max_us).unwrap_or(u32::MAX);
    html! {
        dl.setting {
            dt { "Requests" } dd { (report.method) " " @for url in &report.urls { code { (url) } " " } }
            dt { "Warm-up" } dd { (report.warmup_s) " s, not measured" }
            dt { "Connections" }
            dd {
                (figure::count(report.connections as u64)) ", of which "
                (figure::count(report.connections_at_start as u64)) " were open at the start; "
                (figure::count(report.reconnects)) " opened again"
            }
            dt { "Answers by status" }
            dd { @if status.is_empty() { "none" } @else { (status.join(", ")) } }
            dt { "Received" } dd { (figure::count(report.bytes_received)) " bytes" }
            dt { "Generator" } dd { "at most " (figure::time(f64::from(lateness))) " late: the error of latencies" }
        }
    }
}
