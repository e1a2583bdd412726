//! What a run looks like: the distribution of its latencies, and its course.
//!
//! Promises: a plot has a text that says the same in words, and a legend; lines are told apart by dashes,
//! not by colour alone.
//!
//! Does not: draw a figure that was not measured; a second without answers is a gap.

use maud::{Markup, PreEscaped, html};

use super::plot::{Axis, Ink, Line, Mark, Plot, PlotError, steps};
use crate::document::Measured;
use crate::figure;
use crate::report::{Moment, Quantile, Report};

/// No histogram says more than this about a share.
const NINES: f64 = 5.0;

/// Where half of the answers are on a scale of nines.
const HALF: f64 = std::f64::consts::LOG10_2;

/// The distribution of the latencies of one run, or of the same run twice.
pub(super) fn distribution(runs: &[(Ink, &str, &Report)]) -> Markup {
    let quantiles = runs.iter().flat_map(|(_, _, report)| &report.cdf);
    let times: Vec<_> = quantiles.map(milliseconds).collect();
    let (Some(low), Some(high)) = (least(&times), most(&times)) else {
        return nothing(
            "Latency distribution",
            "No answers, so there is nothing to plot.",
        );
    };
    let x = logarithmic(low, high, "latency, ms");
    let y = Axis {
        range: 0.0..NINES,
        ticks: vec![HALF, 1.0, 2.0, 3.0, 4.0, NINES],
        label: |nines| format!("{} %", plain(100.0 - 10_f64.powf(2.0 - nines))),
        name: "share of answers",
    };
    let lines = runs.iter().map(|(ink, _, report)| Line {
        ink: *ink,
        pieces: vec![report.cdf.iter().map(point).collect()],
    });
    let plot = Plot {
        height: 660,
        x,
        y,
        lines: lines.collect(),
        marks: Vec::new(),
    };
    let words: Vec<_> = runs
        .iter()
        .map(|(_, name, report)| told(name, report))
        .collect();
    let keys: Vec<_> = runs.iter().map(|(ink, name, _)| (*ink, *name)).collect();
    let keys = if keys.len() > 1 { keys } else { Vec::new() };
    shown("Latency distribution", &words.join(" "), &keys, plot.draw())
}

/// A figure of a second.
type Of = fn(&Moment) -> u64;

/// Latency and throughput, second by second.
pub(super) fn course(run: &Measured) -> Markup {
    let timeline = &run.report.timeline;
    if timeline.is_empty() {
        return nothing(
            "Timeline",
            "No second was measured, so there is nothing to plot.",
        );
    }
    html! {
        (latency(timeline, run))
        (throughput(timeline, run))
        @if !run.events.is_empty() {
            h5 { "What happened" }
            ol.events {
                @for (second, what) in &run.events {
                    li { (format!("{second:.1} s: ")) (what) }
                }
            }
        }
    }
}

fn latency(timeline: &[Moment], run: &Measured) -> Markup {
    let figures: [(Ink, &str, Of); 3] = [
        (Ink::P50, "p50", |moment| moment.p50),
        (Ink::P95, "p95", |moment| moment.p95),
        (Ink::P99, "p99", |moment| moment.p99),
    ];
    let answered = timeline.iter().filter(|moment| moment.completed > 0);
    let all = answered.flat_map(|moment| figures.map(|(_, _, of)| in_milliseconds(of(moment))));
    let all: Vec<_> = all.collect();
    let (Some(low), Some(high)) = (least(&all), most(&all)) else {
        return nothing("Latency by second", "No second has answers.");
    };
    let lines = figures.map(|(ink, _, of)| Line {
        ink,
        pieces: pieces(timeline, |moment| {
            (moment.completed > 0).then(|| in_milliseconds(of(moment)).log10())
        }),
    });
    let marks = marks(run, timeline);
    let mut y = logarithmic(low, high, "latency, ms");
    if !marks.is_empty() {
        // Room for the labels of events, above the lines.
        y.range.end += (y.range.end - y.range.start) * 0.4;
    }
    let plot = Plot {
        height: if marks.is_empty() { 460 } else { 600 },
        x: seconds(timeline),
        y,
        lines: lines.into(),
        marks,
    };
    let worst = timeline.iter().max_by_key(|moment| moment.p95);
    let words = worst.map_or_else(String::new, |worst| {
        let (p95, second) = (figure::time(as_float(worst.p95)), worst.second);
        let length = timeline.len();
        format!(
            "Percentiles of each of {length} seconds; the highest p95 is {p95}, in second {second}."
        )
    });
    let keys = figures.map(|(ink, name, _)| (ink, name));
    shown("Latency by second", &words, &keys, plot.draw())
}

