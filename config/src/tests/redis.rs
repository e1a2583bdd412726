//! Redis: where it may be, what it is spoken to with, its bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BASE, file, parsed, refused};
use crate::{BreakerSettings, RedisSettings, parse};

const REFERENCE: &str = include_str!("../../sidegate.yaml");
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn text(entries: &str) -> String {
    format!("{BASE}redis: {{ {entries} }}\n")
}

fn local(entries: &str) -> String {
    text(&format!(
        "url: 'redis://localhost:6379', mac_keys: [{KEY}]{entries}"
    ))
}

fn redis(text: &str) -> RedisSettings {
    let settings = parsed(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    settings.redis.expect(text)
}

#[test]
fn an_address_and_a_key_are_enough_and_the_reference_shows_the_defaults() {
    assert_eq!(parsed(BASE).unwrap().redis, None);
    let found = redis(&local(""));
    assert_eq!(found.pool_size, 20);
    assert_eq!(found.total_timeout, Duration::from_millis(25));
    let breaker = BreakerSettings {
        failures: 5,
        open: Duration::from_secs(15),
        successes: 2,
    };
    assert_eq!(found.breaker, breaker);

    let (before, rest) = REFERENCE.split_once("\n# redis:").unwrap();
    let (section, after) = rest.split_once("\n\n").unwrap();
    let section = section
        .replace("\n# ", "\n")
        .replace("  ca_file:", "  # ca_file:");
    let env = [
        ("REDIS_URL", "redis://localhost:6379"),
        ("REDIS_MAC_KEY", KEY),
    ];
    let env: BTreeMap<_, _> = env
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let shown = parse(
        &format!("{before}\nredis:{section}\n\n{after}"),
        &file(),
        &env,
    );
    assert_eq!(shown.unwrap().redis, Some(found));
}

#[test]
fn beyond_loopback_there_is_tls_or_an_option_that_says_so() {
    let entries = |url: &str, more: &str| text(&format!("url: '{url}', mac_keys: [{KEY}]{more}"));
    refused(&entries("redis://cache", ""), "redis.url", "expected TLS");
    let node = "redis-cluster://localhost:1?node=cache:2";
    refused(&entries(node, ""), "redis.url", "expected TLS");
    assert!(redis(&entries("rediss://cache", "")).tls);
    let open = parsed(&entries("redis://cache", ", insecure_plaintext: true")).unwrap();
    assert!(!open.redis.unwrap().tls);
    assert_eq!(open.insecure, ["redis.insecure_plaintext"]);
    let unused = parsed(&entries("redis://localhost", ", ca_file: ca.pem")).unwrap();
    assert!(
        unused
            .notes
            .iter()
            .any(|note| note.contains("redis.ca_file is not used"))
    );
    let used = parsed(&entries("rediss://localhost", ", ca_file: ca.pem")).unwrap();
    assert!(used.files.iter().any(|file| file.ends_with("ca.pem")));
}

#[test]
fn what_nobody_seals_is_not_shared() {
    let with = |keys: &str| text(&format!("url: 'redis://localhost', mac_keys: {keys}"));
    refused(&with("[]"), "redis.mac_keys", "at least one key");
    refused(&with("[short]"), "redis.mac_keys[0]", "32 bytes");
    refused(
        &with(&format!("[{KEY}, '']")),
        "redis.mac_keys[1]",
        "not empty",
    );
    assert_eq!(redis(&with(&format!("[{KEY}, {KEY}2]"))).mac_keys.len(), 2);
}

#[test]
fn bounds_of_redis_hold() {
    for (entry, key, words) in [
        ("pool_size: 0", "pool_size", "1 to 1000"),
        ("connect_timeout: 61s", "connect_timeout", "1ms to 60s"),
        ("command_timeout: 0ms", "command_timeout", "1ms to 10s"),
        ("total_timeout: 11s", "total_timeout", "1ms to 10s"),
        ("write_queue: 0", "write_queue", "1 to 1000000"),
        ("command_queue: 0", "command_queue", "1 to 100000"),
        ("compress_above: 63", "compress_above", "64 to 65536"),
        ("breaker: { failures: 0 }", "breaker.failures", "1 to 1000"),
        ("breaker: { open: 99ms }", "breaker.open", "100ms to 10m"),
        (
            "breaker: { successes: 0 }",
            "breaker.successes",
            "1 to 1000",
        ),
        ("breaker: { shut: 1s }", "breaker.shut", "unknown field"),
    ] {
        refused(
            &local(&format!(", {entry}")),
            &format!("redis.{key}"),
            words,
        );
    }
}

#[test]
fn redis_over_a_file_or_without_memory_is_noted() {
    let notes = |text: &str| parsed(text).unwrap().notes;
    assert!(
        notes(&local(""))
            .iter()
            .any(|note| note.contains("store.file"))
    );
    let off = format!("{}cache: {{ l1_size_mb: 0 }}\n", local(""));
    assert!(notes(&off).iter().any(|note| note.contains("l1_size_mb")));
}
