//! Where one request ends and the next begins: for everybody at the same byte.
//!
//! Upgrades, which end HTTP on a connection, are in [`upgrades`].

mod upgrades;
mod versions;

use super::{Scene, by_alice, send, target};
use crate::process::{ALICE, MINE, YOURS, config, token};
use crate::provider::{Provider, Signer};
use crate::recorder::Received;
use crate::wire::{Wire, request};

/// A request that nobody may make, and one that everybody may: neither may arrive out of another's body.
const CLOSED: &str = "GET /me?smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
const OPEN: &str = "GET /public/smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// What was received is one request with one framing, if it is anything.
fn is_one(scene: &Scene, raw: &[u8]) -> Option<Received> {
    let status = send(scene.sidegate.proxy, raw);
    let shown = raw.escape_ascii();
    let mut received = scene.recorder.received();
    let smuggled = received
        .iter()
        .any(|one| one.request_line().contains("smuggled"));
    assert!(!smuggled && received.len() <= 1, "{shown}: {received:?}");
    let Some(one) = received.pop() else {
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{status:?}: {shown}"
        );
        return None;
    };
    let (lengths, encodings) = (
        one.values("content-length"),
        one.values("transfer-encoding"),
    );
    match (lengths.as_slice(), encodings.as_slice()) {
        ([], []) => assert!(one.body.is_empty(), "{shown}"),
        ([length], []) => assert_eq!(length.parse(), Ok(one.body.len()), "{shown}"),
        ([], ["chunked"]) => assert!(one.body.ends_with(b"0\r\n\r\n"), "{shown}"),
        _ => panic!("{shown}: {one:?}"),
    }
    Some(one)
}

/// Ways to say how long a body is, and the body for one of the readings. `LONG` is the whole length.
const LENGTHS: [(&str, &str, &str); 29] = [
    ("1.1", "LONG|Transfer-Encoding: chunked", "0\r\n\r\n"),
    ("1.1", "Transfer-Encoding: chunked|LONG", "0\r\n\r\n"),
    ("1.1", "Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
    ("1.1", "Transfer-Encoding: identity", ""),
    ("1.1", "Transfer-Encoding: identity, chunked", "0\r\n\r\n"),
    ("1.1", "Transfer-Encoding: xchunked", "0\r\n\r\n"),
    (
        "1.1",
        "Transfer-Encoding: chunked|Transfer-Encoding: identity",
        "0\r\n\r\n",
    ),
    (
        "1.1",
        "Transfer-Encoding: chunked|Transfer-Encoding: chunked",
        "0\r\n\r\n",
    ),
    ("1.1", "Transfer-Encoding : chunked|LONG", "0\r\n\r\n"),
    ("1.1", "Transfer_Encoding: chunked|LONG", "0\r\n\r\n"),
    ("1.1", "Transfer-Encoding:\u{b}chunked|LONG", "0\r\n\r\n"),
    ("1.1", "X: y\nTransfer-Encoding: chunked|LONG", "0\r\n\r\n"),
    ("1.1", "X: y| Transfer-Encoding: chunked|LONG", "0\r\n\r\n"),
    ("1.1", "Content-Length: 0|LONG", ""),
    ("1.1", "Content-Length: 3|Content-Length: 3", "abc"),
    ("1.1", "Content-Length: 3, 3", "abc"),
    ("1.1", "Content-Length: +3", "abc"),
    ("1.1", "Content-Length: -1", ""),
    ("1.1", "Content-Length: 0x3", "abc"),
    ("1.1", "Content-Length: 3 ", "abc"),
    ("1.1", "Content-Length: 03", "abc"),
    ("1.1", "Content-Length: 18446744073709551619", "abc"),
    ("1.1", "Content-Length:", ""),
    ("1.0", "Transfer-Encoding: chunked", "0\r\n\r\n"),
    ("1.0", "Transfer-Encoding: chunked|LONG", "0\r\n\r\n"),
    ("1.0", "Connection: keep-alive", ""),
    ("1.0", "X: y", ""),
    ("0.9", "X: y", ""),
    ("2.0", "X: y", ""),
];

/// Two lengths, lengths that parsers read differently, and bodies that end with the connection.
#[test]
fn f2_cve_2026_2835() {
    let scene = Scene::new();
    for (version, headers, body) in LENGTHS {
        for hidden in [CLOSED, OPEN] {
            let long = format!("Content-Length: {}", body.len() + hidden.len());
            let headers = headers.replace("LONG", &long).replace('|', "\r\n");
            let head =
                format!("POST /public/x HTTP/{version}\r\nHost: app.test\r\n{headers}\r\n\r\n");
            // One open request after another is no smuggling, where each is seen as what it is.
            if hidden == CLOSED || body.is_empty() {
                is_one(&scene, format!("{head}{body}{hidden}").as_bytes());
            }
        }
    }
    let good = request("POST", "/public/x", &[("Content-Length", "3")]) + "abc";
    assert_eq!(is_one(&scene, good.as_bytes()).unwrap().body, b"abc");
    let chunks = "3\r\nabc\r\n0\r\n\r\n";
    let good = request("POST", "/public/x", &[("Transfer-Encoding", "chunked")]) + chunks;
    let arrived = is_one(&scene, good.as_bytes()).unwrap();
    assert_eq!(arrived.body, chunks.as_bytes());
}

/// A line feed alone ended a chunk's size, for one of two readers.
#[test]
fn f2_cve_2025_22871() {
    let scene = Scene::new();
    let chunked = request("POST", "/public/x", &[("Transfer-Encoding", "chunked")]);
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r\n0\n\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "3;\nabc\r\n0\r\n\r\n",
        "3\r\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    ] {
        let mut wire = Wire::connect(scene.sidegate.proxy);
        wire.send(chunked.clone() + body + CLOSED);
        // Refused at once, or while the application has begun to read; never with another body.
        let status = wire.reply().map(|reply| reply.status);
        assert!(
            matches!(status, None | Some(200 | 400..=499 | 502)),
            "{status:?}: {body:?}"
        );
        for received in scene.recorder.received() {
            assert_eq!(target(&received), "/public/x", "{body:?}");
            let bytes = &received.body;
            assert!(
                bytes == b"3\r\nabc\r\n0\r\n\r\n" || bytes == b"0\r\n\r\n",
                "{body:?}: {received:?}"
            );
        }
    }
    // An extension is allowed, and of use to nobody.
    if let Some(extended) = is_one(
        &scene,
        (chunked.clone() + "3;a=b\r\nabc\r\n0\r\n\r\n").as_bytes(),
    ) {
        assert_eq!(extended.body, b"3\r\nabc\r\n0\r\n\r\n");
    }
    let good = is_one(&scene, (chunked + "3\r\nabc\r\n0\r\n\r\n").as_bytes());
    assert_eq!(good.unwrap().body, b"3\r\nabc\r\n0\r\n\r\n");
}

