//! The application: three spellings of its instances, groups, the health check.

use std::time::Duration;

use super::{BASE, parsed, refused, with};
use crate::{Endpoint, HealthCheckSettings};

const URL: &str = "url: http://127.0.0.1:3000";
const GROUPS: &str = "groups: { blue: ['http://a:1', 'http://b:2'], green: ['http://c:3'] }";

fn upstream(entries: &str) -> String {
    with(URL, entries)
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    let host = host.to_owned();
    Endpoint { host, port }
}

#[test]
fn three_spellings_become_groups() {
    let one = parsed(BASE).unwrap().upstream;
    assert_eq!(one.active, "default");
    assert_eq!(one.groups["default"], [endpoint("127.0.0.1", 3000)]);
    assert!(one.health_check.is_none());
    assert_eq!(one.websocket_idle_timeout, Duration::from_secs(3600));

    let many = parsed(&upstream("urls: ['http://a:1', 'http://a:2']")).unwrap();
    let instances = [endpoint("a", 1), endpoint("a", 2)];
    assert_eq!(many.upstream.groups["default"], instances);

    let groups = parsed(&upstream(&format!("{GROUPS}, active: green"))).unwrap();
    assert_eq!(groups.upstream.active, "green");
    assert_eq!(groups.upstream.groups.len(), 2);
    assert_eq!(groups.upstream.groups["green"], [endpoint("c", 3)]);
}

#[test]
fn groups_are_complete_and_one_is_active() {
    for (entries, path, words) in [
        ("connect_timeout: 1s", "upstream", "exactly one of"),
        (
            &format!("{URL}, urls: ['http://a']"),
            "upstream",
            "exactly one of",
        ),
        (
            &format!("{URL}, active: default"),
            "upstream.active",
            "only with `groups`",
        ),
        (GROUPS, "upstream.active", "`blue`, `green`"),
        (
            &format!("{GROUPS}, active: red"),
            "upstream.active",
            "`blue`, `green`",
        ),
        ("urls: []", "upstream.urls", "at least one instance"),
        ("urls: ['http://a', 'https://b']", "upstream.urls[1]", "TLS"),
        (
            "urls: ['http://a', 'http://A:80/']",
            "upstream.urls[1]",
            "not listed before",
        ),
        (
            "groups: {}, active: a",
            "upstream.groups",
            "at least one group",
        ),
        (
            "groups: { a: [] }, active: a",
            "upstream.groups.a",
            "at least one instance",
        ),
        (
            "groups: { a!: ['http://a'] }, active: a!",
            "upstream.groups.a!",
            "a name",
        ),
        (
            "groups: { a: ['http://a/x'] }, active: a",
            "upstream.groups.a[0]",
            "without path",
        ),
        (
            &format!("{URL}, websocket_idle_timeout: 25h"),
            "upstream.websocket_idle_timeout",
            "1s to 24h",
        ),
    ] {
        refused(&upstream(entries), path, words);
    }
    // Two groups may share an instance.
    let shared = "groups: { a: ['http://a'], b: ['http://a'] }, active: a";
    assert!(parsed(&upstream(shared)).is_ok());
}

#[test]
fn no_instance_is_sidegate_itself() {
    let back = "back to Sidegate";
    let admin = "the admin listener on the data port";
    for (entries, path, words) in [
        ("url: http://localhost:8080", "upstream.url", back),
        (
            "urls: ['http://a', 'http://127.0.0.1:9901']",
            "upstream.urls[1]",
            admin,
        ),
        (
            "groups: { a: ['http://a'], b: ['http://127.0.0.1:8080'] }, active: a",
            "upstream.groups.b[0]",
            back,
        ),
    ] {
        refused(&upstream(entries), path, words);
    }
    let everywhere = format!("{BASE}listen: 0.0.0.0:3000\n");
    refused(&everywhere, "upstream.url", back);
    for other in ["127.0.0.1:3001", "127.0.0.2:3000", "127.0.0.1:0"] {
        let text = format!("{BASE}listen: {other}\n");
        assert!(parsed(&text).is_ok(), "{other}");
    }
}

#[test]
fn a_route_names_a_group_that_exists() {
    let rule = "access: public";
    let route = |upstream: &str, group: &str| {
        with(rule, &format!("{rule}, upstream: {group}")).replace(URL, upstream)
    };
    let groups = format!("{GROUPS}, active: blue");
    let settings = parsed(&route(&groups, "green")).unwrap();
    assert_eq!(settings.routes[0].upstream.as_deref(), Some("green"));
    assert_eq!(parsed(BASE).unwrap().routes[0].upstream, None);
    assert!(parsed(&route(URL, "default")).is_ok());
    refused(
        &route(&groups, "red"),
        "routes[0].upstream",
        "`blue`, `green`",
    );
    refused(&route(URL, "green"), "routes[0].upstream", "`default`");
}

#[test]
fn a_health_check_has_defaults_and_bounds() {
    let check = |entries: &str| upstream(&format!("{URL}, health_check: {{ {entries} }}"));
    let settings = parsed(&check("")).unwrap();
    let defaults = HealthCheckSettings {
        path: None,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        healthy_after: 1,
        unhealthy_after: 2,
    };
    assert_eq!(settings.upstream.health_check, Some(defaults));
    let settings = parsed(&check("path: '/health?deep=1', interval: 100ms")).unwrap();
    let path = settings.upstream.health_check.unwrap().path;
    assert_eq!(path.as_deref(), Some("/health?deep=1"));
    for (entry, key, words) in [
        ("path: health", "path", "begins with `/`"),
        ("path: 'http://a/'", "path", "begins with `/`"),
        ("path: '/a b'", "path", "begins with `/`"),
        ("path: '/a#b'", "path", "begins with `/`"),
        ("interval: 99ms", "interval", "100ms to 10m"),
        ("timeout: 61s", "timeout", "1ms to 60s"),
        ("healthy_after: 0", "healthy_after", "1 to 10"),
        ("unhealthy_after: 11", "unhealthy_after", "1 to 10"),
    ] {
        refused(
            &check(entry),
            &format!("upstream.health_check.{key}"),
            words,
        );
    }
}
