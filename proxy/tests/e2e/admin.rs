//! The admin listener, and edits of the directory as an operator makes them.

use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};

use crate::caching::sum;
use crate::process::{ALICE, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{Reply, ask};

fn get(sidegate: &Sidegate, path: &str, headers: &str) -> Reply {
    ask(
        sidegate.admin,
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}Connection: close\r\n\r\n",
            sidegate.admin
        ),
    )
}

fn explain(sidegate: &Sidegate, body: &Value) -> Reply {
    let body = body.to_string();
    let head = format!(
        "POST /explain HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        sidegate.admin,
        body.len()
    );
    ask(sidegate.admin, head + &body)
}

fn metric(sidegate: &Sidegate, line: &str) -> bool {
    String::from_utf8(get(sidegate, "/metrics", "").body)
        .unwrap()
        .lines()
        .any(|known| known == line)
}

#[test]
fn it_shows_health_metrics_and_the_assertions_key() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    assert_eq!(get(&sidegate, "/livez", "").status, 200);
    assert_eq!(get(&sidegate, "/readyz", "").json()["ready"], true);
    assert_eq!(get(&sidegate, "/nowhere", "").status, 404);

    let authorization = format!("Bearer {}", token(ALICE));
    let allowed = crate::wire::request(
        "GET",
        &format!("/g/{MINE}"),
        &[("Authorization", &authorization)],
    );
    assert_eq!(ask(sidegate.proxy, &allowed).status, 200);
    let denied = allowed.replace(MINE, YOURS);
    assert_eq!(ask(sidegate.proxy, denied).status, 403);
    // Counted when the request ends, which is after its answer.
    eventually("both are counted", || {
        let count = |outcome| {
            let series = format!("sidegate_requests_total{{outcome=\"{outcome}");
            sum(&sidegate, &series) == 1
        };
        let both = count("allow\",reason=\"ownership\",") && count("deny\",reason=\"no_role\",");
        both.then_some(())
    });

    let received = recorder.only();
    assert_eq!(received.values("x-sidegate-subject"), [ALICE]);
    assert_eq!(received.values("x-sidegate-roles"), ["artist"]);
    assert_eq!(received.values("x-sidegate-resource-roles"), ["owner"]);
    let keys: JwkSet =
        serde_json::from_slice(&get(&sidegate, "/.well-known/jwks.json", "").body).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.set_audience(&["app"]);
    let assertion = received.values("x-sidegate-assertion")[0];
    let claims = jsonwebtoken::decode::<Value>(assertion, &key, &rules)
        .unwrap()
        .claims;
    assert_eq!(
        (&claims["sub"], &claims["roles"]),
        (&json!(ALICE), &json!(["artist"]))
    );
}

#[test]
fn explain_gives_the_proxys_answer() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    for (path, expect) in [
        (format!("/g/{MINE}"), "ownership"),
        (format!("/g/{YOURS}"), "no_role"),
        ("/a".into(), "public"),
        ("/x".into(), "no_route"),
    ] {
        for who in [
            json!({ "token": token(ALICE) }),
            json!({ "subject": ALICE }),
        ] {
            let mut request = who;
            request["method"] = json!("GET");
            request["path"] = json!(path);
            assert_eq!(
                explain(&sidegate, &request).json()["reason"],
                expect,
                "{path}"
            );
        }
    }
    let none = explain(&sidegate, &json!({ "method": "GET", "path": "/me" })).json();
    assert_eq!(
        (&none["reason"], &none["status"]),
        (&json!("missing_credential"), &json!(401))
    );
    assert_eq!(explain(&sidegate, &json!({ "path": "/me" })).status, 400);
    assert_eq!(recorder.received().len(), 0, "nothing is forwarded");
}

#[test]
fn it_keeps_strangers_and_web_pages_out() {
    let recorder = Recorder::start();
    let admin = "\nadmin: { listen: \"127.0.0.1:0\", token: 0123456789abcdef }";
    let guarded = Sidegate::start(recorder.address, admin);
    assert_eq!(get(&guarded, "/livez", "").status, 200);
    assert_eq!(get(&guarded, "/metrics", "").status, 401);
    for wrong in [
        "Bearer 0123456789abcdeF",
        "Bearer ",
        "0123456789abcdef",
        "Bearer 0123456789abcdef0",
    ] {
        assert_eq!(
            get(&guarded, "/metrics", &format!("Authorization: {wrong}\r\n")).status,
            401,
            "{wrong}"
        );
    }
    assert_eq!(
        get(
            &guarded,
            "/metrics",
            "Authorization: Bearer 0123456789abcdef\r\n"
        )
        .status,
        200
    );

    let open = Sidegate::start(recorder.address, "");
    assert_eq!(get(&open, "/metrics", "").status, 200);
    assert_eq!(
        get(&open, "/metrics", "Origin: https://evil.test\r\n").status,
        403
    );
    let rebound = ask(
        open.admin,
        "GET /metrics HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(rebound.status, 403);
    // And nothing of it is on the data port.
    for path in ["/livez", "/metrics", "/.well-known/jwks.json"] {
        assert_eq!(
            ask(open.proxy, crate::wire::request("GET", path, &[])).status,
            404,
            "{path}"
        );
    }
}

#[test]
fn an_edit_of_the_directory_counts_and_a_bad_one_is_reported() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let authorization = format!("Bearer {}", token(ALICE));
    let request = crate::wire::request(
        "GET",
        &format!("/g/{MINE}"),
        &[("Authorization", &authorization)],
    );
    let status = || ask(sidegate.proxy, &request).status;
    assert_eq!(status(), 200);

    let good = std::fs::read_to_string(sidegate.directory()).unwrap();
    std::fs::write(
        sidegate.directory(),
        good.replace("active: true", "active: false"),
    )
    .unwrap();
    eventually("the deactivated user is refused", || {
        (status() == 403).then_some(())
    });

    std::fs::write(sidegate.directory(), "users: [").unwrap();
    sidegate.logged("its last good reading counts");
    let ready = get(&sidegate, "/readyz", "").json();
    assert!(
        ready["ready"] == true && ready["notes"][0].as_str().unwrap().contains("directory"),
        "{ready}"
    );
    assert!(metric(&sidegate, "sidegate_store_stale 1"));
    assert_eq!(status(), 403, "the last good reading counts");

    std::fs::write(sidegate.directory(), good).unwrap();
    eventually("the user is back", || (status() == 200).then_some(()));
    eventually("it counts as good", || {
        metric(&sidegate, "sidegate_store_stale 0").then_some(())
    });
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let recorder = Recorder::start();
    let mut sidegate = Sidegate::start(recorder.address, "");
    // The reader of its standard error is gone: every line from here on cannot be written.
    sidegate.close_log();
    let authorization = format!("Bearer {}", token(ALICE));
    let request = crate::wire::request(
        "GET",
        &format!("/g/{MINE}"),
        &[("Authorization", &authorization)],
    );
    let text = std::fs::read_to_string(sidegate.directory()).unwrap();
    for active in ["false", "true", "false"] {
        let edited = text.replace("active: true", &format!("active: {active}"));
        std::fs::write(sidegate.directory(), edited).unwrap();
        let expect = if active == "true" { 200 } else { 403 };
        eventually("the edit counts", || {
            (ask(sidegate.proxy, &request).status == expect).then_some(())
        });
    }
    assert_eq!(get(&sidegate, "/readyz", "").json()["ready"], true);
}
