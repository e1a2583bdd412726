//! One reading of all metrics.
//!
//! Promise: whatever is given for a metric comes out under its definition, in the order of names. What has no
//! value now is not there.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::core::Collector as _;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Histogram, HistogramOpts, TextEncoder};

use super::definition::{Definition, Kind};

/// What was read so far.
#[derive(Debug, Default)]
pub struct Scrape {
    families: BTreeMap<&'static str, MetricFamily>,
}

/// What a counter or a gauge can be set to.
pub trait Value {
    /// As the text format has it: durations in seconds, 1 for yes.
    fn into_float(self) -> f64;
}

impl Scrape {
    /// Adds one series. `labels` are in the order of the definition.
    pub fn add(&mut self, definition: &'static Definition, labels: &[&str], value: impl Value) {
        let value = value.into_float();
        let mut metric = Metric::from_label(pairs(definition, labels));
        match definition.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.family(definition).mut_metric().push(metric);
    }

    /// Adds one series of a histogram.
    pub fn observed(
        &mut self,
        definition: &'static Definition,
        labels: &[&str],
        histogram: &Histogram,
    ) {
        let collected = histogram.collect();
        let found = collected
            .into_iter()
            .flat_map(|mut family| family.take_metric());
        let metrics: Vec<_> = found
            .map(|mut metric| {
                metric.set_label(pairs(definition, labels));
                metric
            })
            .collect();
        self.family(definition).mut_metric().extend(metrics);
    }

    /// Adds one series of a histogram that was counted by hand: for each bound how many were at most that, and
    /// not at most the one before; the last bound may be infinite. And the sum of all.
    pub fn counted(
        &mut self,
        definition: &'static Definition,
        labels: &[&str],
        counts: &[(f64, u64)],
        sum: f64,
    ) {
        let mut histogram = prometheus::proto::Histogram::default();
        let mut so_far = 0_u64;
        let buckets = counts.iter().map(|(bound, count)| {
            so_far = so_far.saturating_add(*count);
            let mut bucket = prometheus::proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(so_far);
            bucket
        });
        // The text format adds the infinite one itself, and spells it in its own way.
        let mut buckets: Vec<_> = buckets.collect();
        buckets.retain(|bucket| bucket.upper_bound().is_finite());
        histogram.set_bucket(buckets);
        histogram.set_sample_count(so_far);
        histogram.set_sample_sum(sum);
        let mut metric = Metric::from_label(pairs(definition, labels));
        metric.set_histogram(histogram);
        self.family(definition).mut_metric().push(metric);
    }

    /// The text exposition format.
    #[must_use]
    pub fn text(self) -> String {
        let families: Vec<_> = self.families.into_values().collect();
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_default()
    }

    /// The names of what was read.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.families.keys().copied()
    }

    fn family(&mut self, definition: &'static Definition) -> &mut MetricFamily {
        self.families.entry(definition.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(definition.name.to_owned());
            family.set_help(definition.help.to_owned());
            family.set_field_type(match definition.kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
                Kind::Histogram => MetricType::HISTOGRAM,
            });
            family
        })
    }
}

/// A histogram that is read by [`Scrape::observed`], with these bounds, in the unit of its name.
///
/// # Errors
/// When the bounds do not rise, which a test of each rules out.
pub fn histogram(
    definition: &'static Definition,
    bounds: &[f64],
) -> Result<Histogram, prometheus::Error> {
    Histogram::with_opts(
        HistogramOpts::new(definition.name, definition.help).buckets(bounds.to_vec()),
    )
}

fn pairs(definition: &'static Definition, labels: &[&str]) -> Vec<LabelPair> {
    let named = definition.labels.iter().zip(labels);
    let mut pairs: Vec<_> = named
        .map(|(label, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(label.name.to_owned());
            pair.set_value((*value).to_owned());
            pair
        })
        .collect();
    pairs.sort_by(|one, other| one.name().cmp(other.name()));
    pairs
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the text format has floats; counts above 2^53 lose their last digits"
)]
impl Value for u64 {
    fn into_float(self) -> f64 {
        self as f64
    }
}

impl Value for usize {
    fn into_float(self) -> f64 {
        u64::try_from(self).unwrap_or(u64::MAX).into_float()
    }
}

impl Value for bool {
    fn into_float(self) -> f64 {
        u64::from(self).into_float()
    }
}

impl Value for f64 {
    fn into_float(self) -> f64 {
        self
    }
}

impl Value for Duration {
    fn into_float(self) -> f64 {
        self.as_secs_f64()
    }
}
