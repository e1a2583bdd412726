//! How the instance and what it depends on are: versions, pools, breakers; and what went wrong.

use super::Reading;
use super::section::{Cell, Column, Row, Section};

pub(super) fn instance(reading: &Reading<'_>) -> Section {
    let version = reading
        .now
        .series("sidegate_build_info")
        .find_map(|(labels, _)| labels.get("version"));
    let count = |name| reading.count(name, &[]);
    let is = |name| {
        reading
            .sum(name, &[])
            .map_or(Cell::Missing, |value| Cell::Is(value != 0.0))
    };
    Section::values(
        "instance",
        "Instance",
        [
            (
                Column("version", "version"),
                version.map_or(Cell::Missing, Cell::text),
            ),
            (
                Column("config_generation", "configuration"),
                count("sidegate_config_generation"),
            ),
            (
                Column("connections", "connections"),
                count("sidegate_connections"),
            ),
            (Column("streams", "streams"), count("sidegate_streams")),
            (
                Column("cache_open", "answers from memory"),
                is("sidegate_cache_open"),
            ),
            (
                Column("redis_in_use", "Redis in use"),
                is("sidegate_l2_in_use"),
            ),
            (
                Column("redis_connections", "Redis connections"),
                count("sidegate_l2_connections"),
            ),
            (
                Column("register_known", "credentials known"),
                is("sidegate_register_known"),
            ),
            (
                Column("register_keys", "service keys"),
                count("sidegate_register_keys"),
            ),
            (
                Column("register_revocations", "revocations"),
                count("sidegate_register_revocations"),
            ),
        ],
    )
}

pub(super) fn pools(reading: &Reading<'_>) -> Section {
    let columns = [
        Column("pool", "pool"),
        Column("used", "used"),
        Column("idle", "idle"),
        Column("limit", "limit"),
        Column("waiting", "waiting"),
        Column("queries", "queries"),
        Column("failed", "failed"),
        Column("queries_per_second", "/s"),
    ];
    let queries = "sidegate_database_queries_total";
    let pools = reading.now.by("sidegate_pool_limit", "pool");
    let rows = pools.into_iter().map(|(pool, limit)| {
        let of = ("pool", pool);
        let connections =
            |state| reading.count("sidegate_pool_connections", &[of, ("state", state)]);
        let asked = reading.sum(queries, &[of]);
        let answered = reading.sum(queries, &[of, ("result", "answered")]);
        let failed = asked
            .zip(answered)
            .map(|(asked, answered)| asked - answered);
        Row {
            cells: vec![
                Cell::text(pool),
                connections("used"),
                connections("idle"),
                Cell::Count(limit),
                reading.count("sidegate_pool_waiting", &[of]),
                Cell::count(asked),
                Cell::count(failed),
                reading.per_second(queries, &[of]),
            ],
            is_quiet: false,
        }
    });
    Section::table(
        "pools",
        "Connections to the database",
        &columns,
        rows.collect(),
    )
}

pub(super) fn breakers(reading: &Reading<'_>) -> Section {
    let columns = [Column("breaker", "breaker"), Column("state", "state")];
    let states = reading.now.series("sidegate_breaker_state");
    let rows = states.map(|(labels, state)| {
        let of = |label| labels.get(label).map_or("", String::as_str);
        // One for each issuer that is asked.
        let breaker = format!("{} {}", of("breaker"), of("issuer"));
        let names = [(0.0, "closed"), (1.0, "half-open"), (2.0, "open")];
        let name = names.iter().find(|(known, _)| *known == state);
        let name = name.map_or_else(
            || format!("unknown ({state})"),
            |(_, name)| (*name).to_owned(),
        );
        Row {
            cells: vec![Cell::text(breaker.trim_end()), Cell::Text(name)],
            is_quiet: false,
        }
    });
    Section::table("breakers", "Breakers", &columns, rows.collect())
}

/// What is counted by one label, and its name for people.
const COUNTED: [(&str, &str, &str); 9] = [
    ("answers", "sidegate_answers_total", "tier"),
    ("questions to the store", "sidegate_flights_total", "role"),
    ("degraded answers", "sidegate_degraded_answers_total", "how"),
    (
        "failed authentications",
        "sidegate_authentication_failures_total",
        "reason",
    ),
    ("tokens", "sidegate_tokens_total", "from"),
    ("streams ended", "sidegate_streams_ended_total", "why"),
    ("polls", "sidegate_polls_total", "result"),
    ("canary", "sidegate_canary_total", "result"),
    (
        "lines of the access log",
        "sidegate_access_log_lines_total",
        "result",
    ),
];

pub(super) fn counters(reading: &Reading<'_>) -> Section {
    let columns = [
        Column("what", "what"),
        Column("which", "which"),
        Column("total", "total"),
        Column("per_second", "/s"),
    ];
    let rows = COUNTED.into_iter().flat_map(|(what, name, label)| {
        let counts = reading.now.by(name, label).into_iter();
        counts.map(move |(which, total)| Row {
            cells: vec![
                Cell::text(what),
                Cell::text(which),
                Cell::Count(total),
                reading.per_second(name, &[(label, which)]),
            ],
            is_quiet: total == 0.0,
        })
    });
    Section::table(
        "counters",
        "Counters (those that are not zero)",
        &columns,
        rows.collect(),
    )
}
