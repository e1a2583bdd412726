//! Comparisons both ways.

use super::*;
use crate::report::Report;

#[test]
fn worse_is_what_grew_by_more_than_allowed_or_is_gone() {
    let allowance: Allowance = "10%".parse().unwrap();
    for (before, after, is_worse) in [
        (Some(100.0), Some(110.0), false),
        (Some(100.0), Some(111.0), true),
        (Some(100.0), Some(1.0), false),
        (Some(0.0), Some(0.0), false),
        (Some(0.0), Some(0.001), true),
        (Some(100.0), None, true),
        (None, Some(100.0), false),
    ] {
        let figure = Figure::P95;
        let change = Change {
            figure,
            before,
            after,
        };
        assert_eq!(change.is_worse(allowance), is_worse, "{change:?}");
    }
    for text in ["10", "-1%", "%", "ten"] {
        assert!(text.parse::<Allowance>().is_err(), "{text}");
    }
}

fn document(unexpected: u64, let_in: u64, is_met: bool) -> Document {
    let report = Report {
        unexpected,
        let_in,
        ..Report::default()
    };
    let run = Measured {
        name: "steady".to_owned(),
        about: String::new(),
        report,
        flow: Vec::new(),
        tiers: None,
        limits: vec![Verdict {
            limit: "p95 < 75ms".to_owned(),
            found: "80 ms".to_owned(),
            is_met,
        }],
        events: Vec::new(),
    };
    Document {
        runs: vec![run],
        ..Document::default()
    }
}

#[test]
fn worse_is_also_who_is_let_in_an_unexpected_answer_and_a_limit_that_is_not_met_any_more() {
    let allowance: Allowance = "50%".parse().unwrap();
    for (before, after, worse) in [
        ((10, 10, true), (15, 10, true), None),
        ((10, 10, true), (16, 10, true), Some("unexpected")),
        ((10, 10, true), (10, 11, true), Some("let_in")),
        ((0, 0, true), (0, 0, false), Some("p95 < 75ms was met")),
        ((0, 0, false), (0, 0, false), None),
        ((0, 5, false), (0, 0, true), None),
    ] {
        let of = |(unexpected, let_in, is_met)| document(unexpected, let_in, is_met);
        let (before, after) = (of(before), of(after));
        let found = Comparison::new(&before, &after, allowance).unwrap().worse;
        let is_as_wanted = match worse {
            Some(worse) => found.iter().any(|it| it.contains(worse)),
            None => found.is_empty(),
        };
        assert!(is_as_wanted, "{worse:?}: {found:?}");
    }
}
