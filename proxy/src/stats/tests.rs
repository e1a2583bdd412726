//! Whole readings, with everything, with little, and one after the other.

use std::time::Duration;

use serde_json::{Value, json};

use super::text::WIDTH;
use super::{Exposition, Statistics};

const FULL: &str = include_str!("tests/full.txt");

/// As it is over a directory file: no database, no Redis.
const SMALL: &str = "# HELP sidegate_build_info Always 1; the labels say what runs\n\
    # TYPE sidegate_build_info gauge\nsidegate_build_info{version=\"0.1.0\"} 1\n\
    # TYPE sidegate_requests_total counter\n\
    sidegate_requests_total{outcome=\"allow\",reason=\"ownership\",route=\"read_generation\"} 3\n\
    sidegate_requests_total{outcome=\"deny\",reason=\"no_role\",route=\"read_generation\"} 1\n\
    sidegate_requests_total{outcome=\"deny\",reason=\"no_route\",route=\"\"} 0\n\
    sidegate_answers_total{tier=\"l1\"} 3\nsidegate_answers_total{tier=\"l2\"} 0\n\
    sidegate_answers_total{tier=\"store\"} 1\n";

fn read(text: &str) -> Exposition {
    text.parse().unwrap()
}

/// [`FULL`] a little later.
fn grown() -> String {
    let changes = [
        ("sidegate_requests_total{outcome=\"allow\"", "9600"),
        ("sidegate_answers_total{tier=\"l1\"", "9030"),
        ("sidegate_answers_total{tier=\"store\"", "310"),
        (
            "sidegate_decision_seconds_bucket{outcome=\"allow\",le=\"+Inf\"",
            "1005",
        ),
        (
            "sidegate_cache_lookups_total{class=\"direct_ownership\",result=\"hit\"",
            "940",
        ),
    ];
    let changed = |line: &str| {
        let change = changes.iter().find(|(begin, _)| line.starts_with(begin));
        let changed = change.and_then(|(_, value)| {
            let (series, _) = line.rsplit_once(' ')?;
            Some(format!("{series} {value}\n"))
        });
        changed.unwrap_or_else(|| format!("{line}\n"))
    };
    FULL.lines().map(changed).collect()
}

fn near(value: &Value, expected: f64) {
    let found = value.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found} {expected}");
}

fn json_of(statistics: &Statistics) -> Value {
    statistics.json("2026-01-01T00:00:00Z")
}

/// The row of a section whose first columns say this.
fn row<'j>(json: &'j Value, section: &str, says: &[(&str, &str)]) -> &'j Value {
    let rows = json[section].as_array().unwrap();
    let found = rows
        .iter()
        .find(|row| says.iter().all(|(key, value)| row[*key] == *value));
    found.unwrap_or_else(|| panic!("{section} {says:?}: {rows:#?}"))
}

#[test]
fn what_was_asked_and_answered_has_its_place() {
    let json = json_of(&Statistics::of(&read(FULL), None));
    assert_eq!(
        json["instance"],
        json!({
            "version": "0.1.0", "config_generation": 2, "connections": 12, "streams": 3, "cache_open": true,
            "redis_in_use": true, "redis_connections": 4, "register_known": true, "register_keys": 7,
            "register_revocations": 1,
        })
    );
    // REQUIREMENTS §1: 9,000 of memory and 100 of it while the database was away, 600 of Redis's 900.
    let rates = json!([
        { "from": "memory", "hits": 9100, "of": 10000, "rate": 0.91 },
        { "from": "Redis", "hits": 600, "of": 900, "rate": 600.0 / 900.0 },
        { "from": "overall", "hits": 9700, "of": 10000, "rate": 0.97 },
    ]);
    assert_eq!(json["hit_rates"], rates);
    assert_eq!(
        json["outcomes"][0],
        json!({ "outcome": "allow", "total": 9500, "share": 0.95 })
    );
    assert_eq!(
        json["reasons"][0],
        json!({ "outcome": "allow", "reason": "ownership", "total": 9500, "share": 0.95 })
    );
    assert_eq!(
        json["routes"][0],
        json!({ "route": "GET /api/generations/{id}", "total": 9900, "allowed": 9500.0 / 9900.0, "share": 0.99 })
    );
    assert_eq!(row(&json, "routes", &[("route", "(none)")])["total"], 100);
    assert_eq!(
        *row(
            &json,
            "lookups",
            &[("tier", "l1"), ("class", "direct_ownership")]
        ),
        json!({
            "tier": "l1", "class": "direct_ownership", "hit_rate": 0.9, "hits": 900, "misses": 90, "stale": 10,
            "fills": 95, "evictions": 5, "bytes": 1_048_576, "full": 0.25,
        })
    );
    assert_eq!(
        *row(&json, "lookups", &[("tier", "l2")]),
        json!({ "tier": "l2", "class": "answer", "hit_rate": 0.6, "hits": 600, "misses": 300, "stale": 60, "unusable": 40, "fills": 290 })
    );
    let failed = [("what", "failed authentications"), ("which", "expired")];
    assert_eq!(row(&json, "counters", &failed)["total"], 8);
    let degraded = [("what", "degraded answers"), ("which", "stale")];
    assert_eq!(row(&json, "counters", &degraded)["total"], 100);
}

