//! The admin listener, and what a single request may cost. What is told to whom is in [`told`].

mod told;

use super::{Scene, by_alice, checked, get, send};
use crate::process::{ALICE, Sidegate, config, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, request};

const TOKEN: &str = "a token of whoever administers";
/// Everything that only who administers may see or do.
const GUARDED: [(&str, &str); 4] = [
    ("GET", "/metrics"),
    ("GET", "/config"),
    ("POST", "/explain"),
    ("POST", "/invalidate"),
];

/// What the admin listener says to a request.
fn admin(sidegate: &Sidegate, method: &str, target: &str, headers: &str) -> Option<u16> {
    let host = if headers.contains("Host:") {
        String::new()
    } else {
        format!("Host: {}\r\n", sidegate.admin)
    };
    let raw = format!("{method} {target} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n");
    send(sidegate.admin, raw.as_bytes())
}

/// With a token for whoever administers.
fn guarded(recorder: &Recorder) -> Sidegate {
    Sidegate::start(
        recorder.address,
        &format!("\nadmin: {{ listen: \"127.0.0.1:0\", token: \"{TOKEN}\" }}"),
    )
}

/// An admin interface that any web page could write to. Also CVE-2026-45692 and GHSA-gx7w-56w6-g48x.
#[test]
fn a1_cve_2026_27589() {
    let recorder = Recorder::start();
    let guarded = guarded(&recorder);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let user = format!("Bearer {}", token(ALICE));
    let longer = format!("Bearer {TOKEN}x");
    for (method, path) in GUARDED {
        let status = |method: &str, headers: &str| admin(&guarded, method, path, headers);
        assert_eq!(status(method, ""), Some(401), "{path}");
        for wrong in ["Bearer ", "Bearer a", "Basic YTpi", TOKEN, &longer, &user] {
            let line = format!("Authorization: {wrong}\r\n");
            assert_eq!(status(method, &line), Some(401), "{path}: {wrong}");
        }
        let twice = format!("{bearer}Authorization: Bearer a\r\n");
        assert_eq!(status(method, &twice), Some(401), "{path}");
        let allowed = status(method, &bearer);
        assert!(matches!(allowed, Some(200 | 400)), "{path}: {allowed:?}");
        // A web page, with whatever it has been given.
        for origin in [
            "https://evil.test",
            "null",
            "http://127.0.0.1",
            "http://localhost:9901",
        ] {
            let line = format!("{bearer}Origin: {origin}\r\n");
            assert_eq!(status(method, &line), Some(403), "{path}: {origin}");
        }
        for odd in ["PUT", "DELETE", "PATCH"] {
            assert_eq!(status(odd, &bearer), Some(405), "{odd} {path}");
        }
    }
}

/// Paths that meant one thing to the guard and another to what it guarded: prefixes, indices, dot segments.
#[test]
fn a1_paths_past_the_guard() {
    let recorder = Recorder::start();
    let guarded = guarded(&recorder);
    for target in [
        "/metrics/",
        "//metrics",
        "/Metrics",
        "/metrics/x",
        "/metrics;x",
        "/%6detrics",
        "/metrics%00",
        "/livez/../metrics",
        "/livez/%2e%2e/metrics",
        "/livez%2f..%2fmetrics",
        "/livez/../config",
        "/./config",
        "/config/0",
        "/config/issuers/0",
        "/config/config/issuers/0/keys/0/secret",
        "/readyz/../config",
        "/.well-known/../config",
        "/.well-known/jwks.json/../../config",
        "http://127.0.0.1/config",
    ] {
        let status = admin(&guarded, "GET", target, "");
        assert!(
            matches!(status, Some(400 | 401 | 404)),
            "{target}: {status:?}"
        );
    }
    assert_eq!(admin(&guarded, "GET", "/livez?/../config", ""), Some(200));
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(admin(&guarded, "GET", "/config", &bearer), Some(200));
}

