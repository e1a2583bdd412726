//! Figures as people read them: with a unit, and with as many digits as they can tell apart.
//!
//! Promises: the same figure looks the same in a verdict, in a comparison and on a page.
//!
//! Does not: read them back.

/// Microseconds, as milliseconds with three digits.
pub(crate) fn time(us: f64) -> String {
    format!("{} ms", digits(us / 1000.0))
}

/// A share from 0 to 1, as percent. A share that is not all or nothing does not become all or nothing.
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    let missing = 100.0 - percent;
    if percent > 0.0 && percent < 0.001 {
        "< 0.001 %".to_owned()
    } else if missing > 0.0 && missing < 0.001 {
        "> 99.999 %".to_owned()
    } else if percent <= 0.0 || missing <= 0.0 {
        format!("{percent:.0} %")
    } else if percent < 1.0 || missing < 1.0 {
        format!("{} %", shortened(format!("{percent:.3}")))
    } else {
        format!("{} %", shortened(format!("{percent:.1}")))
    }
}

/// So many in a second.
pub(crate) fn rate(rate: f64) -> String {
    format!("{}/s", shortened(grouped(&format!("{rate:.1}"))))
}

/// A whole number, with a comma after each three digits.
pub(crate) fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// How many times as large: two digits after the point.
pub(crate) fn ratio(ratio: f64) -> String {
    format!("× {ratio:.2}")
}

/// Three digits that say something, at most three after the point.
fn digits(number: f64) -> String {
    let text = match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    };
    grouped(&text)
}

fn grouped(text: &str) -> String {
    let (whole, rest) = match text.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (text, String::new()),
    };
    let length = whole.len();
    let mut out = String::with_capacity(text.len() + length / 3);
    for (place, digit) in whole.chars().enumerate() {
        let left = length.saturating_sub(place);
        if place > 0 && left.is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + &rest
}

/// Without zeros at the end that say nothing.
fn shortened(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_what_can_be_told_apart() {
        assert_eq!(time(830.0), "0.830 ms");
        assert_eq!(time(74_960.0), "75.0 ms");
        assert_eq!(time(1_240_000.0), "1,240 ms");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(rate(499.96), "500/s");
    }

    #[test]
    fn a_share_that_is_not_all_or_nothing_is_not_shown_as_such() {
        let shown = [0.0, 0.000_000_1, 0.001, 0.5, 0.999, 0.999_999_9, 1.0].map(share);
        let wanted = [
            "0 %",
            "< 0.001 %",
            "0.1 %",
            "50 %",
            "99.9 %",
            "> 99.999 %",
            "100 %",
        ];
        assert_eq!(shown, wanted);
    }
}
