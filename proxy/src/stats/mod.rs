//! What a running Sidegate counts, as tables for people and JSON for scripts: `sidegate stats`.
//!
//! Promise: every figure is of the text that was read, and what is not in it is not shown: another version, or
//! a Sidegate without a database or Redis, leaves rows out and invents no zero. Rates are of the counters'
//! growth between two readings; a counter that went down has begun anew.
//!
//! Does not: ask anybody; that is `admin::client`. Quantiles are interpolated within the buckets of
//! histograms, and so no better than those.

mod exposition;
mod health;
mod histogram;
mod latency;
mod section;
mod text;
mod traffic;

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

pub use exposition::{Exposition, ExpositionError, Fault};
use histogram::Histogram;
use section::{Cell, Section};

/// One reading, made ready to be shown.
#[derive(Debug)]
pub struct Statistics {
    interval: Option<Duration>,
    sections: Vec<Section>,
}

impl Statistics {
    /// Of a reading; and of the interval since an earlier one, if there is one.
    #[must_use]
    pub fn of(now: &Exposition, earlier: Option<(&Exposition, Duration)>) -> Self {
        let reading = Reading {
            now,
            recent: earlier
                .filter(|(_, interval)| !interval.is_zero())
                .map(|(before, interval)| (now.since(before), interval.as_secs_f64())),
        };
        let all = [
            health::instance(&reading),
            traffic::hit_rates(&reading),
            traffic::outcomes(&reading),
            traffic::reasons(&reading),
            traffic::routes(&reading),
            latency::latency(&reading),
            latency::lag(&reading),
            traffic::lookups(&reading),
            traffic::lookup_rates(&reading),
            health::pools(&reading),
            health::breakers(&reading),
            health::counters(&reading),
        ];
        Self {
            interval: earlier.map(|(_, interval)| interval),
            sections: all
                .into_iter()
                .filter(|section| !section.is_empty())
                .collect(),
        }
    }

    /// How long the interval is, where there is one.
    #[must_use]
    pub const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// Whether nothing is known: what was read is not of a Sidegate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// For scripts. `at` is when it was read, as RFC 3339 has it.
    #[must_use]
    pub fn json(&self, at: &str) -> Value {
        let mut object = Map::new();
        object.insert("at".to_owned(), json!(at));
        if let Some(interval) = self.interval {
            object.insert("interval_seconds".to_owned(), json!(interval.as_secs_f64()));
        }
        let sections = self.sections.iter();
        object.extend(sections.map(|section| (section.key.to_owned(), section.json())));
        Value::Object(object)
    }
}

/// For people: each section, with an empty line before it.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sections
            .iter()
            .try_for_each(|section| write!(f, "\n{section}"))
    }
}

/// What sections are made of.
struct Reading<'r> {
    now: &'r Exposition,
    /// What was counted in an interval, and how long that was, in seconds.
    recent: Option<(Exposition, f64)>,
}

impl Reading<'_> {
    fn sum(&self, name: &str, having: &[(&str, &str)]) -> Option<f64> {
        self.now.sum(name, having)
    }

    fn count(&self, name: &str, having: &[(&str, &str)]) -> Cell {
        Cell::count(self.sum(name, having))
    }

    /// Of a counter, in the interval.
    fn per_second(&self, name: &str, having: &[(&str, &str)]) -> Cell {
        let grown = self
            .recent
            .as_ref()
            .and_then(|(recent, seconds)| recent.sum(name, having).map(|grown| grown / seconds));
        grown.map_or(Cell::Missing, Cell::PerSecond)
    }

    /// What fell into a histogram in the interval.
    fn recently(&self, name: &str, having: &[(&str, &str)]) -> Option<Histogram> {
        let (recent, _) = self.recent.as_ref()?;
        Histogram::of(recent, name, having)
    }
}

#[cfg(test)]
mod tests;
