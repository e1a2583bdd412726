//! Paths and request targets: what was decided on is what the application resolves, or nothing arrives.
//!
//! `/public/{*rest}` is open to everybody, `/me` to nobody without a token.

use super::{Scene, by_alice, get, target};
use crate::wire::request;

/// A rule matched the raw path, and `/public/../admin` begins with `/public/`.
#[test]
fn p1_cve_2026_33494() {
    let scene = Scene::new();
    for path in [
        "/public/../me",
        "/public/./../me",
        "/public/x/../../me",
        "/public/%2e%2e/me",
        "/public/%2E%2e/me",
        "/public/.%2e/me",
        "/public/.%2E/me",
        "/public/%2e./me",
        "/public/..%2fme",
        "/public/..%2Fme",
        "/public/..%5cme",
        "/public/..%5Cme",
        "/public/\\..\\me",
        "/public/..\\me",
        "/public/x/..",
    ] {
        scene.never(get(path));
    }
    let arrived = scene.arrives(get("/public/..x/.y/z.."));
    assert_eq!(target(&arrived), "/public/..x/.y/z..");
}

/// No normalisation, and a NUL that ended the path for one of two readers. Also CVE-2019-9900.
#[test]
fn p1_cve_2019_9901() {
    let scene = Scene::new();
    for path in [
        &b"/public/%00"[..],
        b"/public/x%00/../me",
        b"/public/x%00.png",
        b"/me%00/public/",
        b"/public/\0",
        b"/me\0/public/x",
    ] {
        scene.never(get(path));
    }
    scene.never(request("GET", "/public/x", &[("X-A", "b\0c")]));
    let arrived = scene.arrives(get("/public/a%20b"));
    assert_eq!(target(&arrived), "/public/a%20b");
}

/// Encoded and doubled slashes, which the application merges. Also CVE-2021-31920.
#[test]
fn p2_cve_2021_29492() {
    let scene = Scene::new();
    for path in [
        "//me",
        "/public//me",
        "/public/x//",
        "/%2fme",
        "/public/%2fme",
        "/public/a%2Fb",
        "/public/a%5cb",
        "/public/a%5Cb",
        "/public/%2F..%2Fme",
    ] {
        scene.never(get(path));
    }
    assert_eq!(target(&scene.arrives(get("/public/a/b/"))), "/public/a/b/");
}

/// A path that begins with two slashes was parsed as a URI: its first segment became the authority.
#[test]
fn p2_cve_2026_26205() {
    let scene = Scene::new();
    for path in [
        "//h/public/x",
        "//public/x",
        "///public/x",
        "//app.test/me",
        "//h:80/public/x",
    ] {
        scene.never(get(path));
        scene.never(by_alice("GET", path, &[]));
    }
    let arrived = scene.arrives(get("/public/u@h:80/x"));
    assert_eq!(target(&arrived), "/public/u@h:80/x");
}

/// A target in no known form was routed as `/` and forwarded as it came.
#[test]
fn p3_cve_2026_88009() {
    let scene = Scene::with("  - { methods: [GET], path: \"/\", access: public }");
    for target in [
        "http:http://internal/me",
        "http://other.test/me",
        "http://app.test/public/x",
        "HTTP://app.test/public/x",
        "foo://h/public/x",
        "foo:/public/x",
        "me",
        "public/x",
        "app.test:80",
        "*",
        "?x",
        "",
        ".",
        "//h/public/x",
    ] {
        scene.never(get(target));
        scene.never(by_alice("GET", target, &[]));
    }
    assert_eq!(target(&scene.arrives(get("/"))), "/");
}

/// HTTP/2's `:path` without a leading slash matched no deny rule. There is no HTTP/2 here: a client that
/// begins to speak it is refused, and so is the same target in HTTP/1.1.
#[test]
fn p3_cve_2026_33186() {
    let scene = Scene::new();
    for path in ["me", "public/x"] {
        scene.never(get(path));
        scene.never(over_http2(path));
    }
    scene.never(over_http2("/public/x"));
    assert_eq!(target(&scene.arrives(get("/public/x"))), "/public/x");
}

/// What a client sends that knows the server to speak HTTP/2 (RFC 9113 section 3.3), for one GET.
fn over_http2(path: &str) -> Vec<u8> {
    let text = |index: u8, text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        [&[0x40 | index, length], text.as_bytes()].concat()
    };
    // `:method: GET` and `:scheme: http` of the static table, then `:path` and `:authority`.
    let block = [vec![0x82, 0x86], text(4, path), text(1, "app.test")].concat();
    let length = u8::try_from(block.len()).unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let headers = [0, 0, length, 1, 5, 0, 0, 0, 1];
    [&preface[..], &settings, &headers, &block].concat()
}

/// Matrix parameters, which the application cuts off. Also CVE-2026-73511 and CVE-2026-73553.
#[test]
fn p4_cve_2026_73551() {
    let scene = Scene::new();
    for path in [
        "/me;x",
        "/me;",
        "/;x/me",
        "/public/..;/me",
        "/public/..;x=y/me",
        "/public/.;/../me",
        "/public;b=c/me",
        "/public/x;y=/../me",
        "/public/%3bx",
        "/public/..%3b/me",
        "/public/..%3B/me",
    ] {
        scene.never(get(path));
    }
    assert_eq!(
        target(&scene.arrives(get("/public/x?a=b;c"))),
        "/public/x?a=b;c"
    );
}

/// A fragment inside the target, sent or encoded, made a rule match or not. Also CVE-2021-39156,
/// CVE-2023-47106 and CVE-2026-41059.
#[test]
fn p5_cve_2021_32779() {
    let scene = Scene::new();
    for path in [
        "/me#/public/x",
        "/me%23/public/x",
        "/me#",
        "/me?#/public/x",
        "/public/../me#/public/x",
        "/public/x%23",
        "/public/x%23/../../me",
        "/#/public/x",
    ] {
        scene.never(get(path));
    }
    for path in ["/public/x#/../../me", "/public/x#", "/public/x#?y"] {
        if let Some(arrived) = scene.may_arrive(get(path)) {
            assert_eq!(target(&arrived), "/public/x", "{path}");
        }
    }
    assert_eq!(target(&scene.arrives(get("/public/x"))), "/public/x");
}

/// A rule that asks for no authentication was matched against path and query.
#[test]
fn p6_cve_2025_54576() {
    let scene = Scene::new();
    for target in [
        "/me?x=/public/y",
        "/me?/public/x",
        "/me?x=%2fpublic%2fy",
        "/me??/public/x",
        "/me?a&/public/x;/public/x",
        "/me?#/public/x",
        "/me%3fx=/public/y",
        "/me%3F/public/x",
        "/me&/public/x",
    ] {
        scene.never(get(target));
    }
    let arrived = scene.arrives(get("/public/x?y=/me&z=../me"));
    assert_eq!(target(&arrived), "/public/x?y=/me&z=../me");
}

/// A target was put together again from its parts, and `?` became `%3F`.
#[test]
fn p6_cve_2026_32811() {
    let scene = Scene::new();
    for asked in [
        "/public/a",
        "/public/a?",
        "/public/a??",
        "/public/a?b=c?d",
        "/public/a%20b?c=%3F&d=%2F..%2f&e=%zz",
        "/public/a?b=%C3%A9&c=%ff&%00",
        "/public/%C3%A9,(b)!$&'*+=:@~",
    ] {
        assert_eq!(target(&scene.arrives(get(asked))), asked);
    }
    scene.never(get("/public/a%3Fb"));
    scene.never(get("/public/a%3fb"));
}
