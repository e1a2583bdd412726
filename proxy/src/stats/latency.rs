//! How long things take: requests, decisions and their stages; and how far behind the database memory is.

use super::Reading;
use super::histogram::Histogram;
use super::section::{Cell, Column, Row, Section};

/// In the order in which a request meets them.
const STAGES: [&str; 6] = [
    "route",
    "authenticate",
    "authorize",
    "identity",
    "upstream",
    "answer",
];

pub(super) fn latency(reading: &Reading<'_>) -> Section {
    let columns = [
        Column("what", "what"),
        Column("count", "count"),
        Column("p50", "p50"),
        Column("p95", "p95"),
        Column("p99", "p99"),
        Column("per_second", "/s"),
        Column("recent_p50", "p50 now"),
        Column("recent_p95", "p95 now"),
        Column("recent_p99", "p99 now"),
    ];
    let mut rows = Vec::new();
    for (what, name) in [
        ("requests", "sidegate_request_seconds"),
        ("decisions", "sidegate_decision_seconds"),
    ] {
        rows.extend(timed(reading, what.to_owned(), name, &[]));
        for outcome in labels(reading, name, "outcome") {
            let label = format!("{what}: {outcome}");
            rows.extend(timed(reading, label, name, &[("outcome", outcome)]));
        }
    }
    let name = "sidegate_stage_seconds";
    let mut stages = labels(reading, name, "stage");
    stages.sort_by_key(|stage| {
        let known = STAGES.iter().position(|known| known == stage);
        known.unwrap_or(STAGES.len())
    });
    for stage in stages {
        let label = format!("stage: {stage}");
        rows.extend(timed(reading, label, name, &[("stage", stage)]));
    }
    Section::table(
        "latency",
        "Latency (interpolated within the histograms' buckets)",
        &columns,
        rows,
    )
}

fn timed(reading: &Reading<'_>, what: String, name: &str, having: &[(&str, &str)]) -> Option<Row> {
    let all = Histogram::of(reading.now, name, having)?;
    let recent = reading.recently(name, having);
    let of = |histogram: Option<&Histogram>, share| {
        Cell::seconds(histogram.and_then(|histogram| histogram.quantile(share)))
    };
    let seconds = reading.recent.as_ref().map(|(_, seconds)| seconds);
    let rate = recent
        .as_ref()
        .zip(seconds)
        .map(|(recent, seconds)| Cell::PerSecond(recent.count() / seconds));
    Some(Row {
        cells: vec![
            Cell::Text(what),
            Cell::Count(all.count()),
            of(Some(&all), 0.5),
            of(Some(&all), 0.95),
            of(Some(&all), 0.99),
            rate.unwrap_or(Cell::Missing),
            of(recent.as_ref(), 0.5),
            of(recent.as_ref(), 0.95),
            of(recent.as_ref(), 0.99),
        ],
        is_quiet: all.count() == 0.0,
    })
}

fn labels<'r>(reading: &'r Reading<'_>, name: &str, label: &str) -> Vec<&'r str> {
    let values = reading.now.by(&format!("{name}_bucket"), label);
    values
        .into_keys()
        .filter(|value| !value.is_empty())
        .collect()
}

pub(super) fn lag(reading: &Reading<'_>) -> Section {
    let columns = [
        Column("what", "what"),
        Column("now", "now"),
        Column("count", "count"),
        Column("p50", "p50"),
        Column("p99", "p99"),
        Column("max", "max"),
        Column("recent_p99", "p99 now"),
    ];
    let ages = [
        ("age of the lease", "sidegate_lease_age_seconds"),
        (
            "age of the oldest transaction",
            "sidegate_snapshot_xmin_age_seconds",
        ),
    ];
    let ages = ages.into_iter().filter_map(|(what, name)| {
        let age = reading.sum(name, &[])?;
        let mut cells = vec![Cell::text(what), Cell::gauge(Some(age))];
        cells.resize(columns.len(), Cell::Missing);
        Some(Row {
            cells,
            is_quiet: false,
        })
    });
    let spans = [
        (
            "revocation, from commit to here",
            "sidegate_revocation_lag_seconds",
        ),
        (
            "invalidation, from receipt to slot",
            "sidegate_invalidation_seconds",
        ),
        ("poll of the change log", "sidegate_poll_seconds"),
        ("age of a hit", "sidegate_cache_hit_age_seconds"),
    ];
    let spans = spans.into_iter().filter_map(|(what, name)| {
        let all = Histogram::of(reading.now, name, &[])?;
        let recent = reading.recently(name, &[]);
        Some(Row {
            cells: vec![
                Cell::text(what),
                Cell::Missing,
                Cell::Count(all.count()),
                Cell::seconds(all.quantile(0.5)),
                Cell::seconds(all.quantile(0.99)),
                Cell::seconds(all.largest()),
                Cell::seconds(recent.and_then(|recent| recent.quantile(0.99))),
            ],
            is_quiet: all.count() == 0.0,
        })
    });
    Section::table(
        "lag",
        "How far behind the database (max: the bound of the highest bucket)",
        &columns,
        ages.chain(spans).collect(),
    )
}
