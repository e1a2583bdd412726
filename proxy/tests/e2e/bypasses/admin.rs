//! The admin listener, what is told to whom, and what a single request may cost.

use super::{Scene, by_alice, checked, get, send};
use crate::process::{ALICE, MINE, SECRET, Sidegate, YOURS, config, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

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

/// An admin interface that any web page could write to, and paths that meant another thing to its guard. Also
/// CVE-2026-45692 and GHSA-gx7w-56w6-g48x.
#[test]
fn a1_cve_2026_27589() {
    let recorder = Recorder::start();
    let guarded = Sidegate::start(
        recorder.address,
        &format!("\nadmin: {{ listen: \"127.0.0.1:0\", token: \"{TOKEN}\" }}"),
    );
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for (method, path) in GUARDED {
        assert_eq!(admin(&guarded, method, path, ""), Some(401), "{path}");
        for wrong in [
            "Bearer ",
            "Bearer a",
            "Basic YTpi",
            TOKEN,
            &format!("Bearer {TOKEN}x"),
            &format!("Bearer {}", token(ALICE)),
        ] {
            let line = format!("Authorization: {wrong}\r\n");
            assert_eq!(
                admin(&guarded, method, path, &line),
                Some(401),
                "{path}: {wrong}"
            );
        }
        let twice = format!("{bearer}Authorization: Bearer a\r\n");
        assert_eq!(admin(&guarded, method, path, &twice), Some(401), "{path}");
        let status = admin(&guarded, method, path, &bearer);
        assert!(matches!(status, Some(200 | 400)), "{path}: {status:?}");
        // A web page, with whatever it has been given.
        for origin in [
            "https://evil.test",
            "null",
            "http://127.0.0.1",
            "http://localhost:9901",
        ] {
            let line = format!("{bearer}Origin: {origin}\r\n");
            assert_eq!(
                admin(&guarded, method, path, &line),
                Some(403),
                "{path}: {origin}"
            );
        }
        for odd in ["PUT", "DELETE", "PATCH"] {
            assert_eq!(
                admin(&guarded, odd, path, &bearer),
                Some(405),
                "{odd} {path}"
            );
        }
    }
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
        "/livez?/../config",
    ] {
        let status = admin(&guarded, "GET", target, "");
        let open = target.starts_with("/livez?");
        assert!(
            status == Some(200) && open || matches!(status, Some(400 | 401 | 404)),
            "{target}: {status:?}"
        );
    }
    assert_eq!(admin(&guarded, "GET", "/livez", ""), Some(200));

    // Without a token it is there for this machine, and for no name that may lead to it.
    let open = Sidegate::start(recorder.address, "");
    assert_eq!(admin(&open, "GET", "/config", ""), Some(200));
    for host in [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "evil.test:80",
    ] {
        assert_eq!(
            admin(&open, "GET", "/config", &format!("Host: {host}\r\n")),
            Some(403),
            "{host}"
        );
    }
    assert!(open.admin.ip().is_loopback());
    for place in ["0.0.0.0:9901", "[::]:9901", "10.0.0.1:9901"] {
        let with = |more: &str| {
            checked(&config(
                recorder.address,
                &format!("\nadmin: {{ listen: \"{place}\"{more} }}"),
            ))
        };
        let (accepted, said) = with("");
        assert!(!accepted && said.contains("admin.token"), "{said}");
        assert!(!with(", token: short").0);
        assert!(with(&format!(", token: \"{TOKEN}\"")).0);
    }
    assert!(recorder.received().is_empty());
}

