//! What `/metrics` of an instance says, read once.
//!
//! Promises: a series is found by its name and any of its labels, whatever their order; the difference of
//! two readings is what happened between them.
//!
//! Does not: know which metrics there are.

use std::io;

/// One reading: each line's name, labels and value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape(Vec<Series>);

#[derive(Debug, Clone)]
struct Series {
    name: String,
    /// As they are written, between the braces.
    labels: String,
    value: f64,
}

impl Scrape {
    /// Reads the text format of Prometheus; comments are passed over.
    ///
    /// # Errors
    ///
    /// When a line is not a series: then nothing can be said about the others either.
    pub(crate) fn parse(text: &str) -> io::Result<Self> {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series: Option<Vec<Series>> = lines.map(Series::parse).collect();
        let wrong = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "expected the text format of Prometheus",
            )
        };
        series.map(Self).ok_or_else(wrong)
    }

    /// All series of this name that have all these labels, written like `tier="l1"`, added up.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let found = self
            .0
            .iter()
            .filter(|series| series.name == name && series.has(labels));
        found.map(|series| series.value).sum()
    }

    /// The upper bound, in seconds, of the histogram's bucket that so large a share of its observations between
    /// `before` and this reading is in; `None` without any, infinite beyond the last bound.
    pub(crate) fn quantile(
        &self,
        before: &Self,
        name: &str,
        labels: &[&str],
        share: f64,
    ) -> Option<f64> {
        let bucket = format!("{name}_bucket");
        let mut bounds: Vec<f64> = self.bounds(&bucket, labels).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let up_to = |scrape: &Self, bound: f64| {
            let found = scrape
                .0
                .iter()
                .filter(|it| it.name == bucket && it.has(labels) && it.bound() == Some(bound));
            found.map(|series| series.value).sum::<f64>()
        };
        let since = |bound| up_to(self, bound) - up_to(before, bound);
        let all = since(f64::INFINITY);
        let wanted = all * share;
        let first = bounds.into_iter().find(|bound| since(*bound) >= wanted);
        first.filter(|_| all > 0.0)
    }

    /// The same, placed within its bucket as if what is in it were spread evenly; beyond the last bound it is the
    /// last one.
    pub(crate) fn interpolated(
        &self,
        before: &Self,
        name: &str,
        labels: &[&str],
        share: f64,
    ) -> Option<f64> {
        let upper = self.quantile(before, name, labels, share)?;
        let bucket = format!("{name}_bucket");
        let mut below: Vec<f64> = self.bounds(&bucket, labels).collect();
        below.retain(|bound| *bound < upper);
        let lower = below.into_iter().fold(0.0, f64::max);
        if upper.is_infinite() {
            return Some(lower);
        }
        let up_to = |bound: f64| {
            let sum = |scrape: &Self| -> f64 {
                let own = scrape.0.iter().filter(|it| it.name == bucket);
                let own = own.filter(|it| it.has(labels) && it.bound() == Some(bound));
                own.map(|series| series.value).sum()
            };
            sum(self) - sum(before)
        };
        let (under, within) = (up_to(lower), up_to(upper));
        let part = (up_to(f64::INFINITY) * share - under) / (within - under);
        Some(lower + (upper - lower) * part)
    }

    fn bounds<'s>(&'s self, bucket: &'s str, labels: &'s [&str]) -> impl Iterator<Item = f64> + 's {
        let found = self
            .0
            .iter()
            .filter(move |series| series.name == bucket && series.has(labels));
        found.filter_map(Series::bound)
    }
}

impl Series {
    fn parse(line: &str) -> Option<Self> {
        let (head, value) = line.rsplit_once(' ')?;
        let value = value.parse().ok()?;
        let (name, labels) = match head.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
            None => (head, ""),
        };
        Some(Self {
            name: name.to_owned(),
            labels: labels.to_owned(),
            value,
        })
    }

    fn has(&self, labels: &[&str]) -> bool {
        // No value of ours holds a comma, so splitting is exact.
        labels
            .iter()
            .all(|label| self.labels.split(',').any(|own| own == *label))
    }

    /// The upper bound of a bucket.
    fn bound(&self) -> Option<f64> {
        let bound = self
            .labels
            .split(',')
            .find_map(|label| label.strip_prefix("le=\""))?;
        match bound.strip_suffix('"')? {
            "+Inf" => Some(f64::INFINITY),
            number => number.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "# HELP a b\na_bucket{le=\"0.1\",o=\"x\"} 1\na_bucket{le=\"+Inf\",o=\"x\"} 1\n";
    const AFTER: &str = "a_bucket{le=\"0.1\",o=\"x\"} 10\na_bucket{le=\"0.2\",o=\"x\"} 11\na_bucket{le=\"+Inf\",o=\"x\"} 11\n\
        b{t=\"l1\",c=\"q\"} 3\nb{t=\"l2\",c=\"q\"} 4\nc 5.5\n";

    #[test]
    fn series_are_found_by_their_labels() {
        let scrape = Scrape::parse(AFTER).unwrap();
        assert!((scrape.sum("b", &[]) - 7.0).abs() < 1e-9);
        assert!((scrape.sum("b", &["c=\"q\"", "t=\"l2\""]) - 4.0).abs() < 1e-9);
        assert!((scrape.sum("c", &[]) - 5.5).abs() < 1e-9);
        assert!(scrape.sum("b", &["t=\"l\""]).abs() < 1e-9);
        assert!(Scrape::parse("no value").is_err());
    }

    #[test]
    fn a_quantile_is_of_what_happened_in_between() {
        let (before, after) = (
            Scrape::parse(BEFORE).unwrap(),
            Scrape::parse(AFTER).unwrap(),
        );
        assert_eq!(after.quantile(&before, "a", &[], 0.9), Some(0.1));
        assert_eq!(after.quantile(&before, "a", &[], 0.95), Some(0.2));
        assert_eq!(after.quantile(&after, "a", &[], 0.5), None);
        let half = after.interpolated(&before, "a", &[], 0.45).unwrap();
        assert!((half - 0.05).abs() < 1e-9, "{half}");
    }
}
