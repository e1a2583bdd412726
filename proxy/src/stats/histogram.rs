//! What a histogram's buckets say about the values that fell into them.
//!
//! Promise: a quantile is placed within its bucket as if the bucket's values were spread evenly, as
//! Prometheus's `histogram_quantile` does; where nothing better is known than a bound, a bound is what is
//! said. Does not: know any single value.

use std::collections::BTreeMap;

use super::exposition::Exposition;

/// Bounds and how many values were at most that, both rising; the last bound is infinite.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram(Vec<(f64, f64)>);

/// A duration, in seconds, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Estimate {
    /// This, or near it.
    About(f64),
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
}

impl Histogram {
    /// Of a metric's series that have these labels, taken together. `None`: there is none, or it is no
    /// histogram.
    pub(super) fn of(exposition: &Exposition, name: &str, having: &[(&str, &str)]) -> Option<Self> {
        let name = format!("{name}_bucket");
        let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
        for (labels, count) in exposition.series(&name) {
            let has = |(label, value): &(&str, &str)| {
                labels.get(*label).is_some_and(|known| known == value)
            };
            if having.iter().all(has) {
                *counts.entry(labels.get("le")?.as_str()).or_default() += count;
            }
        }
        let bounds = counts.into_iter().map(|(bound, count)| {
            let bound: f64 = bound.parse().ok()?;
            (!bound.is_nan()).then_some((bound, count))
        });
        let mut buckets = bounds.collect::<Option<Vec<_>>>()?;
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut most = 0.0_f64;
        for (_, count) in &mut buckets {
            // The counts were not read at one instant.
            most = most.max(*count);
            *count = most;
        }
        let ends = buckets
            .last()
            .is_some_and(|(bound, _)| *bound == f64::INFINITY);
        ends.then_some(Self(buckets))
    }

    /// How many values there are.
    pub(super) fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// The value below which this share (0..=1) of all is. `None`: there are no values.
    pub(super) fn quantile(&self, share: f64) -> Option<Estimate> {
        let rank = share * self.count();
        let (mut below, mut before) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if *count > before && *count >= rank {
                return Some(if bound.is_infinite() {
                    Estimate::AtLeast(below)
                } else {
                    Estimate::About(below + (bound - below) * (rank - before) / (count - before))
                });
            }
            (below, before) = (*bound, *count);
        }
        None
    }

    /// What the largest value is not above, or is above. `None`: there are no values.
    pub(super) fn largest(&self) -> Option<Estimate> {
        let (mut below, mut before) = (0.0, 0.0);
        let mut largest = None;
        for (bound, count) in &self.0 {
            if *count > before {
                largest = Some(if bound.is_infinite() {
                    Estimate::AtLeast(below)
                } else {
                    Estimate::AtMost(*bound)
                });
            }
            (below, before) = (*bound, *count);
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(text: &str, having: &[(&str, &str)]) -> Option<Histogram> {
        Histogram::of(&text.parse().unwrap(), "h", having)
    }

    #[test]
    fn quantiles_are_placed_within_their_bucket() {
        let text = "h_bucket{le=\"0.1\"} 10\nh_bucket{le=\"0.2\"} 90\nh_bucket{le=\"+Inf\"} 100\n";
        let found = histogram(text, &[]).unwrap();
        assert_eq!(found.count(), 100.0);
        let Some(Estimate::About(half)) = found.quantile(0.5) else {
            panic!("{found:?}");
        };
        assert!((half - 0.15).abs() < 1e-9, "{half}");
        assert_eq!(found.quantile(0.05), Some(Estimate::About(0.05)));
        assert_eq!(found.quantile(0.99), Some(Estimate::AtLeast(0.2)));
        assert_eq!(found.largest(), Some(Estimate::AtLeast(0.2)));

        let text = "h_bucket{le=\"0.1\"} 0\nh_bucket{le=\"0.2\"} 4\nh_bucket{le=\"0.4\"} 4\nh_bucket{le=\"+Inf\"} 4\n";
        let found = histogram(text, &[]).unwrap();
        assert_eq!(found.quantile(0.0), Some(Estimate::About(0.1)));
        assert_eq!(found.quantile(1.0), Some(Estimate::About(0.2)));
        assert_eq!(found.largest(), Some(Estimate::AtMost(0.2)));
    }

    #[test]
    fn series_are_taken_together_and_none_are_none() {
        let text = "h_bucket{x=\"1\",le=\"10\"} 1\nh_bucket{x=\"1\",le=\"9\"} 1\nh_bucket{x=\"1\",le=\"+Inf\"} 1\n\
            h_bucket{x=\"2\",le=\"9\"} 2\nh_bucket{x=\"2\",le=\"10\"} 1\nh_bucket{x=\"2\",le=\"+Inf\"} 2\n";
        let both = histogram(text, &[]).unwrap();
        assert_eq!(both.0, [(9.0, 3.0), (10.0, 3.0), (f64::INFINITY, 3.0)]);
        assert_eq!(histogram(text, &[("x", "2")]).unwrap().count(), 2.0);
        assert_eq!(histogram(text, &[("x", "3")]), None);

        let nothing = histogram("h_bucket{le=\"1\"} 0\nh_bucket{le=\"+Inf\"} 0\n", &[]).unwrap();
        assert_eq!((nothing.quantile(0.5), nothing.largest()), (None, None));
        for text in [
            "h_bucket{le=\"1\"} 2\n",
            "h_bucket{le=\"one\"} 2\n",
            "h_bucket 2\n",
        ] {
            assert_eq!(histogram(text, &[]), None, "{text}");
        }
    }
}
