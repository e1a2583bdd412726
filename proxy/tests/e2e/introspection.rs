//! Issuers that are asked about their tokens, and answer: who gets in. `outages` is about those that do not.

pub(crate) mod endpoint;
mod outages;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::caching::metric;
use crate::cli;
use crate::process::{
    ALICE, DIRECTORY, ISSUER, MINE, SECRET, Sidegate, config, eventually, expired_token, token,
    token_until,
};
use crate::recorder::Recorder;
use crate::wire::{Reply, ask, request};
use endpoint::Endpoint;

/// The tests' configuration, with an issuer that is asked like this and has a key, or none.
fn asking(recorder: &Recorder, endpoint: &Endpoint, options: &str, has_key: bool) -> String {
    let keys = format!("algorithms: [HS256], keys: [{{ secret: \"{SECRET}\" }}]");
    let introspection = format!(
        "introspection: {{ url: \"http://{}/introspect?a=b\", client_id: \"side gate:1\", \
         client_secret: \"s3cr€t&+%\", {options} }}",
        endpoint.address
    );
    let base = config(recorder.address, "");
    assert!(base.contains(&keys));
    let asked = match has_key {
        true => format!("{keys}, {introspection}"),
        false => introspection,
    };
    base.replace(&keys, &asked)
}

fn with(proxy: SocketAddr, method: &str, token: &str, more: &[(&str, &str)]) -> Reply {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("Authorization", bearer.as_str())];
    headers.extend(more);
    let mut wire = crate::wire::Wire::connect(proxy);
    wire.send(request(method, "/me", &headers));
    wire.reply_to(method).expect("an answer")
}

fn get(proxy: SocketAddr, token: &str) -> Reply {
    with(proxy, "GET", token, &[])
}

fn counted(sidegate: &Sidegate, result: &str) -> u64 {
    let name = format!("sidegate_introspections_total{{issuer=\"{ISSUER}\",result=\"{result}\"}}");
    metric(sidegate, &name).unwrap()
}

fn of_issuer(sidegate: &Sidegate, name: &str) -> u64 {
    metric(
        sidegate,
        &format!("sidegate_introspection_{name}{{issuer=\"{ISSUER}\"}}"),
    )
    .unwrap()
}

/// Where the issuer's breaker stands.
fn breaker(sidegate: &Sidegate) -> u64 {
    let name = format!("sidegate_breaker_state{{breaker=\"introspection\",issuer=\"{ISSUER}\"}}");
    metric(sidegate, &name).unwrap()
}

#[test]
fn an_active_token_counts_and_its_issuer_is_asked_as_the_standards_say() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let sidegate = Sidegate::run(&asking(&recorder, &endpoint, "fallback: deny", false));
    let proxy = sidegate.proxy;
    let opaque = "opaque-._~+/token==";
    endpoint.activate(opaque, json!({ "iss": ISSUER, "token_type": "Bearer" }));
    for _ in 0..3 {
        let reply = get(proxy, opaque);
        assert_eq!(
            (reply.status, reply.header("x-sidegate-degraded")),
            (200, None)
        );
    }
    let received = recorder.received();
    assert_eq!(received[2].values("x-sidegate-subject"), [ALICE]);

    let questions = endpoint.questions();
    let [question] = questions.as_slice() else {
        panic!("{questions:?}");
    };
    assert_eq!(question.line, "POST /introspect?a=b HTTP/1.1");
    let form = [("token", opaque), ("token_type_hint", "access_token")];
    assert_eq!(
        question.form,
        form.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    for (name, value) in [
        // `side+gate%3A1:s3cr%E2%82%ACt%26%2B%25`: each part form-encoded, then both in base64.
        (
            "authorization",
            "Basic c2lkZStnYXRlJTNBMTpzM2NyJUUyJTgyJUFDdCUyNiUyQiUyNQ==",
        ),
        ("accept", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
    ] {
        assert_eq!(question.headers[name], value);
    }

    // A JWT of this issuer is asked about too, whatever it is signed with: there are no keys.
    let jwt = token(ALICE);
    endpoint.activate(&jwt, json!({}));
    assert_eq!(get(proxy, &jwt).status, 200);
    assert_eq!(counted(&sidegate, "active"), 2);
    let issuer = metric(&sidegate, "sidegate_tokens_total{from=\"issuer\"}");
    let memory = metric(&sidegate, "sidegate_tokens_total{from=\"memory\"}");
    assert_eq!((issuer, memory), (Some(2), Some(2)));
    assert!(
        sidegate.admin("/config")["notes"]
            .to_string()
            .contains("is good for 10s more")
    );
}

#[test]
fn what_is_not_active_or_not_for_us_is_refused_and_asked_about_once() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let sidegate = Sidegate::run(&asking(&recorder, &endpoint, "fallback: deny", true));
    let proxy = sidegate.proxy;
    endpoint.activate("elsewhere", json!({ "aud": "other" }));
    endpoint.activate("refresh", json!({ "typ": "Refresh" }));
    let jwt = token_until(ALICE, 500);
    endpoint.revoke(&jwt);
    for token in ["unknown", "elsewhere", "refresh", &jwt] {
        let before = endpoint.asked();
        for _ in 0..2 {
            let reply = get(proxy, token);
            let challenge = reply.header("www-authenticate").unwrap();
            assert_eq!(reply.status, 401, "{token}");
            assert!(challenge.contains("invalid_token"), "{challenge}");
        }
        assert_eq!(endpoint.asked(), before + 1, "{token}");
    }
    assert_eq!(
        (counted(&sidegate, "inactive"), counted(&sidegate, "unfit")),
        (2, 2)
    );
    assert_eq!(of_issuer(&sidegate, "refused"), 4);
    // What is wrong without asking anybody is not asked about.
    let before = endpoint.asked();
    for token in [
        &*expired_token(ALICE),
        &format!("{}x", token(ALICE)),
        "no=token",
        "a\"b",
    ] {
        assert_eq!(get(proxy, token).status, 401, "{token}");
    }
    assert_eq!((endpoint.asked(), recorder.received().len()), (before, 0));
    // A token that has become good is refused for two seconds at the most.
    endpoint.activate("unknown", json!({}));
    eventually("it counts", || {
        (get(proxy, "unknown").status == 200).then_some(())
    });
}

