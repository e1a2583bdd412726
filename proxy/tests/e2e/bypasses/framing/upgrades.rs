//! Upgrades: until the application has agreed to one that was asked for, everything is HTTP.

use super::CLOSED;
use crate::bypasses::tap::{OK, SWITCHING, Tap};
use crate::bypasses::{Scene, by_alice, get};
use crate::process::Sidegate;
use crate::wire::{Wire, request};

const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
/// One route where a WebSocket may pass.
const ROUTE: &str = "  - { methods: [GET], path: /ws, access: public, websocket: true }";

/// A handshake of another kind.
fn asking_for(upgrade: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut headers = vec![
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("HTTP2-Settings", "AAMAAABk"),
    ];
    headers.extend(&HANDSHAKE[2..]);
    headers.push(("Upgrade", upgrade));
    headers
}

/// The first answer. A handshake of another kind may be refused instead; the plain one is passed on.
fn answered(wire: &mut Wire, expected: u16, headers: &[(&str, &str)]) {
    let status = wire.reply().map(|reply| reply.status);
    let odd = headers.contains(&("HTTP2-Settings", "AAMAAABk"));
    let refused = odd && status.is_none_or(|status| (400..500).contains(&status));
    assert!(
        status == Some(expected) || refused,
        "{status:?}: {headers:?}"
    );
}

/// What comes after a handshake that was not agreed to is a request like any other, or nothing.
fn is_no_tunnel(tap: &Tap, wire: &mut Wire) {
    if let Some(second) = wire.reply() {
        assert_eq!(second.status, 401);
    }
    assert!(!tap.has("smuggled"), "{:?}", tap.connections());
}

/// Bytes after a request with `Upgrade` went to the application before it had answered with 101.
#[test]
fn f1_cve_2026_2833() {
    // It does not agree.
    let tap = Tap::start(|_| OK);
    let sidegate = Sidegate::start(tap.address, ROUTE);
    for path in ["/ws", "/public/x"] {
        for headers in [
            HANDSHAKE.to_vec(),
            asking_for("h2c"),
            asking_for("foo"),
            asking_for("websocket, foo"),
        ] {
            let mut wire = Wire::connect(sidegate.proxy);
            wire.send(request("GET", path, &headers) + CLOSED);
            answered(&mut wire, 200, &headers);
            is_no_tunnel(&tap, &mut wire);
        }
    }
    // It agrees: then they may pass, and not before.
    let tap = Tap::start(|_| SWITCHING);
    let sidegate = Sidegate::start(tap.address, ROUTE);
    let mut wire = Wire::connect(sidegate.proxy);
    wire.send(request("GET", "/ws", &HANDSHAKE));
    assert_eq!(wire.line().unwrap(), "HTTP/1.1 101 Switching Protocols");
    while !wire.line().unwrap().is_empty() {}
    wire.send("ping");
    assert_eq!(wire.bytes(4), b"ping");
}

