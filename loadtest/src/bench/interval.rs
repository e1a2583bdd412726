//! The median of a few dozen values, and where it is.
//!
//! Promises: the bounds are values that were found, by their place in the order alone: no shape of their distribution
//! is assumed. Does not: know what they are values of.

/// The median, and between which of the sorted values it is in 95 % of all cases: by the binomial
/// distribution, approximated as usual.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "of a few dozen values"
)]
pub(crate) fn interval(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let number = values.len() as f64;
    let away = 1.96 * number.sqrt() / 2.0;
    let low = (number / 2.0 - away).floor().max(0.0) as usize;
    let high = (number / 2.0 + away).ceil() as usize;
    let at = |index: usize| {
        values
            .get(index.min(values.len().saturating_sub(1)))
            .copied()
    };
    let value = |index| at(index).unwrap_or_default();
    (value(low), value(values.len() / 2), value(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_values_around_the_median_and_few_values_bound_nothing() {
        let of = |number: u32| interval((1..=number).rev().map(f64::from).collect());
        assert_eq!(of(31), (11.0, 16.0, 22.0));
        assert_eq!(of(15), (4.0, 8.0, 13.0));
        assert_eq!(of(3), (1.0, 2.0, 3.0));
        assert_eq!(of(1), (1.0, 1.0, 1.0));
        // One value far away moves neither of them.
        let mut values = vec![1.0; 30];
        values.push(1e9);
        assert_eq!(interval(values), (1.0, 1.0, 1.0));
    }
}