#[test]
fn a_token_that_is_revoked_is_good_for_the_ttl_at_most() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let sidegate = Sidegate::run(&asking(
        &recorder,
        &endpoint,
        "fallback: deny, ttl: 1s",
        false,
    ));
    let proxy = sidegate.proxy;
    endpoint.activate("opaque", json!({}));
    assert_eq!(get(proxy, "opaque").status, 200);
    let revoked = Instant::now();
    endpoint.revoke("opaque");
    eventually("it is refused", || {
        (get(proxy, "opaque").status == 401).then_some(())
    });
    assert!(
        revoked.elapsed() < Duration::from_secs(3),
        "{:?}",
        revoked.elapsed()
    );
    assert!(endpoint.asked() <= 4, "{}", endpoint.asked());
}

#[test]
fn without_a_ttl_every_request_asks() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let sidegate = Sidegate::run(&asking(
        &recorder,
        &endpoint,
        "fallback: deny, ttl: 0s",
        false,
    ));
    let proxy = sidegate.proxy;
    endpoint.activate("opaque", json!({}));
    assert_eq!(get(proxy, "opaque").status, 200);
    endpoint.revoke("opaque");
    assert_eq!((get(proxy, "opaque").status, endpoint.asked()), (401, 2));
}

#[test]
fn many_with_one_token_are_one_question() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let sidegate = Sidegate::run(&asking(&recorder, &endpoint, "fallback: deny", false));
    let proxy = sidegate.proxy;
    endpoint.activate("opaque", json!({}));
    endpoint.hold(true);
    std::thread::scope(|scope| {
        let herd: Vec<_> = (0..16)
            .map(|_| scope.spawn(move || get(proxy, "opaque").status))
            .collect();
        eventually("all have come", || {
            (metric(&sidegate, "sidegate_connections") >= Some(16) && endpoint.asked() > 0)
                .then_some(())
        });
        endpoint.hold(false);
        for client in herd {
            assert_eq!(client.join().unwrap(), 200);
        }
    });
    assert_eq!(endpoint.asked(), 1);
}

#[test]
fn each_issuer_judges_its_own_tokens_where_it_accepts_them() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let second = format!(
        "issuers:\n  - {{ issuer: \"https://asked.test/\", audiences: [api], sources: [{{ header: X-Token }}], \
         introspection: {{ url: \"http://{}/\", client_id: a, client_secret: f3b1c79d2e, fallback: deny }} }}",
        endpoint.address
    );
    let config = config(recorder.address, "").replace("issuers:", &second);
    let sidegate = Sidegate::run(&config);
    let proxy = sidegate.proxy;
    let by_header =
        |token: &str| ask(sidegate.proxy, request("GET", "/me", &[("X-Token", token)])).status;
    endpoint.activate("opaque", json!({}));
    let theirs = token(ALICE);
    endpoint.activate(&theirs, json!({}));
    // A JWT says whose it is, and the one who is not asked about it does not hear of it.
    assert_eq!((get(proxy, &theirs).status, by_header(&theirs)), (200, 401));
    // An opaque token is the one's that accepts it there.
    assert_eq!(
        (get(proxy, "opaque").status, by_header("opaque")),
        (401, 200)
    );
    assert_eq!(endpoint.asked(), 1);
}

#[test]
fn an_explanation_asks_too() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    endpoint.activate("opaque", json!({}));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidegate.yaml");
    std::fs::write(folder.path().join("directory.yaml"), DIRECTORY).unwrap();
    std::fs::write(&file, asking(&recorder, &endpoint, "fallback: deny", false)).unwrap();
    let explained = |token: &str| {
        let config = file.to_str().unwrap();
        let mine = format!("/g/{MINE}");
        let output = cli::run(&[
            "explain", "--config", config, "--token", token, "GET", &mine, "--json",
        ]);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(explained("opaque"), "ownership");
    assert_eq!(explained("unknown"), "invalid_credential");
    endpoint.be_away(true);
    assert_eq!(explained("opaque"), "issuer_unavailable");
    let posture = cli::run(&["check", "--security", "--config", file.to_str().unwrap()]);
    let posture = String::from_utf8(posture.stdout).unwrap();
    assert!(
        posture.contains("one that is revoked is good for 10s more; without an answer 503"),
        "{posture}"
    );
}
