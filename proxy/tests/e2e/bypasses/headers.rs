//! Headers by which a client speaks as the proxy: none of them reaches the application, in any spelling.

use super::{Scene, by_alice, checked, is_clean};
use crate::process::{ALICE, MINE, YOURS, config, token};
use crate::wire::request;

/// `X_Auth_User` survived where `X-Auth-User` was removed. Also GHSA-5m6w-wvh7-57vm and CVE-2026-54763.
#[test]
fn h1_cve_2025_64484() {
    let scene = Scene::new();
    for name in [
        "X-Sidegate-Subject",
        "x-sidegate-subject",
        "X_Sidegate_Subject",
        "x_sidegate-subject",
        "X-SIDEGATE_SUBJECT",
        "X--Sidegate-Subject",
        "X-Sidegate--Subject",
        "X-Sidegate-Subject-",
        "_X-Sidegate-Subject",
        "HTTP_X_SIDEGATE_SUBJECT",
        "HTTP-X-Sidegate-Subject",
        "X.Sidegate.Subject",
        "X~Sidegate~Subject",
        "X-Sidegate",
        "X-Sidegate-Roles",
        "X_Sidegate_Authorized",
        "X-Sidegate-Assertion",
        "X-Sidegate-Whatever-Comes",
    ] {
        let twice = [(name, "forged"), (name, "forged")];
        if let Some(arrived) = scene.may_arrive(request("GET", "/a", &twice)) {
            is_clean(&arrived);
            assert_eq!(arrived.values("x-sidegate-subject"), [""; 0], "{name}");
        }
        if let Some(arrived) = scene.may_arrive(by_alice("GET", "/me", &twice)) {
            is_clean(&arrived);
            assert_eq!(arrived.values("x-sidegate-subject"), [ALICE], "{name}");
        }
    }
    let arrived = scene.arrives(by_alice("GET", "/me", &[("X-Sidegates", "mine")]));
    assert_eq!(arrived.values("x-sidegates"), ["mine"]);
    assert_eq!(arrived.values("x-sidegate-subject"), [ALICE]);
}

/// What was removed from the headers came in the trailers.
#[test]
fn h2_cve_2026_88004() {
    let scene = Scene::new();
    let chunked = |headers: &[(&str, &str)], trailers: &str| {
        let mut all = vec![("Transfer-Encoding", "chunked")];
        all.extend(headers);
        request("POST", "/public/x", &all) + "2\r\nab\r\n0\r\n" + trailers + "\r\n"
    };
    for trailer in [
        "X-Sidegate-Subject: forged\r\n",
        "X_Sidegate_Subject: forged\r\n",
        "Authorization: forged\r\n",
        "Content-Length: 3\r\nX-Forwarded-For: forged\r\n",
    ] {
        let name = trailer.split(':').next().unwrap();
        for headers in [
            &[][..],
            &[("Trailer", name)],
            &[("Trailer", name), ("TE", "trailers")],
        ] {
            if let Some(arrived) = scene.may_arrive(chunked(headers, trailer)) {
                is_clean(&arrived);
                assert_eq!(arrived.body, b"2\r\nab\r\n0\r\n\r\n", "{trailer}");
            }
        }
    }
    let arrived = scene.arrives(chunked(&[], ""));
    assert_eq!(arrived.body, b"2\r\nab\r\n0\r\n\r\n");
}

/// A client's header was kept where the authentication had set none. Also caddyserver/caddy#7545.
#[test]
fn h3_cve_2026_30851() {
    let scene = Scene::with("cors: { preflight: forward, origins: [\"https://app.test\"] }");
    let forged = [
        ("X-Sidegate-Subject", "forged"),
        ("X-Sidegate-Roles", "forged"),
        ("X-Sidegate-Authorized", "forged"),
        ("X-Sidegate-Assertion", "forged"),
        ("X-Sidegate-Decision-Id", "forged"),
    ];
    let preflight = [
        &forged[..],
        &[
            ("Origin", "https://app.test"),
            ("Access-Control-Request-Method", "POST"),
        ],
    ]
    .concat();
    let bad_token = [&forged[..], &[("Authorization", "Bearer x.y.z")]].concat();
    for raw in [
        request("GET", "/a", &forged),
        request("POST", "/public/x", &forged),
        request("OPTIONS", "/me", &preflight),
        request("GET", "/a", &bad_token),
        by_alice("GET", "/a", &forged),
    ] {
        let arrived = scene.arrives(raw);
        is_clean(&arrived);
        for name in [
            "x-sidegate-subject",
            "x-sidegate-roles",
            "x-sidegate-authorized",
            "x-sidegate-assertion",
        ] {
            assert_eq!(arrived.values(name), [""; 0], "{arrived:?}");
        }
        assert_eq!(arrived.values("x-sidegate-decision-id").len(), 1);
    }
    scene.never(request("GET", "/me", &forged));
    scene.never(by_alice("GET", &format!("/g/{YOURS}"), &forged));
    let arrived = scene.arrives(by_alice("GET", &format!("/g/{MINE}"), &forged));
    is_clean(&arrived);
    assert_eq!(arrived.values("x-sidegate-authorized").len(), 1);
}

