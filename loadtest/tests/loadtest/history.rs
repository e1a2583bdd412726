//! The history checker over a stand-in for Sidegate: it passes what is right, and catches a lie.
//!
//! Promises: a real database server, which is killed. Does not: run Sidegate; `scripts/check-history` does.

use std::time::Duration;

use sidegate_loadtest::history::{Check, Fault, Outcome, Scale, Subject, check};

#[expect(clippy::expect_used, reason = "fails the test that calls it")]
async fn outcome(keep: Duration, fault: Fault) -> Outcome {
    let plan = Check {
        subject: Subject::Stub(keep),
        faults: vec![fault],
        guards: Vec::new(),
        scale: Scale::Short,
        enough: false,
    };
    check(plan, |_| {}).await.expect("a check")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_always_asks_the_database_passes_though_commits_are_lost() {
    let outcome = outcome(Duration::ZERO, Fault::KillAll).await;
    assert!(outcome.is_met(), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_an_allow_for_longer_than_the_bound_is_caught() {
    let outcome = outcome(Duration::from_millis(1_500), Fault::Rollbacks).await;
    assert!(outcome.violations() > 0, "{outcome}");
    assert!(!outcome.is_met());
}