/// Debugging pages for everybody, tokens on a page, and markup in metrics. Also CVE-2026-31838, CVE-2024-39315
/// and CVE-2026-73546.
#[test]
fn a2_cve_2022_24797() {
    let recorder = Recorder::start();
    let folder = tempfile::tempdir().unwrap();
    let text = config(
        recorder.address,
        &format!("\nadmin: {{ listen: \"127.0.0.1:0\", token: \"{TOKEN}\" }}"),
    );
    std::fs::write(
        folder.path().join("directory.yaml"),
        crate::process::DIRECTORY,
    )
    .unwrap();
    std::fs::write(folder.path().join("sidegate.yaml"), text).unwrap();
    // It says all that it ever says.
    let sidegate = Sidegate::run_with(folder, &[("SIDEGATE_LOG", "debug")]);
    let good = token(ALICE);
    let headers = format!(
        "Host: app.test\r\nAuthorization: Bearer {good}\r\nCookie: a=theirs-in-a-cookie\r\n"
    );
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/config",
        "/explain",
        "/invalidate",
        "/.well-known/jwks.json",
        "/dashboard",
        "/debug/pprof",
        "/debug/pprof/",
        "/debug/vars",
        "/stats",
        "/server-status",
        "/admin",
        "/api/rawdata",
        "/clusters",
        "/_status",
    ] {
        for method in ["GET", "POST"] {
            let raw = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n");
            assert_eq!(
                send(sidegate.proxy, raw.as_bytes()),
                Some(404),
                "{method} {path}"
            );
        }
        if path.starts_with("/debug") || path.starts_with("/stats") {
            assert_eq!(
                admin(
                    &sidegate,
                    "GET",
                    path,
                    &format!("Authorization: Bearer {TOKEN}\r\n")
                ),
                Some(404)
            );
        }
    }
    assert!(recorder.received().is_empty());
    // Every way in which a request can end, and some that no parser likes.
    let mine = format!("/g/{MINE}?secret=theirs-in-a-query");
    for path in [
        &*mine,
        &format!("/g/{YOURS}"),
        "/me",
        "/a",
        "/public/late",
        "/a//b",
        "/<script>theirs</script>",
        "/public/\"theirs\"}1",
    ] {
        for more in [
            "",
            "Transfer-Encoding: theirs\r\n",
            "theirs\r\n",
            "X: \0theirs\r\n",
            "Bad Name: theirs\r\n",
        ] {
            send(
                sidegate.proxy,
                format!("GET {path} HTTP/1.1\r\n{headers}{more}\r\n").as_bytes(),
            );
        }
    }
    send(
        sidegate.proxy,
        format!("THEIRS /a HTTP/1.1\r\n{headers}\r\n").as_bytes(),
    );
    send(
        sidegate.proxy,
        format!("GET /last HTTP/1.1\r\n{headers}\r\n").as_bytes(),
    );
    let asks = |path: &str| {
        let raw = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n",
            sidegate.admin
        );
        String::from_utf8(ask(sidegate.admin, raw).body).unwrap()
    };
    sidegate.signal("HUP");
    let log = sidegate.log_until("the configuration was read").join("\n");
    assert!(
        log.contains("no_route") && log.contains("no_role"),
        "it says how requests end"
    );
    let (_, signature) = good.rsplit_once('.').unwrap();
    for (place, said) in [
        ("log", log),
        ("metrics", asks("/metrics")),
        ("config", asks("/config")),
    ] {
        let lower = said.to_ascii_lowercase();
        for secret in [&good, signature, SECRET, TOKEN, "theirs", "script"] {
            let found = lower
                .lines()
                .find(|line| line.contains(&secret.to_ascii_lowercase()));
            assert!(found.is_none(), "{place}: {secret} in {found:?}");
        }
    }
    let metrics = asks("/metrics");
    assert!(metrics.contains("reason=\"no_route\""));
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_{}=\",.:+- ".contains(c);
        assert!(line.chars().all(plain), "{line}");
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
    for unit in ["a/", "a", "%41", "%C3%A9", "a?", "/r/a/1/b"] {
        let long = filled("/public/x", unit, most - 8);
        assert!(scene.may_arrive(get(&long)).is_some(), "{unit}");
        scene.never(get(filled("/public/x", unit, most + 16)));
        scene.never(get(filled("/public/x", unit, 60_000)));
    }
    for unit in ["../", "%2e%2e/", "%252e", "//", ";", "%2f"] {
        scene.never(get(filled("/public/", unit, most - 8)));
    }
    assert!(
        scene
            .may_arrive(get(filled("/r/a/299/b/", "299/b/", most - 8)))
            .is_some()
    );
    scene.never(get(filled("/r/a/300/b/", "299/b/", most - 8)));
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
    wire.try_send("[".repeat(70_000));
    assert_eq!(wire.reply().unwrap().status, 413);
    scene.arrives(by_alice("GET", "/me", &[("X-A", &"a".repeat(8000))]));
}
