//! The median of a few dozen values, and where it is.
//!
//! Promises: the bounds are values that were found, by their place in the order alone: no shape of their distribution
//! is assumed. Does not: know what they are values of.

/// The median, and between which of the sorted values it is in at least 95 % of all cases. Of fewer than six values there
/// is nothing like that, and the lowest and the highest are in its place: [`bounds`] is what to call them.
pub(crate) fn interval(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let number = values.len();
    let low = rank(number).unwrap_or(1);
    let at = |rank: usize| values.get(rank.saturating_sub(1)).copied();
    let value = |rank| at(rank).unwrap_or_default();
    (
        value(low),
        value(number / 2 + 1),
        value((number + 1).saturating_sub(low)),
    )
}

/// What is between the bounds of so many values.
pub(crate) fn bounds(number: usize) -> String {
    if rank(number).is_some() {
        format!("95 % of medians of {number}")
    } else {
        format!("range of {number}")
    }
}

/// The rank of the lower bound, counted from 1; the upper one's is the same from the other end. It is the largest one
/// such that the median is below it in at most 2.5 % of all cases: exactly, or approximated for very many values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "of at most thousands of values"
)]
fn rank(number: usize) -> Option<usize> {
    let values = number as f64;
    if number > EXACT {
        return Some(((values - 1.96 * values.sqrt()) / 2.0).floor() as usize);
    }
    // How likely it is that exactly so many values are below the median, and that at most so many are.
    let (mut exactly, mut at_most) = (0.5_f64.powf(values), 0.0);
    let mut rank = 0;
    while rank < number {
        at_most += exactly;
        if at_most > 0.025 {
            break;
        }
        exactly *= (values - rank as f64) / (rank as f64 + 1.0);
        rank += 1;
    }
    (rank > 0).then_some(rank)
}

const EXACT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_values_around_the_median_and_few_values_bound_nothing() {
        let of = |number: u32| interval((1..=number).rev().map(f64::from).collect());
        assert_eq!(of(31), (10.0, 16.0, 22.0));
        assert_eq!(of(15), (4.0, 8.0, 12.0));
        assert_eq!(of(9), (2.0, 5.0, 8.0));
        assert_eq!(of(6), (1.0, 4.0, 6.0));
        assert_eq!(of(3), (1.0, 2.0, 3.0));
        assert_eq!(of(1), (1.0, 1.0, 1.0));
        assert_eq!(interval(Vec::new()), (0.0, 0.0, 0.0));
        assert_eq!(bounds(6), "95 % of medians of 6");
        assert_eq!(bounds(5), "range of 5");
        // The approximation goes on where the exact ranks end.
        assert_eq!([200, 201].map(rank), [Some(86), Some(86)]);
        // One value far away moves neither of them.
        let mut values = vec![1.0; 30];
        values.push(1e9);
        assert_eq!(interval(values), (1.0, 1.0, 1.0));
    }
}
