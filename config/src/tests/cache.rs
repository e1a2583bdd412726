//! The caches: their defaults, their bounds, and how the memory is divided.

use std::time::Duration;

use super::{BASE, parsed, refused};
use crate::{CacheSettings, ClassSettings, CoherenceSettings, Settings};

const REFERENCE: &str = include_str!("../../sidegate.yaml");

fn with(section: &str) -> String {
    format!("{BASE}{section}\n")
}

fn settings(section: &str) -> Settings {
    parsed(&with(section)).unwrap_or_else(|error| panic!("{section}\n{error}"))
}

#[test]
fn the_reference_shows_the_defaults() {
    let class = |seconds, l2_seconds, share| ClassSettings {
        ttl: Duration::from_secs(seconds),
        l2_ttl: Duration::from_secs(l2_seconds),
        share,
    };
    let cache = CacheSettings {
        token_bytes: 16 << 20,
        l1_bytes: 200 * 1024 * 1024,
        user_auth: class(300, 900, 25),
        direct_ownership: class(600, 1800, 40),
        team_access: class(300, 900, 20),
        project_visibility: class(900, 3600, 15),
        media_bytes: 8 << 20,
        media_ttl: Duration::from_secs(180),
        warming_pairs: 10_000,
        negative_ttl: Duration::from_secs(5),
    };
    let coherence = CoherenceSettings {
        poll_interval: Duration::from_millis(50),
        canary_interval: Duration::from_secs(5),
        slots: 1 << 20,
    };
    for text in [BASE, REFERENCE] {
        let found = parsed(text).unwrap();
        assert_eq!(found.cache, cache);
        assert_eq!(found.coherence, coherence);
    }
}

#[test]
fn one_value_of_a_class_leaves_the_other_at_its_default() {
    let section = "cache: { classes: { team_access: { ttl: 1m }, user_auth: { share: 7 } } }";
    let found = settings(section).cache;
    assert_eq!(found.team_access.ttl, Duration::from_secs(60));
    assert_eq!(found.team_access.share, 20);
    assert_eq!(found.user_auth.ttl, Duration::from_secs(300));
    assert_eq!(found.user_auth.share, 7);
}

#[test]
fn the_classes_divide_the_memory_and_no_more() {
    let section = "cache: { l1_size_mb: 3, classes: { user_auth: { share: 100 }, \
                   direct_ownership: { share: 200 }, team_access: { share: 1 }, \
                   project_visibility: { share: 1 } } }";
    let found = settings(section).cache;
    let all = [
        &found.user_auth,
        &found.direct_ownership,
        &found.team_access,
        &found.project_visibility,
    ];
    let bytes = all.map(|class| found.bytes_of(class));
    assert_eq!(bytes[0], (3 << 20) * 100 / 302);
    assert_eq!(bytes[1], (3 << 20) * 200 / 302);
    let sum: u64 = bytes.iter().sum();
    assert!((found.l1_bytes - 4..=found.l1_bytes).contains(&sum));

    let off = settings("cache: { l1_size_mb: 0 }").cache;
    assert_eq!(off.bytes_of(&off.user_auth), 0);
}

#[test]
fn bounds_of_the_caches_hold() {
    let classes = |class: &str| format!("cache: {{ classes: {{ {class} }} }}");
    let (ttl, share) = ("1s to 1h", "1 to 1000");
    for (class, key, words) in [
        ("user_auth: { ttl: 999ms }", "user_auth.ttl", ttl),
        ("team_access: { ttl: 3601s }", "team_access.ttl", ttl),
        (
            "project_visibility: { share: 0 }",
            "project_visibility.share",
            share,
        ),
        (
            "direct_ownership: { share: 1001 }",
            "direct_ownership.share",
            share,
        ),
        ("media: {}", "media", "unknown field"),
    ] {
        let path = format!("cache.classes.{key}");
        refused(&with(&classes(class)), &path, words);
    }
    for (entry, key, words) in [
        ("l1_size_mb: 65537", "l1_size_mb", "0 to 65536"),
        ("negative_ttl: 61s", "negative_ttl", "0s to 60s"),
    ] {
        let section = format!("cache: {{ {entry} }}");
        refused(&with(&section), &format!("cache.{key}"), words);
    }
    settings("cache: { l1_size_mb: 65536, negative_ttl: 0s }");
    settings(&classes(
        "user_auth: { ttl: 1s, share: 1 }, team_access: { ttl: 1h, share: 1000 }",
    ));
}

#[test]
fn bounds_of_the_feed_hold() {
    for (entry, key, words) in [
        ("poll_interval: 4ms", "poll_interval", "5ms to 250ms"),
        ("poll_interval: 251ms", "poll_interval", "5ms to 250ms"),
        (
            "canary_interval: 999ms",
            "canary_interval",
            "0s, or 1s to 5m",
        ),
        (
            "canary_interval: 301s",
            "canary_interval",
            "0s, or 1s to 5m",
        ),
        ("slots: 512", "slots", "1024 to 16777216"),
        ("slots: 33554432", "slots", "1024 to 16777216"),
        ("slots: 1048575", "slots", "a power of two"),
    ] {
        let section = format!("coherence: {{ {entry} }}");
        refused(&with(&section), &format!("coherence.{key}"), words);
    }
    settings("coherence: { poll_interval: 250ms, canary_interval: 0s, slots: 1024 }");
    settings("coherence: { poll_interval: 5ms, canary_interval: 1s, slots: 16777216 }");
    settings("coherence: { canary_interval: 5m }");
}