#[test]
fn times_pools_and_breakers_have_theirs() {
    let json = json_of(&Statistics::of(&read(FULL), None));
    let decisions = row(&json, "latency", &[("what", "decisions")]);
    assert_eq!(decisions["count"], 1000);
    near(&decisions["p50"], 0.0001 * 500.0 / 900.0);
    assert_eq!(decisions["p99_at_least"], json!(0.001));
    let stages: Vec<&str> = json["latency"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["what"].as_str()?.strip_prefix("stage: "))
        .collect();
    assert_eq!(stages, ["route", "upstream", "answer"]);
    let revocation = row(&json, "lag", &[("what", "revocation, from commit to here")]);
    near(&revocation["p50"], 0.05);
    near(&revocation["p99"], 0.099);
    assert_eq!(
        (&revocation["count"], &revocation["max_at_most"]),
        (&json!(20), &json!(0.1))
    );
    assert_eq!(
        row(&json, "lag", &[("what", "age of the lease")])["now"],
        0.042
    );
    assert_eq!(
        *row(&json, "pools", &[("pool", "authorization")]),
        json!({ "pool": "authorization", "used": 3, "idle": 5, "limit": 22, "waiting": 1, "queries": 410, "failed": 10 })
    );
    assert_eq!(
        row(&json, "breakers", &[("breaker", "database")])["state"],
        "half-open"
    );
    assert_eq!(
        row(&json, "breakers", &[("breaker", "redis")])["state"],
        "unknown (7)"
    );
}

#[test]
fn what_is_not_there_is_left_out_and_not_zero() {
    let statistics = Statistics::of(&read(SMALL), None);
    let json = json_of(&statistics);
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "at",
            "instance",
            "hit_rates",
            "outcomes",
            "reasons",
            "routes",
            "counters"
        ]
    );
    assert_eq!(json["instance"], json!({ "version": "0.1.0" }));
    let froms: Vec<&Value> = json["hit_rates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["from"])
        .collect();
    assert_eq!(froms, ["memory", "overall"], "there is no Redis");
    let text = statistics.to_string();
    assert!(
        !text.contains("no_route"),
        "nobody asked for nothing: {text}"
    );
    assert!(!text.contains("nan") && !text.contains("NaN"), "{text}");

    // An older version counts by other labels.
    let older = read("sidegate_requests_total{outcome=\"allow\",reason=\"public\"} 2\n");
    let json = json_of(&Statistics::of(&older, None));
    assert!(
        json.get("routes").is_none() && json.get("instance").is_none(),
        "{json}"
    );
    assert!(Statistics::of(&read("process_cpu_seconds_total 3\n"), None).is_empty());
    assert!(Statistics::of(&read(""), None).is_empty());
}

#[test]
fn rates_are_of_the_interval_and_a_restart_begins_at_zero() {
    let before = read(FULL);
    let now = read(&grown());
    let interval = Duration::from_secs(2);
    let json = json_of(&Statistics::of(&now, Some((&before, interval))));
    assert_eq!(json["interval_seconds"], 2.0);
    assert_eq!(
        json["outcomes"][0],
        json!({ "outcome": "allow", "total": 9600, "share": 9600.0 / 10100.0, "per_second": 50 })
    );
    assert_eq!(
        row(&json, "hit_rates", &[("from", "overall")])["recent_rate"],
        0.75
    );
    assert!(
        row(&json, "hit_rates", &[("from", "Redis")])
            .get("recent_rate")
            .is_some_and(|rate| *rate == 0)
    );
    let decisions = row(&json, "latency", &[("what", "decisions")]);
    assert_eq!(decisions["per_second"], 2.5);
    assert_eq!(decisions["recent_p50_at_least"], 0.001);
    let looked = row(
        &json,
        "lookups_per_second",
        &[("class", "direct_ownership")],
    );
    assert_eq!(
        *looked,
        json!({ "tier": "l1", "class": "direct_ownership", "hit_rate": 1, "hits": 20, "misses": 0, "stale": 0, "fills": 0, "evictions": 0 })
    );

    let json = json_of(&Statistics::of(&read(SMALL), Some((&before, interval))));
    assert_eq!(
        json["outcomes"][0]["per_second"], 1.5,
        "3 in 2 s since the restart"
    );
    assert_eq!(
        row(&json, "hit_rates", &[("from", "memory")])["recent_rate"],
        0.75
    );

    let none = Statistics::of(&now, Some((&before, Duration::ZERO)));
    assert!(json_of(&none)["outcomes"][0].get("per_second").is_none());
}

#[test]
fn the_tables_fit_a_screen() {
    let (before, now) = (read(SMALL), read(FULL));
    let text = Statistics::of(&now, Some((&before, Duration::from_secs(2)))).to_string();
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    for expected in [
        "  ownership  ",
        "  GET /api/generations/{id}  ",
        "  age of the lease",
        "≤100 ms",
        "(interpolated",
        "  l2    answer",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
