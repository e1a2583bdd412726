//! What a request says of itself: where it is from, whose it is, and where that is told.

use super::{Scene, by_alice, checked, is_clean, target};
use crate::process::{ALICE, MINE, YOURS, config, token};
use crate::wire::{Reply, ask, request};

/// Private networks counted as internal by default.
#[test]
fn h7_cve_2024_45806() {
    let forged = [
        ("X-Forwarded-For", "10.0.0.7"),
        ("X-Envoy-Internal", "true"),
        ("X-Real-IP", "10.0.0.7"),
    ];
    // Loopback is as private as it gets; it is trusted where it is named, and nowhere else.
    for elsewhere in [
        "",
        "trusted_proxies: [10.0.0.0/8, 192.168.0.0/16, \"fc00::/7\"]",
    ] {
        let scene = Scene::with(elsewhere);
        let arrived = scene.arrives(request("GET", "/a", &forged));
        assert_eq!(arrived.values("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(arrived.values("x-envoy-internal"), [""; 0]);
        assert_eq!(arrived.values("x-real-ip"), [""; 0]);
        for everybody in ["0.0.0.0/0", "::/0"] {
            let text = config(
                scene.recorder.address,
                &format!("trusted_proxies: [\"{everybody}\"]"),
            );
            let (accepted, said) = checked(&text);
            assert!(
                !accepted && said.contains("insecure_trust_every_proxy"),
                "{said}"
            );
        }
    }
    let trusting = Scene::with("trusted_proxies: [127.0.0.0/8]");
    let arrived = trusting.arrives(request("GET", "/a", &forged));
    assert_eq!(arrived.values("x-forwarded-for"), ["10.0.0.7, 127.0.0.1"]);
}

/// What is no address, and quoted commas, in `Forwarded`; and a `Host` that ended up in it. Also
/// CVE-2026-57209.
#[test]
fn h8_cve_2026_57210() {
    let scene = Scene::new();
    for host in [
        "a,b",
        "a;b",
        "a\"b\"",
        "a;for=10.0.0.7",
        "a, for=\"10.0.0.7\"",
        "a b",
        "",
        " ",
        "a/b",
        "u@a",
        "a\\b",
        "a:b",
        "[::1",
        "a%2cb",
        "a,app.test",
    ] {
        scene.never(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    for said in [
        "for=\"10.0.0.7, forged\"",
        "for=forged;host=\"a,b\"",
        "for=\"_forged\\\",for=1\"",
        "for=999.1.1.1;by=forged",
    ] {
        let headers = [
            ("Forwarded", said),
            ("X-Forwarded-For", said),
            ("X-Forwarded-Host", said),
        ];
        let arrived = scene.arrives(request("GET", "/a", &headers));
        is_clean(&arrived);
        assert_eq!(arrived.values("forwarded"), [""; 0]);
        assert_eq!(arrived.values("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(arrived.values("host"), ["app.test"]);
    }
}

/// Only one of several values was looked at. Also CVE-2021-32777.
#[test]
fn h9_cve_2026_26308() {
    let routes = "  - { methods: [GET], path: /by-header, action: read, resource: { kind: generation, id: { header: X-Item } } }
  - { methods: [GET], path: /by-query, action: read, resource: { kind: generation, id: { query: item } } }";
    let scene = Scene::with(routes);
    let good = format!("Bearer {}", token(ALICE));
    for second in ["Authorization", "authorization", "AUTHORIZATION"] {
        for value in [&*good, "Bearer x.y.z", "Basic YTpi", ""] {
            scene.never(by_alice("GET", "/me", &[(second, value)]));
        }
    }
    scene.never(request(
        "GET",
        "/me",
        &[("Authorization", &format!("{good}, {good}"))],
    ));
    scene.never(by_alice("GET", "/me", &[("Host", "app.test")]));
    for other in [YOURS, MINE, ""] {
        for headers in [
            [("X-Item", MINE), ("x-item", other)],
            [("X-Item", other), ("X-Item", MINE)],
        ] {
            scene.never(by_alice("GET", "/by-header", &headers));
        }
        scene.never(by_alice(
            "GET",
            "/by-header",
            &[("X-Item", &format!("{MINE},{other}"))],
        ));
        scene.never(by_alice(
            "GET",
            "/by-header",
            &[("X-Item", MINE), ("X_Item", other)],
        ));
        scene.never(by_alice(
            "GET",
            &format!("/by-query?item={MINE}&item={other}"),
            &[],
        ));
        scene.never(by_alice(
            "GET",
            &format!("/by-query?item={other}&%69tem={MINE}"),
            &[],
        ));
    }
    scene.never(by_alice("GET", "/by-header", &[("X-Item", YOURS)]));
    let arrived = scene.arrives(by_alice("GET", "/by-header", &[("X-Item", MINE)]));
    assert_eq!(arrived.values("x-item"), [MINE]);
    assert_eq!(
        arrived.values("x-sidegate-authorized"),
        [format!("read generation:{MINE}")]
    );
    let path = format!("/by-query?item={MINE}");
    assert_eq!(target(&scene.arrives(by_alice("GET", &path, &[]))), path);
}

/// Bytes that are no ASCII: a pattern did not match, and a rule of the form `unless` let them in.
#[test]
fn h10_cve_2026_73552() {
    let route = "  - { methods: [GET], path: /by-header, action: read, resource: { kind: generation, id: { header: X-Item } } }";
    let scene = Scene::with(route);
    let plain = by_alice("GET", "/by-header", &[("X-Item", MINE)]);
    for odd in [
        &b"\x80"[..],
        b"\xff",
        b"\xc3\xa9",
        b"\xe2\x80\xa8",
        b"\xef\xbb\xbf",
    ] {
        for place in [
            MINE,
            "X-Item: ",
            "Bearer ",
            "app.test",
            "GET ",
            "/by-header",
        ] {
            let (before, after) = plain.split_once(place).unwrap();
            scene.never([before.as_bytes(), place.as_bytes(), odd, after.as_bytes()].concat());
            scene.never([before.as_bytes(), odd, place.as_bytes(), after.as_bytes()].concat());
        }
    }
    scene.arrives(&plain);
}

/// A health check's `User-Agent` counted as authentication on any path.
#[test]
fn h11_cve_2026_34457() {
    let scene = Scene::new();
    for agent in [
        "GoogleHC/1.0",
        "ELB-HealthChecker/2.0",
        "kube-probe/1.30",
        "Prometheus/3.0",
        "Consul Health Check",
    ] {
        let headers = [("User-Agent", agent)];
        for path in [
            "/me", "/livez", "/readyz", "/health", "/ping", "/ready", "/",
        ] {
            scene.never(request("GET", path, &headers));
        }
        scene.never(request("GET", &format!("/g/{MINE}"), &headers));
        assert_eq!(
            scene
                .arrives(request("GET", "/a", &headers))
                .values("user-agent"),
            [agent]
        );
    }
    assert_eq!(scene.sidegate.admin("/readyz")["ready"], true);
}

/// Hosts were compared with case. Also CVE-2026-42273 and CVE-2021-39155. No rule here looks at the host:
/// no spelling of it opens or closes anything.
#[test]
fn h12_cve_2026_27588() {
    let scene = Scene::new();
    for host in [
        "app.test",
        "APP.test",
        "app.test.",
        "app.test:80",
        "aPP.tEST:8080",
        "127.0.0.1",
        "[::1]",
        "[::1]:80",
        "localhost",
        "other.test",
    ] {
        let nobody = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let alice = |path: &str| by_alice("GET", path, &[]).replace("app.test", host);
        scene.never(nobody("/me"));
        scene.never(nobody(&format!("/g/{MINE}")));
        scene.never(alice(&format!("/g/{YOURS}")));
        for raw in [nobody("/a"), alice("/me"), alice(&format!("/g/{MINE}"))] {
            assert_eq!(scene.arrives(raw).values("host"), [host]);
        }
    }
}

/// Credentials went to the service that renders errors.
#[test]
fn h13_cve_2026_41181() {
    let keeps = |application| {
        config(application, "").replace(
            "algorithms: [HS256]",
            "algorithms: [HS256], forward: false, sources: [bearer, { cookie: session }]",
        )
    };
    let scene = Scene::configured(keeps, &[]);
    let good = token(ALICE);
    let nowhere = |reply: &Reply| {
        let shown = format!(
            "{:?}{}",
            reply.headers,
            String::from_utf8_lossy(&reply.body)
        );
        assert!(
            !shown.contains(&good) && !shown.contains("theirs"),
            "{shown}"
        );
    };
    let cookie = format!("session={good}; other=theirs");
    for carrier in [
        ("Authorization", format!("Bearer {good}")),
        ("Cookie", cookie),
    ] {
        let headers = [(carrier.0, &*carrier.1)];
        // Refused, unknown, and not answered by the application: `/late` closes the connection.
        let yours = format!("/g/{YOURS}");
        for (path, status) in [
            (&*yours, 403),
            ("/nowhere", 404),
            ("/a//b", 400),
            ("/public/late", 502),
        ] {
            let reply = ask(scene.sidegate.proxy, request("GET", path, &headers));
            assert_eq!(reply.status, status, "{path}");
            nowhere(&reply);
        }
        // The application itself does not see them where it need not, on any route.
        scene.recorder.received();
        for path in ["/me", "/a"] {
            let arrived = scene.arrives(request("GET", path, &headers));
            assert!(!format!("{arrived:?}").contains(&good), "{arrived:?}");
            let others: &[&str] = if carrier.0 == "Cookie" {
                &["other=theirs"]
            } else {
                &[]
            };
            assert_eq!(arrived.values("cookie"), others);
        }
    }
    // Where it has asked for them it sees them.
    let arrived = Scene::new().arrives(request(
        "GET",
        "/me",
        &[("Authorization", &format!("Bearer {good}"))],
    ));
    assert_eq!(arrived.values("authorization"), [format!("Bearer {good}")]);
}
