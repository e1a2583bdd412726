//! Paths and the rules that they meet: one rule for every spelling of a path, and the application of that rule.
//!
//! `/public/{*rest}` is open to everybody, `/me` to nobody without a token.

use super::{Scene, by_alice, checked, get, send, target};
use crate::process::{ALICE, MINE, config};
use crate::recorder::Recorder;
use crate::wire::request;

/// Only the upper-case spelling of an escape was recognised. Also CVE-2026-42272.
#[test]
fn p7_cve_2026_42274() {
    let scene = Scene::new();
    for byte in *b"/\\;?#\0\x7f\n" {
        for escape in spellings(byte) {
            scene.never(get(format!("/public/..{escape}me")));
            scene.never(get(format!("/public{escape}me")));
        }
    }
    for dot in spellings(b'.') {
        scene.never(get(format!("/public/{dot}{dot}/me")));
    }
    // An escape that hides nothing: every spelling is the one path that the rule names.
    for escape in spellings(b'm') {
        scene.never(get(format!("/{escape}e")));
        let path = format!("/{escape}e");
        assert_eq!(target(&scene.arrives(by_alice("GET", &path, &[]))), "/me");
    }
}

/// The escape of a byte with its digits in either case.
fn spellings(byte: u8) -> Vec<String> {
    let (high, low) = (byte >> 4, byte & 15);
    let mut all = vec![
        format!("%{high:x}{low:x}"),
        format!("%{high:X}{low:x}"),
        format!("%{high:x}{low:X}"),
        format!("%{high:X}{low:X}"),
    ];
    all.sort();
    all.dedup();
    all
}

