//! Faults of the client, of files and of the configuration: none of them lets anybody in.
//!
//! Faults of what Sidegate depends on are in [`stages`].

mod stages;

use std::fs;
use std::process::{Command, Stdio};

use super::{Scene, by_alice, checked, send};
use crate::process::{
    ALICE, BINARY, DIRECTORY, ISSUER, MINE, SECRET, YOURS, config, eventually, token,
};
use crate::wire::{ask, request};

/// What a client had sent wrong made the check itself fail, and a failed check was passed over. Also
/// CVE-2024-23324.
#[test]
fn g2_cve_2023_27488() {
    let sources = |application| {
        let route = "  - { methods: [GET], path: \"/stale/{id}\", action: read, stale_if_error: 30s, resource: { kind: generation, id: { path: id } } }";
        config(application, route).replace(
            "algorithms: [HS256]",
            "algorithms: [HS256], sources: [bearer, { cookie: session }, { header: X-Token }]",
        )
    };
    let scene = Scene::configured(sources, &[]);
    let path = format!("/stale/{MINE}");
    let with = |line: &[u8]| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n").into_bytes();
        [&head, line, b"\r\n\r\n"].concat()
    };
    let good = token(ALICE);
    let plain = by_alice("GET", &path, &[]);
    // More often than any breaker waits for.
    for _ in 0..8 {
        for line in [
            &b"Authorization: Bearer \xff\xfe"[..],
            b"Authorization: \xc3\x28",
            b"Authorization: Bearer a\0b",
            b"Cookie: session=\xff",
            b"Cookie: \xf0\x28\x8c\x28",
            b"X-Token: \xff",
            b"X-Token: ",
            b"\xff: a",
            b"Expect: something",
            b"Content-Length: many",
            b"Transfer-Encoding: something",
        ] {
            scene.never(with(line));
            // Beside a token that is good.
            if line.starts_with(b"Cookie: session") || line.starts_with(b"X-Token") {
                let both = [
                    &b"Authorization: Bearer "[..],
                    good.as_bytes(),
                    b"\r\n",
                    line,
                ]
                .concat();
                scene.never(with(&both));
            }
        }
        for preamble in [
            &b"PROXY TCP4 10.0.0.7 10.0.0.8 1 2\r\n"[..],
            b"PROXY UNKNOWN\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x07\x0a\0\0\x08\0\x01\0\x02",
            b"\x16\x03\x01\x02\0\x01",
        ] {
            scene.never([preamble, plain.as_bytes()].concat());
        }
        scene.never(by_alice("GET", &format!("/stale/{YOURS}"), &[]));
    }
    let reply = ask(scene.sidegate.proxy, &plain);
    assert_eq!(
        (reply.status, reply.header("x-sidegate-degraded")),
        (200, None)
    );
    assert_eq!(scene.recorder.only().values("x-sidegate-subject"), [ALICE]);
}

/// Configurations that refer to a file that cannot be read or says nothing: what to replace, and with what.
const UNREADABLE: [(&str, &str, &str); 9] = [
    (
        "keys:",
        "keys: [{ jwks_file: gone.json }], x_keys:",
        "a missing key set",
    ),
    (
        "keys:",
        "keys: [{ jwks_file: broken }], x_keys:",
        "a key set that is none",
    ),
    (
        "keys:",
        "keys: [{ jwks_file: folder }], x_keys:",
        "a folder for a key set",
    ),
    (
        "keys:",
        "keys: [{ pem_file: gone.pem }], x_keys:",
        "a missing key",
    ),
    (
        "keys:",
        "keys: [{ pem_file: broken }], x_keys:",
        "a key that is none",
    ),
    (
        "secret: \"0123456789abcdef0123456789abcdef\"",
        "secret: \"file:gone\"",
        "a missing secret",
    ),
    (
        "path: directory.yaml",
        "path: gone.yaml",
        "a missing directory",
    ),
    (
        "path: directory.yaml",
        "path: broken",
        "a directory that is none",
    ),
    (
        "store: { file: { path: directory.yaml, poll_interval: 50ms } }",
        "store: { postgres: {} }\ndatabase: { url: \"postgres://a@db.test/b\", ca_file: gone.pem }",
        "a missing authority",
    ),
];

/// The configuration with one of these, in which `/me` would be open.
fn unreadable(good: &str, (from, to, what): (&str, &str, &str)) -> String {
    assert!(good.contains(from), "{what}");
    let text = if from == "keys:" {
        let secret = format!("keys: [{{ secret: \"{SECRET}\" }}]");
        let only = to.split(", x_keys:").next().unwrap();
        good.replace("[HS256]", "[ES256]").replace(&secret, only)
    } else {
        good.replace(from, to)
    };
    assert_ne!(text, good, "{what}");
    text.replace(
        "path: \"/me\", access: authenticated",
        "path: \"/me\", access: public",
    )
}

