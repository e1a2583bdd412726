//! What a page holds, and what it does not load.

use super::*;
use crate::compare::Allowance;
use crate::document::{Measured, Owner, Part, RowFigure, RowOutcome, Verdict};
use crate::report::{Moment, Percentiles, Quantile, Report};

const HOSTILE: &str = "<script>alert(\"x\")</script>'";

fn document() -> Document {
    let mut document = Document::new(HOSTILE);
    let outcomes = [
        RowOutcome::Met,
        RowOutcome::Missed,
        RowOutcome::Failed,
        RowOutcome::Skipped,
    ];
    let names = ["cpu", "start", "herd", HOSTILE];
    for (outcome, name) in outcomes.into_iter().zip(names) {
        document.rows.push(RowFigure {
            name: name.to_owned(),
            target: HOSTILE.to_owned(),
            measured: "a figure".to_owned(),
            outcome,
            reason: Some(format!("why {name}")),
        });
    }
    document.runs = ["steady", HOSTILE].map(measured).to_vec();
    document
}

fn measured(name: &str) -> Measured {
    let cdf = [(0.5, 700), (0.99, 20_000), (1.0, 75_000)];
    let timeline = [(40, 0), (0, 50), (50, 0)];
    let seconds = timeline.into_iter().zip(0..);
    Measured {
        name: name.to_owned(),
        about: HOSTILE.to_owned(),
        report: Report {
            urls: vec![format!("http://127.0.0.1/{HOSTILE}")],
            completed: 90,
            latency: Some(Percentiles {
                p50: 700,
                p90: 900,
                p95: 1_000,
                p99: 20_000,
                p999: 74_999,
                max: 75_000,
                mean: 812.5,
            }),
            cdf: cdf.map(|(share, us)| Quantile { share, us }).to_vec(),
            timeline: seconds
                .map(|((completed, failed), second)| Moment {
                    second,
                    completed,
                    failed,
                    p50: completed * 10,
                    p95: completed * 20,
                    p99: completed * 30,
                    ..Moment::default()
                })
                .collect(),
            ..Report::default()
        },
        flow: vec![Part {
            name: HOSTILE.to_owned(),
            mean_us: 12.0,
            owner: Owner::Sidegate,
        }],
        tiers: None,
        limits: vec![Verdict {
            limit: "p95 < 1ms".to_owned(),
            found: "1.00 ms".to_owned(),
            is_met: false,
        }],
        events: vec![(1.5, HOSTILE.to_owned())],
    }
}

/// Loads nothing and lets nothing of a document be more than text.
fn is_harmless(page: &str) -> bool {
    let loads = [
        "<script", "src=", "url(", "@import", "<link", "<img", "<image", " style=",
    ];
    let lower = page.to_lowercase();
    let loads = loads.iter().any(|load| lower.contains(load));
    let mut addresses = page.split("href=\"").skip(1);
    !loads && addresses.all(|address| address.starts_with('#'))
}

#[test]
fn a_page_has_every_run_and_row_and_a_hostile_name_is_text() {
    let page = page(&document());
    assert!(is_harmless(&page), "{page}");
    let escaped = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;";
    for wanted in [
        "cpu",
        "why cpu",
        "start",
        "why start",
        "steady",
        escaped,
        "p95 &lt; 1ms",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    // Rows and runs: a heading, and a line in the navigation.
    assert_eq!(page.matches("<h3>").count(), 2);
    assert!(page.contains("4 rows: 1 met, 1 missed, 1 skipped, 1 could not be measured."));
    for outcome in ["met", "missed", "skipped", "failed"] {
        assert!(page.contains(&format!("badge {outcome}")), "{outcome}");
    }
}

#[test]
fn a_run_is_plotted_and_a_plot_has_words_and_gaps() {
    let mut document = document();
    document.runs.truncate(1);
    let page = page(&document);
    let plots = page
        .matches("class=\"plot\" role=\"img\" aria-label=\"")
        .count();
    assert_eq!(
        (
            plots,
            page.matches("<svg class=\"bar\" role=\"img\"").count()
        ),
        (3, 1)
    );
    let lines = |ink: plot::Ink| {
        let line = |element: &&str| element.contains(&format!("stroke=\"{}\"", ink.hex()));
        page.split("<polyline").skip(1).filter(line).count()
    };
    // A distribution; two pieces of p50, around the second without answers; a mark in each timeline.
    assert!(lines(plot::Ink::After) >= 1, "no distribution");
    assert!(lines(plot::Ink::P50) >= 2, "no gap");
    assert!(lines(plot::Ink::Event) >= 2, "no mark");
    assert!(page.contains("half came within 0.700 ms"));
}

#[test]
fn an_empty_document_and_a_run_without_answers_are_pages_too() {
    let mut document = Document::default();
    assert!(page(&document).contains("No limits were set"));
    document.runs.push(Measured {
        report: Report::default(),
        ..measured("silent")
    });
    let page = page(&document);
    assert!(page.contains("nothing to plot") && page.contains("no answers"));
}

#[test]
fn a_comparison_lays_two_runs_over_each_other() {
    let (before, after) = (document(), document());
    let allowance: Allowance = "10%".parse().unwrap();
    let compared = Comparison::new(&before, &after, allowance).unwrap();
    let page = comparison(&compared);
    assert!(is_harmless(&page), "{page}");
    for ink in [plot::Ink::Before, plot::Ink::After] {
        assert!(
            page.contains(&format!("stroke=\"{}\"", ink.hex())),
            "{ink:?}"
        );
    }
    assert!(page.contains("not worse"));
}
