//! What was asked and answered: hit rates, requests, look-ups.

use super::Reading;
use super::exposition::Exposition;
use super::section::{Cell, Column, Row, Section, share};

const REQUESTS: &str = "sidegate_requests_total";
const ANSWERS: &str = "sidegate_answers_total";
const LOOKUPS: &str = "sidegate_cache_lookups_total";

/// How many reasons and routes people see.
const TOP: usize = 10;

/// REQUIREMENTS §1: answers from memory or Redis ÷ answers that needed stored facts; Redis's are of those
/// that memory did not have.
pub(super) fn hit_rates(reading: &Reading<'_>) -> Section {
    let columns = [
        Column("from", "from"),
        Column("hits", "hits"),
        Column("of", "of"),
        Column("rate", "hit rate"),
        Column("recent_rate", "lately"),
    ];
    let recent = reading
        .recent
        .as_ref()
        .and_then(|(recent, _)| rates(recent));
    let rows = rates(reading.now).map(|now| {
        let mut lately = recent.into_iter().flatten();
        let rows = now.into_iter().filter(|(from, ..)| {
            *from != "Redis" || reading.sum("sidegate_l2_connections", &[]).is_some()
        });
        rows.map(|(from, hits, of)| {
            let recent = lately.find(|(same, ..)| *same == from);
            let recent = recent.map(|(_, hits, of)| share(Some(hits), Some(of)));
            Row {
                cells: vec![
                    Cell::text(from),
                    Cell::Count(hits),
                    Cell::Count(of),
                    share(Some(hits), Some(of)),
                    recent.unwrap_or(Cell::Missing),
                ],
                is_quiet: false,
            }
        })
        .collect()
    });
    Section::table(
        "hit_rates",
        "Hit rates: of the answers that needed stored facts; Redis's of those that memory did not have",
        &columns,
        rows.unwrap_or_default(),
    )
}