/// The body of a request that was answered early was read as the next request on the connection.
#[test]
fn f3_cve_2025_4366() {
    let provider = Provider::start();
    let keys = format!(
        "\n  - {{ issuer: \"https://silent.test/\", audiences: [api], algorithms: [ES256], keys: [{{ jwks_uri: \"http://{}/\" }}] }}\nstore:",
        provider.address
    );
    let two = |application| config(application, "").replacen("\nstore:", &keys, 1);
    let scene = Scene::configured(two, &[]);
    let alice = format!("Bearer {}", token(ALICE));
    let unknown = format!(
        "Bearer {}",
        Signer::new("k").token_of("https://silent.test/")
    );
    let yours = format!("/g/{YOURS}");
    for (status, path, authorization) in [
        (401, "/me", ""),
        (403, &*yours, &*alice),
        (404, "/nowhere", &*alice),
        (400, "/public/../x", &*alice),
        (503, "/me", &*unknown),
    ] {
        for chunked in [false, true] {
            let length = OPEN.len().to_string();
            let body = format!("{:x}\r\n{OPEN}\r\n0\r\n\r\n", OPEN.len());
            let (framing, body) = if chunked {
                (("Transfer-Encoding", "chunked"), &*body)
            } else {
                (("Content-Length", &*length), OPEN)
            };
            let head = request("POST", path, &[framing, ("Authorization", authorization)]);
            let head = head.replace("Authorization: \r\n", "");
            // In one piece, and after the answer.
            for early in [true, false] {
                let mut wire = Wire::connect(scene.sidegate.proxy);
                wire.send(head.clone() + if early { body } else { "" });
                assert_eq!(wire.reply().unwrap().status, status, "{path}");
                let mut rest = if early {
                    String::new()
                } else {
                    body.to_owned()
                };
                rest += CLOSED;
                rest += &request("GET", "/a", &[]);
                // The connection is closed, or goes on after the body: what follows is judged by itself.
                if wire.try_send(&rest).is_ok()
                    && let Some(second) = wire.reply()
                {
                    assert_eq!(second.status, 401, "{path}");
                    assert!(
                        wire.reply().is_none_or(|third| third.status == 200),
                        "{path}"
                    );
                }
                for received in scene.recorder.received() {
                    assert_eq!(target(&received), "/a", "{path}: {received:?}");
                }
            }
        }
    }
    let good = by_alice("POST", &format!("/g/{MINE}"), &[("Content-Length", "2")]) + "ab";
    assert_eq!(scene.arrives(good).body, b"ab");
}

/// A second Host that was dropped did not count towards the limits.
#[test]
fn f7_cve_2026_73550() {
    let scene = Scene::new();
    for hosts in [
        "Host: app.test\r\nHost: app.test",
        "Host: app.test\r\nHost: other.test",
        "Host: app.test\r\nhost: other.test",
        "Host:\r\nHost: app.test",
        "Host: app.test, other.test",
        "X-A: b",
    ] {
        scene.never(format!("GET /a HTTP/1.1\r\n{hosts}\r\n\r\n"));
    }
    let many = |number: usize, value: &str| {
        let lines: String = (0..number)
            .map(|at| format!("X-{at}: {value}\r\n"))
            .collect();
        format!("GET /a HTTP/1.1\r\nHost: app.test\r\n{lines}\r\n")
    };
    scene.never(many(1000, "a"));
    scene.never(many(90, &"a".repeat(2000)));
    scene.never(many(1, &"a".repeat(100_000)));
    scene.never("GET /a HTTP/1.1\r\n".to_owned() + &"Host: app.test\r\n".repeat(300) + "\r\n");
    assert_eq!(scene.arrives(many(80, "a")).values("x-79"), ["a"]);
}
