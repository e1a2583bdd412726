//! Introspection: what it needs, and what may be left out with it.

use std::time::Duration;

use super::{parsed, refused, with};
use crate::{BreakerSettings, IntrospectionFallback};

const URL: &str = "url: 'https://id.example/introspect'";
const CLIENT: &str = "client_id: sidegate, client_secret: f3b1c79d2e";
const KEYS: &str = "    algorithms: [ES256]\n    keys: [{ jwks_file: keys.json }]\n";

/// An issuer that is asked like this, and has these keys.
fn asked(introspection: &str, keys: &str) -> String {
    let asked = format!("    introspection: {{ {introspection} }}\n{keys}");
    with(KEYS, &asked)
}

#[test]
fn it_gets_every_default_and_needs_no_keys() {
    for keys in ["", KEYS] {
        let text = asked(&format!("{URL}, {CLIENT}, fallback: deny"), keys);
        let settings = parsed(&text).unwrap();
        assert_eq!(settings.issuers[0].keys.is_empty(), keys.is_empty());
        let found = settings.issuers[0].introspection.clone().unwrap();
        assert_eq!(found.client_secret.expose(), b"f3b1c79d2e");
        assert_eq!(found.fallback, IntrospectionFallback::Deny);
        let seconds = Duration::from_secs;
        assert_eq!(
            (found.timeout, found.ttl, found.max_in_flight),
            (seconds(1), seconds(10), 64)
        );
        let breaker = BreakerSettings {
            failures: 3,
            open: seconds(45),
            successes: 2,
        };
        assert_eq!(found.breaker, breaker);
        assert!(
            settings.notes[0].contains("is good for 10s more"),
            "{:?}",
            settings.notes
        );
        assert!(!settings.redacted.to_string().contains("f3b1c79d2e"));
    }
}

#[test]
fn the_fallback_must_be_chosen_and_local_needs_keys() {
    let at = "issuers[0].introspection";
    refused(
        &asked(&format!("{URL}, {CLIENT}"), KEYS),
        at,
        "required key `fallback`",
    );
    let local = format!("{URL}, {CLIENT}, fallback: local");
    assert!(parsed(&asked(&local, KEYS)).unwrap().notes[0].contains("for reads"));
    let problems = super::problems(&asked(&local, ""));
    let paths: Vec<_> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(paths, ["issuers[0].algorithms", "issuers[0].keys"]);
    // Half of it is a mistake with either.
    let half = asked(
        &format!("{URL}, {CLIENT}, fallback: deny"),
        "    algorithms: [ES256]\n",
    );
    refused(&half, "issuers[0].keys", "at least one key");
}

#[test]
fn without_it_keys_and_algorithms_are_needed() {
    refused(
        &with("    keys: [{ jwks_file: keys.json }]\n", ""),
        "issuers[0].keys",
        "at least one key",
    );
    refused(
        &with("    algorithms: [ES256]\n", ""),
        "issuers[0].algorithms",
        "at least one algorithm",
    );
}

#[test]
fn each_key_has_its_bounds() {
    let at = "issuers[0].introspection";
    for (key, from, to, words) in [
        ("url", "https://id", "http://id", "can read tokens"),
        ("url", "https://id", "https://me:hunter2@id", "without user"),
        ("url", "introspect'", "introspect#x'", "without fragment"),
    ] {
        let text = asked(
            &format!("{URL}, {CLIENT}, fallback: deny").replace(from, to),
            "",
        );
        refused(&text, &format!("{at}.{key}"), words);
    }
    for (key, value, words) in [
        ("timeout", "9ms", "10ms to 10s"),
        ("timeout", "1001ms", "half of `limits.decision_timeout`"),
        ("ttl", "301s", "0s to 5m"),
        ("max_in_flight", "0", "1 to 1000"),
    ] {
        let text = asked(
            &format!("{URL}, {CLIENT}, fallback: deny, {key}: {value}"),
            "",
        );
        refused(&text, &format!("{at}.{key}"), words);
    }
    let placeholder = CLIENT.replace("f3b1c79d2e", "aaaaaaaa");
    let text = asked(&format!("{URL}, {placeholder}, fallback: deny"), "");
    refused(&text, &format!("{at}.client_secret"), "made at random");
    let exact = "ttl: 0s, timeout: 1s, max_in_flight: 1000";
    assert!(
        parsed(&asked(
            &format!("{URL}, {CLIENT}, fallback: deny, {exact}"),
            ""
        ))
        .is_ok()
    );
}

#[test]
fn an_opaque_token_is_of_one_issuer() {
    let one = asked(&format!("{URL}, {CLIENT}, fallback: deny"), "");
    let two = |sources: &str| {
        let second = format!(
            "  - issuer: https://other.example/\n    audiences: [api]\n    introspection: {{ {URL}, {CLIENT}, \
             fallback: deny }}\n{sources}"
        );
        one.replace("policy:", &format!("{second}policy:"))
    };
    let both = two("    sources: [{ header: X-Token }, bearer]\n");
    refused(&both, "issuers[1].sources[1]", "does not say whose it is");
    assert!(parsed(&two("    sources: [{ header: X-Token }]\n")).is_ok());
}