/// A configured header name in another spelling made a second entry.
#[test]
fn h4_cve_2026_33433() {
    let in_header = |sources: &'static str| {
        move |application| {
            config(application, "").replace(
                "algorithms: [HS256]",
                &format!("algorithms: [HS256], sources: [{sources}]"),
            )
        }
    };
    let scene = Scene::configured(in_header("{ header: X-tOKEN }"), &[]);
    let good = token(ALICE);
    for name in ["X-Token", "x-token", "X-TOKEN"] {
        scene.arrives(request("GET", "/me", &[(name, &good)]));
        scene.never(request("GET", "/me", &[(name, &good), ("X-Token", &good)]));
        scene.never(request(
            "GET",
            "/me",
            &[(name, &good), ("x-tOkEn", "forged")],
        ));
    }
    for alias in ["X_Token", "HTTP_X_TOKEN", "X.Token", "X--Token"] {
        scene.never(request("GET", "/me", &[(alias, &good)]));
        if let Some(arrived) = scene.may_arrive(request(
            "GET",
            "/me",
            &[("X-Token", &good), (alias, "forged")],
        )) {
            is_clean(&arrived);
        }
    }
    let address = scene.recorder.address;
    for (bad, expected) in [
        ("{ header: X-A }, { header: x-a }", "not listed above"),
        ("{ header: X_Token }", "letters, digits and `-`"),
        ("{ header: X_Sidegate_Subject }", "what Sidegate tells"),
        ("{ header: X-Forwarded-User }", "what a proxy tells"),
        ("{ header: authorization }", "`bearer`"),
    ] {
        let (accepted, said) = checked(&in_header(bad)(address));
        assert!(!accepted && said.contains(expected), "{bad}: {said}");
    }
    assert!(checked(&in_header("{ header: X-A }, { header: X-B }")(address)).0);
}

/// `Connection: X-Real-Ip` made the proxy remove what it had set itself. Also CVE-2026-29054.
#[test]
fn h5_cve_2024_45410() {
    let scene = Scene::new();
    for name in [
        "X-Real-Ip",
        "x-real-ip",
        "X-Forwarded-For",
        "X-Sidegate-Subject",
        "x-sidegate-authorized",
        "close, X-Sidegate-Subject",
        "Authorization",
        "authorization",
        "Cookie",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "X-Tenant",
        "keep-alive,\tx-user-id",
    ] {
        let headers = [("Connection", name), ("X-Tenant", "a"), ("Cookie", "a=b")];
        scene.never(by_alice("GET", "/me", &headers));
        scene.never(by_alice(
            "GET",
            "/me",
            &[("Connection", "keep-alive"), ("connection", name)],
        ));
    }
    let headers = [
        ("Connection", "keep-alive, TE"),
        ("X-Tenant", "a"),
        ("Cookie", "a=b"),
    ];
    let arrived = scene.arrives(by_alice("GET", "/me", &headers));
    for (name, value) in [
        ("x-tenant", "a"),
        ("cookie", "a=b"),
        ("x-sidegate-subject", ALICE),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(arrived.values(name), [value], "{name}");
    }
}

/// Statements of an untrusted client, of kinds that the list had not foreseen. Also CVE-2026-54764 and
/// CVE-2026-33495.
#[test]
fn h6_cve_2026_35051() {
    let names = [
        "X-Forwarded-Prefix",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-User",
        "X-Forwarded-Whatever-Comes",
        "X-Original-Host",
        "X-Envoy-External-Address",
        "X-Client-Cert-Subject",
        "Forwarded",
        "X-Forwarded",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
    ];
    let said: Vec<_> = names.iter().map(|name| (*name, "forged")).collect();
    let scene = Scene::new();
    for raw in [request("GET", "/a", &said), by_alice("GET", "/me", &said)] {
        let arrived = scene.arrives(raw);
        is_clean(&arrived);
        assert_eq!(arrived.values("x-forwarded-for"), ["127.0.0.1"]);
    }
    // Whoever may speak about its client is passed on.
    let trusting = Scene::with("trusted_proxies: [\"127.0.0.1\"]");
    let said = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Prefix", "/p")];
    let arrived = trusting.arrives(request("GET", "/a", &said));
    assert_eq!(arrived.values("x-forwarded-proto"), ["https"]);
    assert_eq!(arrived.values("x-forwarded-prefix"), ["/p"]);
}