/// From where, how many, of how many.
fn rates(exposition: &Exposition) -> Option<[(&'static str, f64, f64); 3]> {
    let all = exposition.sum(ANSWERS, &[])?;
    let from = |tier| {
        exposition
            .sum(ANSWERS, &[("tier", tier)])
            .unwrap_or_default()
    };
    // What memory answered while the database could not be asked came from memory too.
    let memory = from("l1") + from("l1_stale");
    let redis = from("l2");
    Some([
        ("memory", memory, all),
        ("Redis", redis, all - memory),
        ("overall", memory + redis, all),
    ])
}

pub(super) fn outcomes(reading: &Reading<'_>) -> Section {
    let columns = [
        Column("outcome", "outcome"),
        Column("total", "total"),
        Column("share", "share"),
        Column("per_second", "/s"),
    ];
    let all = reading.sum(REQUESTS, &[]);
    let outcomes = reading.now.by(REQUESTS, "outcome");
    let rows = outcomes.into_iter().map(|(outcome, total)| Row {
        cells: vec![
            Cell::text(outcome),
            Cell::Count(total),
            share(Some(total), all),
            reading.per_second(REQUESTS, &[("outcome", outcome)]),
        ],
        is_quiet: false,
    });
    Section::table("outcomes", "Requests by outcome", &columns, rows.collect())
}

pub(super) fn reasons(reading: &Reading<'_>) -> Section {
    let columns = [
        Column("outcome", "outcome"),
        Column("reason", "reason"),
        Column("total", "total"),
        Column("share", "share"),
        Column("per_second", "/s"),
    ];
    let all = reading.sum(REQUESTS, &[]);
    let mut reasons: Vec<_> = reading.now.by(REQUESTS, "reason").into_iter().collect();
    reasons.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let rows = reasons.into_iter().map(|(reason, total)| {
        let having = [("reason", reason)];
        let outcome = reading
            .now
            .series(REQUESTS)
            .find(|(labels, _)| labels.get("reason").is_some_and(|known| known == reason))
            .and_then(|(labels, _)| labels.get("outcome"));
        Row {
            cells: vec![
                outcome.map_or(Cell::Missing, Cell::text),
                Cell::text(reason),
                Cell::Count(total),
                share(Some(total), all),
                reading.per_second(REQUESTS, &having),
            ],
            is_quiet: total == 0.0,
        }
    });
    Section::table("reasons", "Why", &columns, rows.collect()).at_most(TOP)
}

pub(super) fn routes(reading: &Reading<'_>) -> Section {
    let columns = [
        Column("route", "route"),
        Column("total", "total"),
        Column("allowed", "allowed"),
        Column("share", "share"),
        Column("per_second", "/s"),
    ];
    let all = reading.sum(REQUESTS, &[]);
    let known = reading
        .now
        .series(REQUESTS)
        .any(|(labels, _)| labels.contains_key("route"));
    let mut routes: Vec<_> = reading.now.by(REQUESTS, "route").into_iter().collect();
    routes.retain(|_| known);
    routes.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let rows = routes.into_iter().map(|(route, total)| {
        let allowed = reading.sum(REQUESTS, &[("route", route), ("outcome", "allow")]);
        let name = if route.is_empty() { "(none)" } else { route };
        Row {
            cells: vec![
                Cell::text(name),
                Cell::Count(total),
                share(allowed, Some(total)),
                share(Some(total), all),
                reading.per_second(REQUESTS, &[("route", route)]),
            ],
            is_quiet: total == 0.0,
        }
    });
    Section::table("routes", "Requests by route", &columns, rows.collect()).at_most(TOP)
}

/// Look-ups of what is kept, with what it weighs.
pub(super) fn lookups(reading: &Reading<'_>) -> Section {
    Section::table(
        "lookups",
        "Look-ups in memory (l1) and Redis (l2)",
        &LOOKED_UP,
        rows(reading.now, |count| {
            count.map_or(Cell::Missing, Cell::Count)
        }),
    )
}

/// The same of an interval, per second.
pub(super) fn lookup_rates(reading: &Reading<'_>) -> Section {
    let rows = reading.recent.as_ref().map(|(recent, seconds)| {
        rows(recent, |grown| {
            grown.map_or(Cell::Missing, |grown| Cell::PerSecond(grown / seconds))
        })
    });
    Section::table(
        "lookups_per_second",
        "Look-ups per second, lately",
        &LOOKED_UP,
        rows.unwrap_or_default(),
    )
}

const LOOKED_UP: [Column; 11] = [
    Column("tier", "tier"),
    Column("class", "class"),
    Column("hit_rate", "rate"),
    Column("hits", "hits"),
    Column("misses", "misses"),
    Column("stale", "stale"),
    Column("unusable", "other"),
    Column("fills", "fills"),
    Column("evictions", "evicted"),
    Column("bytes", "bytes"),
    Column("full", "full"),
];

fn rows(exposition: &Exposition, counted: impl Fn(Option<f64>) -> Cell) -> Vec<Row> {
    let series = exposition.series(LOOKUPS);
    let mut classes: Vec<_> = series
        .filter_map(|(labels, _)| Some((labels.get("tier")?, labels.get("class")?)))
        .collect();
    classes.sort();
    classes.dedup();
    let rows = classes.into_iter().map(|(tier, class)| {
        let of = [("tier", tier.as_str()), ("class", class.as_str())];
        let looked = |results: &[&str]| {
            let counts = results.iter().filter_map(|result| {
                let [tier, class] = of;
                exposition.sum(LOOKUPS, &[tier, class, ("result", result)])
            });
            counts.reduce(|one, other| one + other)
        };
        let weighed = |state| {
            let [tier, class] = of;
            exposition.sum("sidegate_cache_bytes", &[tier, class, ("state", state)])
        };
        let cells = vec![
            Cell::text(tier),
            Cell::text(class),
            share(looked(&["hit"]), exposition.sum(LOOKUPS, &of)),
            counted(looked(&["hit"])),
            counted(looked(&["absent", "expired"])),
            counted(looked(&["touched"])),
            counted(looked(&["forged", "malformed", "away", "skipped"])),
            counted(exposition.sum("sidegate_cache_fills_total", &of)),
            counted(exposition.sum("sidegate_cache_evictions_total", &of)),
            Cell::bytes(weighed("used")),
            share(weighed("used"), weighed("limit")),
        ];
        Row {
            cells,
            is_quiet: false,
        }
    });
    rows.collect()
}