/// `Upgrade: h2c` on an open route made a tunnel, through which everything was open.
#[test]
fn f4_cve_2026_88008() {
    let scene = Scene::with(ROUTE);
    for upgrade in [
        "h2c",
        "h2c, websocket",
        "websocket, h2c",
        "TLS/1.0",
        "foo",
        "connect-ip",
        "",
    ] {
        for path in ["/a", "/public/x", "/ws"] {
            if let Some(arrived) = scene.may_arrive(request("GET", path, &asking_for(upgrade))) {
                for name in ["upgrade", "http2-settings"] {
                    assert_eq!(arrived.values(name), [""; 0], "{upgrade}: {arrived:?}");
                }
                let options = arrived.values("connection").join(",").to_ascii_lowercase();
                assert!(!options.contains("upgrade"), "{upgrade}: {arrived:?}");
            }
        }
    }
    scene.arrives(get("/a"));
    // An application that switches all the same is not followed.
    let tap = Tap::start(|head| if head.contains("/a ") { OK } else { SWITCHING });
    let sidegate = Sidegate::start(tap.address, ROUTE);
    let mut tries = vec![
        ("/public/x", HANDSHAKE.to_vec()),
        ("/public/x", vec![]),
        ("/ws", vec![]),
    ];
    tries.extend(["h2c", "foo"].map(|upgrade| ("/ws", asking_for(upgrade))));
    for (path, headers) in tries {
        let mut wire = Wire::connect(sidegate.proxy);
        wire.send(request("GET", path, &headers));
        answered(&mut wire, 502, &headers);
        let _ = wire.try_send(CLOSED);
        is_no_tunnel(&tap, &mut wire);
    }
    let mut wire = Wire::connect(sidegate.proxy);
    wire.send(request("GET", "/a", &[]));
    assert_eq!(wire.reply().unwrap().status, 200);
    wire.send(request("GET", "/ws", &HANDSHAKE));
    assert_eq!(wire.line().unwrap(), "HTTP/1.1 101 Switching Protocols");
}

/// What was sent before the application had agreed stayed on a connection that others were given.
#[test]
fn f5_cve_2026_73548() {
    let tap = Tap::start(|head| {
        if head.contains("/switch") {
            SWITCHING
        } else {
            OK
        }
    });
    let routes = format!(
        "{ROUTE}\n  - {{ methods: [GET], path: /switch, access: public, websocket: true }}"
    );
    let sidegate = Sidegate::start(tap.address, &routes);
    for round in 0..3 {
        let mut attempts = Vec::new();
        for (path, headers) in [
            ("/ws", HANDSHAKE.to_vec()),
            ("/public/x", HANDSHAKE.to_vec()),
            ("/public/x", asking_for("h2c")),
            ("/public/switch", vec![]),
        ] {
            let mut wire = Wire::connect(sidegate.proxy);
            wire.send(request("GET", path, &headers) + CLOSED);
            let expected = if path == "/public/switch" { 502 } else { 200 };
            answered(&mut wire, expected, &headers);
            attempts.push(wire);
        }
        // Who comes next is answered, whole and with what was asked for.
        for number in 0..4 {
            let mut wire = Wire::connect(sidegate.proxy);
            let path = format!("/public/next-{round}-{number}");
            wire.send(request("GET", &path, &[]));
            assert_eq!(wire.reply().unwrap().status, 200);
            let all = tap.connections();
            let mine: Vec<_> = all.iter().filter(|bytes| bytes.contains(&path)).collect();
            assert_eq!(mine.len(), 1, "{all:?}");
            assert!(
                mine[0].contains(&format!("GET {path} HTTP/1.1\r\n")),
                "{mine:?}"
            );
            // Never on one that had been asked to switch.
            assert!(
                !mine[0].to_ascii_lowercase().contains("upgrade: "),
                "{mine:?}"
            );
            assert!(!mine[0].contains("/switch"), "{mine:?}");
        }
        for mut wire in attempts {
            is_no_tunnel(&tap, &mut wire);
        }
    }
}

/// A connection that CONNECT had made a tunnel was given to others.
#[test]
fn f6_cve_2026_71324() {
    let scene = Scene::new();
    for target in [
        "app.test:80",
        "127.0.0.1:1",
        "/a",
        "/public/x",
        "*",
        "http://app.test/a",
    ] {
        let raw = format!("CONNECT {target} HTTP/1.1\r\nHost: app.test:80\r\n\r\n");
        scene.never(&raw);
        let mut wire = Wire::connect(scene.sidegate.proxy);
        wire.send(raw + CLOSED);
        let status = wire.reply().map(|reply| reply.status);
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{status:?}"
        );
        let status = wire.reply().map(|reply| reply.status);
        assert!(matches!(status, None | Some(400 | 401)), "{status:?}");
        scene.never(by_alice("CONNECT", target, &[]));
    }
    scene.arrives(get("/a"));
}