/// Without a token it is there for this machine, and for no name that may lead to it.
#[test]
fn a1_beyond_this_machine() {
    let recorder = Recorder::start();
    let open = Sidegate::start(recorder.address, "");
    assert!(open.admin.ip().is_loopback());
    assert_eq!(admin(&open, "GET", "/config", ""), Some(200));
    for host in [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "evil.test:80",
    ] {
        let line = format!("Host: {host}\r\n");
        assert_eq!(admin(&open, "GET", "/config", &line), Some(403), "{host}");
    }
    for place in ["0.0.0.0:9901", "[::]:9901", "10.0.0.1:9901"] {
        let with = |more: &str| {
            let admin = format!("\nadmin: {{ listen: \"{place}\"{more} }}");
            checked(&config(recorder.address, &admin))
        };
        let (accepted, said) = with("");
        assert!(!accepted && said.contains("admin.token"), "{said}");
        assert!(!with(", token: short").0);
        assert!(with(&format!(", token: \"{TOKEN}\"")).0);
    }
}

/// Requests that cost more than they should: callbacks without end, patterns that a regular expression tries
/// again and again. Also CVE-2019-14993 and CVE-2024-23323. Nothing is timed here: what has no bound is refused,
/// what has one is answered.
#[test]
fn a3_cve_2025_25207() {
    let routes: String = (0..300)
        .map(|number| format!("  - {{ methods: [GET], path: \"/r/{{a}}/{number}/{{b}}/{{*rest}}\", access: public }}\n"))
        .collect();
    let scene = Scene::with(&routes);
    let most = 8 * 1024;
    let filled = |begin: &str, unit: &str, length: usize| {
        begin.to_owned() + &unit.repeat((length - begin.len()) / unit.len())
    };
    for unit in ["a", "%41", "%C3%A9", "a?", "a/", "/r/a/1/b"] {
        // There may be further bounds, on the path or its segments: then it is refused like anything else.
        scene.may_arrive(get(filled("/public/x", unit, most - 8)));
        scene.arrives(get(filled("/public/x", unit, 60)));
        scene.never(get(filled("/public/x", unit, most + 16)));
        scene.never(get(filled("/public/x", unit, 60_000)));
    }
    for unit in ["../", "%2e%2e/", "%252e", "//", ";", "%2f"] {
        scene.never(get(filled("/public/", unit, most - 8)));
    }
    scene.arrives(get(filled("/r/a/299/b/", "299/b/", 150)));
    scene.never(get(filled("/r/a/300/b/", "299/b/", 150)));
    // Headers and tokens.
    for (name, value) in [
        ("Connection", "close,".repeat(2000)),
        ("Cookie", "a=b; ".repeat(20_000)),
        ("X-A", "a".repeat(100_000)),
        ("Authorization", format!("Bearer {}", "a.".repeat(20_000))),
    ] {
        scene.never(request("GET", "/me", &[(name, &value)]));
    }
    for token in [
        ".".repeat(4000),
        "a".repeat(8192),
        "e30.".repeat(1000) + "e30",
        // Arrays in arrays, in the header.
        "W1tbW1tb".repeat(900) + ".e30.AAAA",
        format!("{}.e30.AAAA", "eyJhIjp7".repeat(900)),
    ] {
        scene.never(request(
            "GET",
            "/me",
            &[("Authorization", &format!("Bearer {token}"))],
        ));
    }
    let mut wire = Wire::connect(scene.sidegate.admin);
    wire.send(format!(
        "POST /explain HTTP/1.1\r\nHost: {}\r\nContent-Length: 70000\r\n\r\n",
        scene.sidegate.admin
    ));
    let _ = wire.try_send("[".repeat(70_000));
    assert_eq!(wire.reply().unwrap().status, 413);
    scene.arrives(by_alice("GET", "/me", &[("X-A", &"a".repeat(8000))]));
}
