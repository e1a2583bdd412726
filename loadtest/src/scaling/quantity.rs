//! Numbers of tables: computed from counts, written for people.
//!
//! Promises: nothing is divided by zero, and what cannot be negative is not.
//!
//! Does not: round before the end.

/// A count as a number to reckon with.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts here are far below 2^52, and are for people"
)]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}

/// The same, back: to the nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and a float's cast saturates"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.max(0.0).round() as u64
}

/// So much for each of them.
pub(super) fn per(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount.max(0.0) / of } else { 0.0 }
}

/// As percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Microseconds.
pub(super) fn micros(micros: f64) -> String {
    if micros < 10.0 {
        format!("{micros:.2} µs")
    } else {
        format!("{micros:.0} µs")
    }
}

/// Bytes, in units of 2^20.
pub(super) fn mebibytes(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / MEBIBYTE)
}

/// The one in the middle, with the lowest and the highest.
pub(super) fn spread(mut found: Vec<f64>) -> (f64, f64, f64) {
    found.sort_by(f64::total_cmp);
    let at = |place: usize| found.get(place).copied().unwrap_or_default();
    (
        at(0),
        at(found.len() / 2),
        at(found.len().saturating_sub(1)),
    )
}

const MEBIBYTE: f64 = 1_048_576.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_divides_by_zero_and_the_middle_is_found() {
        assert!(per(5.0, 0.0).abs() < 1e-9 && per(-5.0, 1.0).abs() < 1e-9);
        assert!((per(6.0, 4.0) - 1.5).abs() < 1e-9);
        let (low, middle, high) = spread(vec![3.0, 1.0, 2.0]);
        assert_eq!((whole(low), whole(middle), whole(high)), (1, 2, 3));
        assert_eq!(spread(Vec::new()), (0.0, 0.0, 0.0));
    }
}
