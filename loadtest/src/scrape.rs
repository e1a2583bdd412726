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

/// Observations by the upper bound of their bucket, those of the buckets below included.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Buckets(Vec<(f64, f64)>);

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

    /// Of a histogram: all series that have these labels, added up.
    pub(crate) fn buckets(&self, name: &str, labels: &[&str]) -> Buckets {
        let name = format!("{name}_bucket");
        let found = self.0.iter().filter(|it| it.name == name && it.has(labels));
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (bound, count) in found.filter_map(|it| Some((it.bound()?, it.value))) {
            match buckets
                .iter_mut()
                .find(|(known, _)| known.total_cmp(&bound).is_eq())
            {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Buckets(buckets)
    }
}

impl Buckets {
    /// What has come since an earlier moment.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = earlier.0.iter().map(|(_, count)| count);
        let pairs = self.0.iter().zip(before);
        Self(
            pairs
                .map(|((bound, now), then)| (*bound, now - then))
                .collect(),
        )
    }

    /// All of them.
    pub(crate) fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// The bound, in seconds, that this share of them is not above; `None` without any, infinite beyond the last.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        self.holding(share).map(|(_, (bound, _))| bound)
    }

    /// The same, placed within its bucket as if what is in it were spread evenly; beyond the last bound it is the
    /// last one.
    pub(crate) fn interpolated(&self, share: f64) -> Option<f64> {
        let ((lower, under), (upper, within)) = self.holding(share)?;
        if upper.is_infinite() || within <= under {
            return Some(lower);
        }
        Some(lower + (upper - lower) * (self.count() * share - under) / (within - under))
    }

    /// The bucket that this share of them ends in, after the one before it: their bounds and counts.
    fn holding(&self, share: f64) -> Option<((f64, f64), (f64, f64))> {
        let (all, least) = (self.count(), self.count() * share);
        let mut before = (0.0, 0.0);
        for bucket in self.0.iter().copied() {
            if all > 0.0 && bucket.1 >= least {
                return Some((before, bucket));
            }
            before = bucket;
        }
        None
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
        let of = |text| Scrape::parse(text).unwrap().buckets("a", &["o=\"x\""]);
        let between = of(AFTER).since(&of(BEFORE));
        assert_eq!(between.count().total_cmp(&10.0), std::cmp::Ordering::Equal);
        assert_eq!(between.quantile(0.9), Some(0.1));
        assert_eq!(between.quantile(0.95), Some(0.2));
        assert_eq!(between.interpolated(0.45), Some(0.05));
        assert_eq!(of(AFTER).since(&of(AFTER)).quantile(0.5), None);
    }
}
