//! Issuers that do not answer, or say nothing that is an answer.

use serde_json::json;

use super::endpoint::Endpoint;
use super::{asking, breaker, counted, get, of_issuer, with};
use crate::process::{ALICE, ISSUER, Sidegate, eventually, expired_token, token, token_until};
use crate::recorder::Recorder;

#[test]
fn an_issuer_that_fails_three_times_is_left_alone_and_two_good_answers_bring_it_back() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let options = "fallback: deny, breaker: { open: 2s }";
    let config = asking(&recorder, &endpoint, options, true);
    let sidegate = Sidegate::run(&config);
    let proxy = sidegate.proxy;
    endpoint.activate("known", json!({}));
    assert_eq!(get(proxy, "known").status, 200);
    endpoint.be_away(true);
    for number in 0..3 {
        // Opaque and signed ones alike.
        let token = token_until(ALICE, 400 + number);
        let reply = get(proxy, if number == 1 { "opaque" } else { &token });
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("1"))
        );
    }
    assert_eq!(breaker(&sidegate), 2);
    // Nobody asks, and what is known serves.
    let before = endpoint.asked();
    assert_eq!(before, 4);
    assert_eq!(get(proxy, "another").status, 503);
    assert_eq!(get(proxy, "known").status, 200);
    let ready = sidegate.admin("/readyz");
    assert_eq!(ready["ready"], true);
    assert!(
        ready["notes"]
            .to_string()
            .contains("cannot be asked about tokens: its tokens are answered with 503")
    );
    assert!(sidegate.admin("/config")["introspection_problems"][0].is_string());
    let line = sidegate.logged("it is left alone");
    assert!(line.contains(ISSUER) && !line.contains("opaque"), "{line}");
    // Another configuration with the same issuer goes on where this one was.
    sidegate.edit(&format!("{config}\ncoherence: {{ poll_interval: 51ms }}\n"));
    eventually("it was read", || {
        (sidegate.admin("/config")["generation"] == 2).then_some(())
    });
    assert_eq!((breaker(&sidegate), endpoint.asked()), (2, before));

    endpoint.be_away(false);
    for name in ["one", "two"] {
        endpoint.activate(name, json!({}));
    }
    eventually("a probe", || {
        (get(proxy, "one").status == 200).then_some(())
    });
    assert_eq!(breaker(&sidegate), 1, "one is not enough");
    assert_eq!(get(proxy, "two").status, 200);
    assert_eq!(breaker(&sidegate), 0);
    assert_eq!(
        sidegate.admin("/config")["introspection_problems"],
        json!([])
    );
    assert_eq!(
        (counted(&sidegate, "failed"), counted(&sidegate, "active")),
        (3, 3)
    );
    assert!(counted(&sidegate, "open") > 0);
}

#[test]
fn the_local_fallback_is_for_good_signatures_and_for_reading() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let options = "fallback: local, breaker: { open: 1s, successes: 1 }";
    let sidegate = Sidegate::run(&asking(&recorder, &endpoint, options, true));
    let proxy = sidegate.proxy;
    let jwt = token(ALICE);
    endpoint.activate(&jwt, json!({}));
    endpoint.be_away(true);
    for method in ["GET", "HEAD", "GET"] {
        let reply = with(proxy, method, &jwt, &[]);
        assert_eq!(
            (reply.status, reply.header("x-sidegate-degraded")),
            (200, Some("introspection"))
        );
    }
    assert_eq!(recorder.received()[0].values("x-sidegate-subject"), [ALICE]);
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let empty = [("Content-Length", "0")];
    for (method, more, token) in [
        ("POST", &empty[..], &*jwt),
        ("GET", &upgrade[..], &jwt),
        ("GET", &[], "opaque"),
    ] {
        let reply = with(proxy, method, token, more);
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("1")),
            "{method} {token}"
        );
    }
    for token in [expired_token(ALICE), format!("{jwt}x")] {
        assert_eq!(get(proxy, &token).status, 401);
    }
    assert_eq!(recorder.received().len(), 0);
    assert_eq!(of_issuer(&sidegate, "fallbacks_total"), 3);
    sidegate.logged("\"degraded\":\"introspection\"");
    let notes = sidegate.admin("/readyz")["notes"].to_string();
    assert!(notes.contains("count by their keys, for reads"), "{notes}");
    // It was not kept: as soon as the issuer answers, what it says counts.
    endpoint.revoke(&jwt);
    endpoint.be_away(false);
    eventually("the issuer is asked", || {
        (get(proxy, &jwt).status == 401).then_some(())
    });
}