fn throughput(timeline: &[Moment], run: &Measured) -> Markup {
    let wrong = |moment: &Moment| moment.failed + moment.unexpected;
    let counts = timeline
        .iter()
        .flat_map(|moment| [moment.completed, wrong(moment)]);
    let (range, ticks) = steps(as_float(counts.max().unwrap_or_default()) * 1.05);
    let answers = pieces(timeline, |moment| Some(as_float(moment.completed)));
    let failed = pieces(timeline, |moment| Some(as_float(wrong(moment))));
    let plot = Plot {
        height: 340,
        x: seconds(timeline),
        y: Axis {
            range,
            ticks,
            label: plain,
            name: "each second",
        },
        lines: vec![
            Line {
                ink: Ink::Answers,
                pieces: answers,
            },
            Line {
                ink: Ink::Failed,
                pieces: failed,
            },
        ],
        marks: marks(run, timeline).into_iter().map(unlabelled).collect(),
    };
    let total = |of: Of| figure::count(timeline.iter().map(of).sum());
    let words = format!(
        "{} arrivals were answered, {} failed, {} had an answer that was to be another.",
        total(|moment| moment.completed),
        total(|moment| moment.failed),
        total(|moment| moment.unexpected),
    );
    let keys = [
        (Ink::Answers, "answered"),
        (Ink::Failed, "failed or unexpected"),
    ];
    shown("Throughput by second", &words, &keys, plot.draw())
}

/// A plot, its legend and its text.
fn shown(title: &str, words: &str, keys: &[(Ink, &str)], svg: Result<String, PlotError>) -> Markup {
    html! {
        figure {
            figcaption {
                span.name { (title) }
                @for (ink, name) in keys {
                    span.key {
                        svg viewBox="0 0 72 12" aria-hidden="true" {
                            line x1="0" y1="6" x2="72" y2="6" stroke-width="4" stroke=(ink.hex()) {}
                        }
                        (name)
                    }
                }
            }
            @match svg {
                Ok(svg) => {
                    div.scroll tabindex="0" role="group" aria-label=(title) {
                        div.plot role="img" aria-label=(format!("{title}. {words}")) { (PreEscaped(svg)) }
                    }
                    p.words { (words) }
                }
                Err(error) => p { (error) },
            }
        }
    }
}

fn nothing(title: &str, why: &str) -> Markup {
    html! { figure { figcaption { span.name { (title) } } p.words { (why) } } }
}

fn told(name: &str, report: &Report) -> String {
    let Some(all) = report.latency else {
        return format!("{name}: no answers.");
    };
    let [half, most, nearly, last] =
        [all.p50, all.p95, all.p99, all.max].map(|us| figure::time(as_float(us)));
    let count = figure::count(report.completed);
    format!(
        "{name}: of {count} answers half came within {half}, 95 % within {most}, 99 % within {nearly}, \
         all within {last}."
    )
}

