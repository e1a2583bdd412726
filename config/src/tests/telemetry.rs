//! What is told about requests: its defaults, and what is refused.

use super::{BASE, parsed, refused};
use crate::{AccessLogTarget, Fraction};

fn telling(telemetry: &str) -> String {
    format!("{BASE}telemetry: {{ {telemetry} }}\n")
}

#[test]
fn everything_is_told_and_one_allow_in_a_hundred_written() {
    let plain = parsed(BASE).unwrap().telemetry;
    assert!(plain.request_metrics);
    assert_eq!(plain.decisions, 4096);
    let log = plain.access_log;
    assert_eq!(log.to, Some(AccessLogTarget::Stderr));
    assert_eq!(Some(log.allows), Fraction::new(0.01));

    let other = "request_metrics: false, decisions: 0, access_log: { to: none, allows: '1' }";
    let other = parsed(&telling(other)).unwrap().telemetry;
    assert!(!other.request_metrics);
    assert_eq!((other.decisions, other.access_log.to), (0, None));
    assert_eq!(other.access_log.allows, Fraction::ALL);
}

#[test]
fn a_part_is_of_a_whole() {
    for part in ["1.01", "-0.1", ".nan", ".inf", "1%"] {
        let text = telling(&format!("access_log: {{ allows: {part} }}"));
        refused(&text, "telemetry.access_log.allows", "expected a number");
    }
    let half = Fraction::new(0.5).unwrap();
    assert!(half.takes(u64::MAX / 4) && !half.takes(u64::MAX / 4 * 3));
    assert!(Fraction::ALL.takes(u64::MAX) && !Fraction::NONE.takes(0));
}
