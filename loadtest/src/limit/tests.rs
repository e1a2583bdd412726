//! What is a limit and what is not; which runs are within one.

use super::*;
use crate::report::{Errors, Percentiles};

fn report() -> Report {
    Report {
        arrivals: 1000,
        sent: 999,
        unsent: 1,
        completed: 998,
        errors: Errors {
            timeout: 1,
            ..Errors::default()
        },
        achieved_rate: 499.5,
        latency: Some(Percentiles {
            p50: 700,
            p90: 900,
            p95: 1_000,
            p99: 20_000,
            p999: 74_999,
            max: 75_000,
            mean: 812.5,
        }),
        ..Report::default()
    }
}

#[test]
fn what_cannot_be_judged_is_no_limit_and_is_told_what_was_expected() {
    for (text, said) in [
        ("", "expected a figure, one of"),
        ("p95 75ms", "expected a figure, one of"),
        ("p96 < 75ms", "no figure \"p96\"; there are p50 p90 p95"),
        ("< 75ms", "no figure \"\""),
        (
            "p95 < 75",
            "expected a time, such as 75ms, instead of \"75\"",
        ),
        ("p95 < -1ms", "expected a time"),
        ("p95 < infms", "expected a time"),
        ("p95 == 75ms", "expected a time"),
        ("errors < 0.001", "expected a share, such as 0.1%,"),
        ("rate > 490", "expected a rate, such as 490/s,"),
        ("let_in = 0.5", "expected a whole number"),
    ] {
        let refused = text.parse::<Limit>().unwrap_err().to_string();
        assert!(refused.contains(said), "{text}: {refused}");
    }
}

#[test]
fn a_run_is_on_one_side_of_a_limit() {
    let tiers = Tiers {
        l1: 960,
        l2: 30,
        view: 6,
        store: 4,
        stale: 0,
    };
    for (text, found, is_met) in [
        ("p95<1.5ms", "1.00 ms", true),
        ("p95 < 1000us", "1.00 ms", false),
        ("p95 <= 0.001s", "1.00 ms", true),
        ("max > 1s", "75.0 ms", false),
        ("errors < 0.1%", "0.2 %", false),
        ("errors < 0.3%", "0.2 %", true),
        ("l1_hits > 95%", "96 %", true),
        ("l2_hits >= 75%", "75 %", true),
        ("l2_hits > 75%", "75 %", false),
        ("rate > 490/s", "499.5/s", true),
        ("let_in = 0", "0", true),
        ("unsent = 0", "1", false),
    ] {
        let limit: Limit = text.parse().unwrap();
        let verdict = limit.judge(&report(), Some(&tiers));
        assert_eq!(
            (verdict.found.as_str(), verdict.is_met),
            (found, is_met),
            "{text}"
        );
    }
    let limit: Limit = "p95<1.5ms".parse().unwrap();
    assert_eq!(limit.to_string(), "p95 < 1.5ms");
}

#[test]
fn what_was_not_measured_meets_no_limit() {
    for text in [
        "p95 < 60s",
        "mean >= 0us",
        "l1_hits >= 0%",
        "l2_hits <= 100%",
    ] {
        let limit: Limit = text.parse().unwrap();
        let verdict = limit.judge(&Report::default(), None);
        assert!(!verdict.is_met, "{text}: {verdict:?}");
    }
    let l1: Limit = "l1_hits > 95%".parse().unwrap();
    assert!(!l1.judge(&report(), Some(&Tiers::default())).is_met);
}

#[test]
fn what_has_no_answer_is_slower_than_what_has() {
    let p95: Limit = "p95 < 1.5ms".parse().unwrap();
    let mut report = report();
    assert!(p95.judge(&report, None).is_met);
    report.errors.timeout = report.arrivals / 10;
    assert!(!p95.judge(&report, None).is_met);
}