/// From a 1, 2 or 5 to another, with all of them between, or with the ones alone where those are many.
fn logarithmic(low: f64, high: f64, name: &'static str) -> Axis {
    let (from, to) = (low.log10(), high.log10());
    let parts = [0.0, HALF, 1.0 - HALF];
    let decades = (-4_i8..=6).map(f64::from);
    let places: Vec<_> = decades
        .flat_map(|decade| parts.map(|part| decade + part))
        .collect();
    let below = places
        .iter()
        .copied()
        .filter(|place| *place <= from + SLACK);
    let start = most(&below.collect::<Vec<_>>()).unwrap_or(from);
    let above = places
        .iter()
        .copied()
        .filter(|place| *place >= to - SLACK && *place > start);
    let end = least(&above.collect::<Vec<_>>()).unwrap_or(to);
    let between = |place: &f64| (start..=end).contains(place);
    let is_one = |place: &f64| (place - place.round()).abs() < SLACK;
    let all: Vec<_> = places.iter().copied().filter(between).collect();
    let ones: Vec<_> = all.iter().copied().filter(is_one).collect();
    Axis {
        range: start..end,
        ticks: if all.len() > MANY { ones } else { all },
        label: |exponent| plain(10_f64.powf(exponent)),
        name,
    }
}

/// For what is not exact in a float.
const SLACK: f64 = 1e-9;

/// More labels than this are hard to read.
const MANY: usize = 10;

fn seconds(timeline: &[Moment]) -> Axis {
    let last = timeline.last().map_or(1, |moment| moment.second + 1);
    let (_, ticks) = steps(as_float(last));
    let end = as_float(last);
    Axis {
        range: 0.0..end,
        ticks: ticks.into_iter().filter(|tick| *tick <= end).collect(),
        label: plain,
        name: "seconds since the start of the measured time",
    }
}

fn marks(run: &Measured, timeline: &[Moment]) -> Vec<Mark> {
    let end = as_float(timeline.last().map_or(1, |moment| moment.second + 1));
    let events = run.events.iter().zip(1_u32..);
    let events = events.filter(|((at, _), _)| (0.0..=end).contains(at));
    events
        .map(|((at, what), number)| Mark {
            at: *at,
            label: format!("{number} {}", abridged(what)),
        })
        .collect()
}

/// The whole of it is in the list below the plot.
fn abridged(what: &str) -> String {
    if what.chars().count() <= LABEL {
        return what.to_owned();
    }
    let kept: String = what.chars().take(LABEL).collect();
    format!("{}…", kept.trim_end())
}

fn unlabelled(mark: Mark) -> Mark {
    Mark {
        label: String::new(),
        ..mark
    }
}

const LABEL: usize = 32;

/// The lines between the gaps. A second is drawn at its middle.
fn pieces(timeline: &[Moment], of: impl Fn(&Moment) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let points = timeline.iter().map(|moment| {
        let at = as_float(moment.second) + 0.5;
        of(moment).map(|figure| (at, figure))
    });
    let points: Vec<_> = points.collect();
    let pieces = points.split(Option::is_none);
    let pieces = pieces.map(|piece| piece.iter().copied().flatten().collect::<Vec<_>>());
    // A point alone is drawn as a short line: nothing would be seen of it.
    let seen = pieces.map(|piece| match piece.as_slice() {
        [(at, figure)] => vec![(at - 0.25, *figure), (at + 0.25, *figure)],
        [] | [_, _, ..] => piece,
    });
    seen.filter(|piece| !piece.is_empty()).collect()
}

fn point(quantile: &Quantile) -> (f64, f64) {
    let nines = -(1.0 - quantile.share).max(10_f64.powf(-NINES)).log10();
    (milliseconds(quantile).log10(), nines)
}

fn milliseconds(quantile: &Quantile) -> f64 {
    in_milliseconds(quantile.us)
}

/// At least a microsecond: there is no logarithm of nothing.
fn in_milliseconds(us: u64) -> f64 {
    as_float(us.max(1)) / 1000.0
}

fn plain(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn least(figures: &[f64]) -> Option<f64> {
    figures.iter().copied().reduce(f64::min)
}

fn most(figures: &[f64]) -> Option<f64> {
    figures.iter().copied().reduce(f64::max)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds and counts are below 2^52"
)]
fn as_float(number: u64) -> f64 {
    number as f64
}
