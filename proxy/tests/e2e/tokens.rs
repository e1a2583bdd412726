//! Tokens that are known: they cost no signature, and give nothing that their subject has not.

use crate::caching::metric;
use crate::process::{ALICE, DIRECTORY, MINE, Sidegate, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{ask, request};

#[test]
fn a_known_token_costs_no_signature_and_its_subject_is_looked_at_every_time() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let bearer = format!("Bearer {}", token(ALICE));
    let mine = format!("/g/{MINE}");
    let status = || {
        ask(
            sidegate.proxy,
            request("GET", &mine, &[("Authorization", &bearer)]),
        )
        .status
    };
    for _ in 0..20 {
        assert_eq!(status(), 200);
    }
    let from = |from: &str| {
        metric(
            &sidegate,
            &format!("sidegate_tokens_total{{from=\"{from}\"}}"),
        )
    };
    assert_eq!((from("memory"), from("signature")), (Some(19), Some(1)));
    assert!(metric(&sidegate, "sidegate_token_bytes") > Some(0));

    let inactive = DIRECTORY.replace("active: true", "active: false");
    std::fs::write(sidegate.directory(), inactive).unwrap();
    eventually("the subject is refused", || (status() == 403).then_some(()));
    assert_eq!(from("signature"), Some(1));
}
