//! Metrics of one moment, and what a histogram has gained between two.
//!
//! Promises: a quantile is the upper bound of the bucket that it is in; nothing is guessed within a bucket.

use super::BenchError;
use crate::process::Sidegate;

/// All metrics of an instance.
#[derive(Debug)]
pub(super) struct Scrape(String);

/// Observations by the upper bound of their bucket, those of the buckets below included.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Buckets(Vec<(f64, f64)>);

impl Scrape {
    pub(super) async fn of(sidegate: &Sidegate) -> Result<Self, BenchError> {
        Ok(Self(sidegate.metrics().await?))
    }

    /// The values of all metrics of this name that have these labels (`tier="l1"`), added up.
    pub(super) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let named = self.values(name).filter(|(line, _)| {
            let is_it = line.split(['{', ' ']).next() == Some(name);
            is_it && labels.iter().all(|label| line.contains(label))
        });
        named.map(|(_, value)| value).sum()
    }

    /// Of a histogram without labels.
    pub(super) fn buckets(&self, name: &str) -> Buckets {
        let beginning = format!("{name}_bucket{{le=\"");
        let buckets = self.values(&beginning).filter_map(|(line, value)| {
            let bound = line.strip_prefix(&beginning)?.split('"').next()?;
            // `+Inf` is a number, too.
            Some((bound.parse().ok()?, value))
        });
        Buckets(buckets.collect())
    }

    fn values<'s>(&'s self, beginning: &'s str) -> impl Iterator<Item = (&'s str, f64)> {
        let lines = self
            .0
            .lines()
            .filter(move |line| line.starts_with(beginning));
        lines.filter_map(|line| Some((line, line.rsplit_once(' ')?.1.parse().ok()?)))
    }
}

impl Buckets {
    /// What has come since an earlier moment.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let before = earlier.0.iter().map(|(_, count)| count);
        let pairs = self.0.iter().zip(before);
        Self(
            pairs
                .map(|((bound, now), then)| (*bound, now - then))
                .collect(),
        )
    }

    /// All of them.
    pub(super) fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// The bound that this share of them is not above; `None` without any.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let (all, least) = (self.count(), self.count() * share);
        let mut reaching = self.0.iter().filter(|(_, count)| *count >= least);
        (all > 0.0).then(|| reaching.next().map(|(bound, _)| *bound))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_the_name_with_the_labels_are_added_up_and_no_others() {
        let text = "a{x=\"1\",y=\"2\"} 1\na{x=\"1\",y=\"3\"} 2\na_total{x=\"1\"} 4\nb 8.5\n";
        let scrape = Scrape(text.to_owned());
        let sums = [
            scrape.sum("a", &["x=\"1\""]),
            scrape.sum("a", &["x=\"1\"", "y=\"3\""]),
            scrape.sum("b", &[]),
            scrape.sum("c", &[]),
        ];
        assert_eq!(format!("{sums:?}"), "[3.0, 2.0, 8.5, 0.0]");
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket_and_of_nothing_there_is_none() {
        let text = "t_bucket{le=\"0.001\"} 10\nt_bucket{le=\"0.005\"} 108\nt_bucket{le=\"+Inf\"} 110\nt_count 110\n";
        let later = Scrape(text.to_owned()).buckets("t");
        let before =
            "t_bucket{le=\"0.001\"} 10\nt_bucket{le=\"0.005\"} 10\nt_bucket{le=\"+Inf\"} 10\n";
        let earlier = Scrape(before.to_owned()).buckets("t");
        let gained = later.since(&earlier);
        assert_eq!(gained.count().total_cmp(&100.0), std::cmp::Ordering::Equal);
        assert_eq!(gained.quantile(0.98), Some(0.005));
        assert_eq!(gained.quantile(0.99), Some(f64::INFINITY));
        assert_eq!(earlier.since(&earlier).quantile(0.99), None);
    }
}