/// Where an escape was in the path, case was not folded as elsewhere. Here case always counts; and what
/// differs from a stricter rule in case alone is refused, because an application may fold it.
#[test]
fn p7_cve_2026_27587() {
    let scene = Scene::with(
        "  - { methods: [GET], path: \"/Open\", access: public }
  - { methods: [GET], path: \"/x/{*rest}\", access: public }
  - { methods: [GET], path: \"/x/admin/{*rest}\", access: authenticated }",
    );
    for path in [
        "/me",
        "/%6de",
        "/%6d%65",
        "/m%65",
        "/ME",
        "/%4D%45",
        "/M%45",
        "/open",
        "/%6Fpen",
        "/OPEN",
        "/x/admin/y",
        "/x/ADMIN/y",
        "/x/%41dmin/y",
        "/x/%61DMIN/y",
        "/x/admi%4e/y",
        "/x/admi%4E/y",
    ] {
        scene.never(get(path));
    }
    for path in ["/ME", "/%4D%45", "/PUBLIC/x", "/%50ublic/x", "/x/Admin/y"] {
        scene.never(by_alice("GET", path, &[]));
    }
    for path in ["/Open", "/%4fpen", "/%4Fpe%6E"] {
        assert_eq!(target(&scene.arrives(get(path))), "/Open");
    }
    assert_eq!(target(&scene.arrives(get("/x/Other"))), "/x/Other");
    let arrived = scene.arrives(by_alice("GET", "/x/%61dmin/Y", &[]));
    assert_eq!(target(&arrived), "/x/admin/Y");
}

/// Escapes of reserved characters were compared as they came and decoded later.
#[test]
fn p7_cve_2025_66490() {
    let scene = Scene::new();
    for path in [
        "/public/%2f",
        "/public/%5C",
        "/public/%00",
        "/public/%3b",
        "/public/%3f",
        "/public/%23",
        "/public/%0a",
        "/public/%7F",
        "/public%2fx",
        "/%2e%2e/public/x",
        "/public/%",
        "/public/%2",
        "/public/%g0",
        "/public/%u002f",
    ] {
        scene.never(get(path));
    }
    for (asked, sent) in [
        (
            "/public/%40%3A%21%24%26%27%28%29%2A%2B%2C%3D",
            "/public/@:!$&'()*+,=",
        ),
        ("/public/%7e%2D%5F%2e%61", "/public/~-_.a"),
        ("/public/%5b%5D%22%3c%7C", "/public/%5B%5D%22%3C%7C"),
    ] {
        assert_eq!(target(&scene.arrives(get(asked))), sent);
    }
}

/// A prefix was stripped after authentication, which made a traversal. Nothing is rewritten here, and an
/// escape within an escape, which the application might decode twice, is refused. Also CVE-2026-48020
/// and CVE-2026-67309.
#[test]
fn p8_cve_2026_40912() {
    let scene = Scene::new();
    for path in [
        "/public/%252e%252e/me",
        "/public/%252E%252E%252Fme",
        "/public/..%252fme",
        "/public/%25%32%65%25%32%65/me",
        "/public/%2%35%32e./me",
        "/public/%25252e%25252e/me",
        "/public%252f..%252fme",
    ] {
        scene.never(get(path));
    }
    assert_eq!(
        target(&scene.arrives(get("/public/50%25"))),
        "/public/50%25"
    );
    let plain = config(scene.recorder.address, "");
    for rewrite in ["strip_prefix: /public", "rewrite: /$1", "prefix_rewrite: /"] {
        let text = plain.replace("access: public }", &format!("access: public, {rewrite} }}"));
        let (accepted, said) = checked(&text);
        assert!(!accepted && said.contains("unknown field"), "{said}");
    }
    assert!(checked(&plain).0);
}

/// The rule that was decided on was not the one whose application got the request.
#[test]
fn p9_cve_2023_33189() {
    let inner = Recorder::start();
    let routes = "  - { methods: [GET], path: \"/x/{*rest}\", access: public, upstream: outer }
  - { methods: [GET], path: \"/x/admin/{*rest}\", access: authenticated, upstream: inner }";
    let groups = |outer| {
        let inner = inner.address;
        let groups =
            format!("groups: {{ outer: [\"http://{outer}\"], inner: [\"http://{inner}\"] }}");
        let url = format!("url: \"http://{outer}\"");
        config(outer, routes).replace(&url, &format!("{groups}, active: outer"))
    };
    let scene = Scene::configured(groups, &[]);
    for path in [
        "/x/admin/y",
        "/x/%61dmin/y",
        "/x/./admin/y",
        "/x//admin/y",
        "/x/a/../admin/y",
    ] {
        scene.never(get(path));
    }
    for path in ["/x/admin/y?z=/x/other", "/x/%61dmin/y?z=/x/other"] {
        assert_eq!(
            send(scene.sidegate.proxy, by_alice("GET", path, &[]).as_bytes()),
            Some(200)
        );
        let arrived = inner.only();
        assert_eq!(target(&arrived), "/x/admin/y?z=/x/other");
        assert_eq!(arrived.values("x-sidegate-subject"), [ALICE]);
        assert!(scene.recorder.received().is_empty());
    }
    // Without a slash it is not below `/x/admin/`: open, and so its application is the outer one.
    for path in ["/x/other?y=/x/admin/z", "/x/admin"] {
        assert_eq!(target(&scene.arrives(get(path))), path);
    }
    assert!(inner.received().is_empty());
}

/// A filter after the decision made the proxy choose a route anew.
#[test]
fn p9b_envoy_route_cache() {
    let scene = Scene::new();
    let path = format!("/g/{MINE}");
    let headers = [
        ("X-Original-URL", "/me"),
        ("X-Rewrite-URL", "/me"),
        ("X-Forwarded-Path", "/me"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "DELETE"),
        ("X-Envoy-Original-Path", "/me"),
        ("X-Envoy-Decorator-Operation", "/me"),
    ];
    for (method, action) in [("GET", "read"), ("POST", "write")] {
        let arrived = scene.arrives(by_alice(
            method,
            &format!("{path}?_method=DELETE"),
            &headers,
        ));
        let line = format!("{method} {path}?_method=DELETE HTTP/1.1");
        assert_eq!(arrived.request_line(), line);
        assert_eq!(arrived.values("host"), ["app.test"]);
        let authorized = format!("{action} generation:{MINE}");
        assert_eq!(arrived.values("x-sidegate-authorized"), [authorized]);
        for (name, _) in headers {
            assert_eq!(arrived.values(name), [""; 0], "{name}");
        }
    }
    // What the application answers is no other target either.
    scene.never(by_alice("DELETE", &path, &headers));
}

/// A pattern matched more, or less, than it says. Also CVE-2020-16844 and CVE-2026-39350.
#[test]
fn p10_cve_2025_46821() {
    let scene = Scene::with(
        "  - { methods: [GET], path: \"/v1.0/x*\", access: public }
  - { methods: [GET], path: \"/s/{id}\", access: public }
  - { methods: [GET], path: \"/n/{id:bigint}/end\", access: public }",
    );
    for path in [
        "/v1a0/x*",
        "/v1.0/x",
        "/v1.0/xyz",
        "/v1.0/x*/y",
        "/V1.0/x*",
        "/s/",
        "/s",
        "/s/a/b",
        "/s/a/",
        "/z/s/a",
        "/n/1/end/x",
        "/n/x/end",
        "/n/1/",
        "/n//end",
        "/public",
        "/public/",
        "/publicx/y",
        "/x/public/y",
        "/a/",
        "/aa",
        "/a.",
        "/A",
    ] {
        scene.never(get(path));
    }
    for path in ["/v1.0/x*", "/s/a", "/s/a.b*", "/n/1/end", "/public/x", "/a"] {
        assert_eq!(target(&scene.arrives(get(path))), path);
    }
}

/// A header of the client's named the path that was decided on. Also CVE-2026-40575.
#[test]
fn p11_cve_2023_27487() {
    let names = [
        "X-Envoy-Original-Path",
        "X-Forwarded-Uri",
        "X-Forwarded-Path",
        "X-Forwarded-Method",
        "X-Original-URL",
        "X-Original-URI",
        "X-Rewrite-URL",
    ];
    // Not even a proxy that may speak about its client names another target.
    for trusted in ["", "trusted_proxies: [\"127.0.0.1\"]"] {
        let scene = Scene::with(trusted);
        for name in names {
            scene.never(request("GET", "/me", &[(name, "/public/x")]));
        }
        let headers = names.map(|name| (name, "/me"));
        let arrived = scene.arrives(request("GET", "/public/x", &headers));
        assert_eq!(target(&arrived), "/public/x");
        for name in &names[1..] {
            assert_eq!(arrived.values(name), [""; 0], "{name} {trusted}");
        }
    }
}

/// Pingora reads a target that is no UTF-8 with replacement characters, and forwards the bytes themselves.
#[test]
fn p12_pingora_set_raw_path() {
    let scene = Scene::new();
    for byte in 0x80..=0xff_u8 {
        scene.never(get([b"/public/", &[byte][..]].concat()));
    }
    scene.never(get("/public/\u{fffd}"));
    scene.never(get(b"/\xff/../me"));
    scene.never(get(b"/me?\xff"));
    for path in [
        "/public/%ff",
        "/public/%C3",
        "/public/%c0%af",
        "/public/%ed%a0%80",
    ] {
        scene.never(get(path));
    }
    let arrived = scene.arrives(get("/public/%c3%a9%EF%BF%BD"));
    assert_eq!(target(&arrived), "/public/%C3%A9%EF%BF%BD");
}