#[test]
fn questions_are_bounded_and_too_many_are_no_failure() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let options = "fallback: deny, max_in_flight: 1, breaker: { failures: 1 }";
    let sidegate = Sidegate::run(&asking(&recorder, &endpoint, options, false));
    let proxy = sidegate.proxy;
    endpoint.activate("known", json!({}));
    assert_eq!(get(proxy, "known").status, 200);
    endpoint.activate("slow", json!({}));
    endpoint.hold(true);
    std::thread::scope(|scope| {
        let slow = scope.spawn(move || get(proxy, "slow").status);
        eventually("it is asked", || {
            (of_issuer(&sidegate, "in_flight") == 1).then_some(())
        });
        assert_eq!(get(proxy, "another").status, 503);
        assert_eq!(get(proxy, "known").status, 200);
        endpoint.hold(false);
        assert_eq!(slow.join().unwrap(), 200);
    });
    assert_eq!((counted(&sidegate, "busy"), breaker(&sidegate)), (1, 0));
    assert_eq!(of_issuer(&sidegate, "in_flight"), 0);
}

#[test]
fn what_is_no_answer_lets_nobody_in() {
    let (recorder, endpoint) = (Recorder::start(), Endpoint::start());
    let elsewhere = Endpoint::start();
    let options = "fallback: deny, breaker: { failures: 1000 }";
    let sidegate = Sidegate::run(&asking(&recorder, &endpoint, options, false));
    let proxy = sidegate.proxy;
    let good = json!({ "active": true, "sub": ALICE, "aud": "api" }).to_string();
    let long = good.replace('}', &format!(",\"x\":\"{}\"}}", "x".repeat(70_000)));
    let redirect = format!("307 Moved\r\nLocation: http://{}/", elsewhere.address);
    let answers = [
        ("200 OK", ""),
        ("200 OK", "{}"),
        ("200 OK", "[]"),
        ("200 OK", r#"{"active":"true"}"#),
        ("200 OK", r#"{"active":1}"#),
        ("200 OK", &good.replacen('{', "{\"active\":true,", 1)),
        ("200 OK", &format!("{good}{good}")),
        ("200 OK", &long),
        ("201 Created", &good),
        (&redirect, &good),
        ("401 Unauthorized", &good),
        ("403 Forbidden", &good),
        ("404 Not Found", &good),
        ("429 Too Many", &good),
        ("500 Oops", &good),
    ];
    for (number, (status, body)) in answers.into_iter().enumerate() {
        let token = format!("opaque-{number}");
        endpoint.say(&token, status, body);
        assert_eq!(get(proxy, &token).status, 503, "{status} {body:.40}");
    }
    let failed = u64::try_from(answers.len()).unwrap();
    assert_eq!(counted(&sidegate, "failed"), failed);
    assert!(sidegate.logged("client_secret").contains("it refuses"));
    // A question that it does not understand is about one client's token, and says nothing about it.
    endpoint.say("odd", "400 Bad Request", "");
    assert_eq!(get(proxy, "odd").status, 503);
    assert!(sidegate.logged("some token").contains("400"));
    assert_eq!(
        (counted(&sidegate, "failed"), counted(&sidegate, "unclear")),
        (failed, 1)
    );
    assert_eq!((elsewhere.asked(), recorder.received().len()), (0, 0));
}
