//! What is told to whom: nothing of the admin listener on the data port, nothing of a request's in any output.

use super::{TOKEN, admin, guarded};
use crate::bypasses::send;
use crate::process::{ALICE, DIRECTORY, MINE, SECRET, Sidegate, YOURS, config, token};
use crate::recorder::Recorder;
use crate::wire::ask;

/// Debugging pages for everybody. Also CVE-2026-31838, CVE-2024-39315 and CVE-2026-73546.
#[test]
fn a2_cve_2022_24797() {
    let recorder = Recorder::start();
    let sidegate = guarded(&recorder);
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
            for more in [String::new(), format!("Authorization: Bearer {TOKEN}\r\n")] {
                let raw = format!(
                    "{method} {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n",
                    sidegate.admin
                );
                assert_eq!(
                    send(sidegate.proxy, raw.as_bytes()),
                    Some(404),
                    "{method} {path}"
                );
            }
        }
    }
    assert!(recorder.received().is_empty());
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for path in [
        "/debug/pprof",
        "/debug/pprof/",
        "/debug/vars",
        "/stats",
        "/quitquitquit",
    ] {
        assert_eq!(admin(&sidegate, "GET", path, &bearer), Some(404), "{path}");
    }
    assert_eq!(admin(&sidegate, "GET", "/metrics", &bearer), Some(200));
}

/// Ends requests in every way there is, with something of the client's wherever something can be.
fn every_end(sidegate: &Sidegate, good: &str) {
    let headers = format!(
        "Host: app.test\r\nAuthorization: Bearer {good}\r\nCookie: a=theirs-in-a-cookie\r\n"
    );
    let mine = format!("/g/{MINE}?secret=theirs-in-a-query");
    let yours = format!("/g/{YOURS}");
    let asks = |method: &str, path: &str, more: &str| {
        let raw = format!("{method} {path} HTTP/1.1\r\n{headers}{more}\r\n");
        send(sidegate.proxy, raw.as_bytes());
    };
    for path in [
        &*mine,
        &yours,
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
            asks("GET", path, more);
        }
    }
    asks("THEIRS", "/a", "");
    asks("GET", "/last", "");
}

/// Tokens on a page, and markup in statistics.
#[test]
fn a2_tokens_and_markup_in_what_is_told() {
    let recorder = Recorder::start();
    let folder = tempfile::tempdir().unwrap();
    let admin = format!("\nadmin: {{ listen: \"127.0.0.1:0\", token: \"{TOKEN}\" }}");
    let text = config(recorder.address, &admin);
    std::fs::write(folder.path().join("directory.yaml"), DIRECTORY).unwrap();
    std::fs::write(folder.path().join("sidegate.yaml"), text).unwrap();
    // It says all that it ever says.
    let sidegate = Sidegate::run_with(folder, &[("SIDEGATE_LOG", "debug")]);
    let good = token(ALICE);
    every_end(&sidegate, &good);
    let asks = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", sidegate.admin);
        let raw = format!("{head}Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n");
        String::from_utf8(ask(sidegate.admin, raw).body).unwrap()
    };
    // A request's line is written after its answer: the last one's is waited for.
    let mut log = sidegate.logged_until("no_route");
    sidegate.signal("HUP");
    log.extend(sidegate.logged_until("the configuration was read"));
    let log = log.join("\n");
    assert!(
        log.contains("no_route") && log.contains("no_role"),
        "it says how requests end"
    );
    let metrics = asks("/metrics");
    assert!(metrics.contains("reason=\"no_route\""));
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        // Routes are told by their ids, which here are their methods and paths.
        let plain = |c: char| c.is_ascii_alphanumeric() || "_{}=\",.:+- /*".contains(c);
        assert!(line.chars().all(plain), "{line}");
    }
    let (_, signature) = good.rsplit_once('.').unwrap();
    for (place, said) in [
        ("log", log),
        ("metrics", metrics),
        ("config", asks("/config")),
    ] {
        let lower = said.to_ascii_lowercase();
        for secret in [&good, signature, SECRET, TOKEN, "theirs", "script"] {
            let secret = secret.to_ascii_lowercase();
            let found = lower.lines().find(|line| line.contains(&secret));
            assert!(found.is_none(), "{place}: {secret} in {found:?}");
        }
    }
}
