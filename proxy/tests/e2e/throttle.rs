//! How often a client may be wrong, and who is a client.

use crate::process::{ALICE, Sidegate, expired_token, token, token_until};
use crate::recorder::Recorder;
use crate::wire::{ask, request};

#[test]
fn a_client_that_fails_too_often_is_not_looked_at() {
    let limits = "\nlimits: { max_failed_authentications: 5, failed_authentication_window: 1h }\ntrusted_proxies: [127.0.0.1]";
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, limits);
    let as_client = |client: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("X-Forwarded-For", client), ("Authorization", &bearer)];
        ask(sidegate.proxy, request("GET", "/me", &headers))
    };
    let good = token(ALICE);
    let old = expired_token(ALICE);
    let bad = format!("{good}x");
    assert_eq!(as_client("192.0.2.1", &good).status, 200);
    // A page that was left open attacks nobody.
    for _ in 0..6 {
        assert_eq!(as_client("192.0.2.1", &old).status, 401);
    }
    for _ in 0..5 {
        assert_eq!(as_client("192.0.2.1", &bad).status, 401);
    }
    let stopped = as_client("192.0.2.1", &token_until(ALICE, 500));
    assert_eq!(
        (stopped.status, stopped.header("retry-after")),
        (429, Some("10"))
    );
    assert_eq!(as_client("192.0.2.2", &good).status, 200);
    // Whoever was let in before goes on, and shares nothing with the one who guesses but an address.
    assert_eq!(as_client("192.0.2.1", &good).status, 200);
    // Without a credential there is nothing to look at.
    let anonymous = [("X-Forwarded-For", "192.0.2.1")];
    assert_eq!(
        ask(sidegate.proxy, request("GET", "/me", &anonymous)).status,
        401
    );
    assert_eq!(
        ask(sidegate.proxy, request("GET", "/a", &anonymous)).status,
        200
    );
    let line = sidegate.logged("throttled");
    assert!(line.contains("192.0.2.1"), "{line}");
    assert_eq!(recorder.received().len(), 4);
}