/// A certificate authority that was missing switched authentication off. Also GHSA-qm8v-g4f9-qhjx.
#[test]
fn g3_cve_2026_27586() {
    let scene = Scene::new();
    let good = config(scene.recorder.address, "");
    let folder = tempfile::tempdir().unwrap();
    for place in [folder.path(), scene.sidegate.folder()] {
        fs::write(place.join("directory.yaml"), DIRECTORY).unwrap();
        fs::write(place.join("broken"), "{").unwrap();
        fs::create_dir(place.join("folder")).unwrap();
    }
    let file = folder.path().join("sidegate.yaml");
    for case in UNREADABLE {
        let what = case.2;
        // It does not start.
        fs::write(&file, unreadable(&good, case)).unwrap();
        let mut run = Command::new(BINARY);
        run.args(["run", "--config"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = run.spawn().unwrap();
        let status = eventually(what, || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(1), "{what}");
        // Nor is it taken over by one that runs.
        let problem = || scene.sidegate.admin("/config")["problem"].clone();
        scene.sidegate.edit(&unreadable(&good, case));
        scene.sidegate.signal("HUP");
        let said = eventually(what, || problem().as_str().map(str::to_owned));
        let named = ["gone", "broken", "folder"]
            .iter()
            .any(|name| said.contains(name));
        assert!(named, "{what}: {said}");
        scene.never(request("GET", "/me", &[]));
        scene.never(by_alice("GET", &format!("/g/{YOURS}"), &[]));
        scene.arrives(by_alice("GET", "/me", &[]));
        scene.sidegate.edit(&good);
        scene.sidegate.signal("HUP");
        eventually("a good one", || problem().is_null().then_some(()));
    }
    // One that can be read is taken over.
    let open = good.replace(
        "path: \"/me\", access: authenticated",
        "path: \"/me\", access: public",
    );
    scene.sidegate.edit(&open);
    eventually("an open route", || {
        (send(scene.sidegate.proxy, request("GET", "/me", &[]).as_bytes()) == Some(200))
            .then_some(())
    });
}

/// An option that was ignored, and one that meant its opposite. Also CVE-2025-66491.
#[test]
fn g4_cve_2021_21411() {
    let good = config("127.0.0.1:1".parse().unwrap(), "");
    assert!(checked(&good).0);
    let options = [
        ("\nlisten:", "\nlisen: x\nlisten:"),
        ("admin: { ", "admin: { tokens: a, "),
        ("limits: { ", "limits: { decision_timout: 1s, "),
        ("server: { ", "server: { thread: 1, "),
        ("upstream: { ", "upstream: { health-check: {}, "),
        ("audiences:", "audience: api, audiences:"),
        ("audiences:", "claims: { subjects: sub }, audiences:"),
        ("keys: [{ ", "keys: [{ insecure_short: true, "),
        ("store: { file: { ", "store: { file: { poll: 1s, "),
        ("policy:", "policy:\n  default: allow"),
        ("generation: { ", "generation: { ids: uuid, "),
        ("path: \"/me\", ", "path: \"/me\", require_auth: true, "),
        ("id: { path: id }", "id: { paths: id }"),
        ("policy:", "cors: { origin: [\"*\"] }\npolicy:"),
        (
            "policy:",
            "identity: { assertion: { enable: false } }\npolicy:",
        ),
        // Values of another kind, and rules that are left open.
        ("access: authenticated", "access: \"false\""),
        ("access: authenticated", "access: true"),
        (
            "access: authenticated",
            "access: authenticated, websocket: \"no\"",
        ),
        (", access: authenticated", ""),
        (
            "access: authenticated",
            "access: authenticated, access: public",
        ),
        ("action: read, ", ""),
        ("audiences: [api]", "audiences: []"),
        ("algorithms: [HS256]", "algorithms: []"),
        ("algorithms: [HS256]", "algorithms: [none]"),
        ("policy:", "policy:\n  roles: {}\nignored:"),
    ];
    for (from, to) in options {
        assert!(good.contains(from), "{from}");
        let (accepted, said) = checked(&good.replacen(from, to, 1));
        assert!(!accepted && said.contains("sidegate.yaml"), "{to}: {said}");
    }
}

/// The other half of [`g4_cve_2021_21411`]: what an option says, it does, and without it does not.
#[test]
fn g4_options_both_ways() {
    let unknown = format!("Bearer {}", token(YOURS));
    let (stranger, preflight) = (
        request("GET", "/me", &[("Authorization", &unknown)]),
        request(
            "OPTIONS",
            "/me",
            &[
                ("Origin", "https://app.test"),
                ("Access-Control-Request-Method", "GET"),
            ],
        ),
    );
    let yours = by_alice("GET", &format!("/g/{YOURS}"), &[]);
    let (deny, allow) = (
        Scene::with("cors: { preflight: deny }\nidentity: { assertion: { enabled: false } }"),
        Scene::configured(
            |application| {
                let more =
                    "cors: { preflight: forward }\nidentity: { assertion: { enabled: true } }";
                let text = config(application, more);
                let text = text.replace(
                    "access: authenticated",
                    "access: authenticated, unknown_subject: allow",
                );
                text.replace("resource: {", "hide_denied: true, resource: {")
            },
            &[],
        ),
    );
    for raw in [&stranger, &preflight, &yours] {
        deny.never(raw);
    }
    allow.arrives(&stranger);
    allow.arrives(&preflight);
    assert_eq!(deny.refused(&yours), Some(403));
    assert_eq!(allow.refused(&yours), Some(404));
    for (scene, number) in [(&deny, 0), (&allow, 1)] {
        let arrived = scene.arrives(by_alice("GET", "/me", &[]));
        assert_eq!(arrived.values("x-sidegate-assertion").len(), number);
    }
    // `false` is what is meant where nothing is written.
    let text = |option: &str| {
        let open = "  - { methods: [GET], path: \"/{*rest}\", access: public }\n";
        config("127.0.0.1:1".parse().unwrap(), &format!("{open}{option}"))
    };
    assert!(!checked(&text("")).0);
    assert!(!checked(&text("insecure_public_everything: false")).0);
    assert!(checked(&text("insecure_public_everything: true")).0);
    assert!(
        checked(&text("insecure_public_everything: true").replace(ISSUER, "https://x.test/")).0
    );
}
