//! How long the steps of one request took, as `Server-Timing` says it.
//!
//! Promises: a step that was not made is not named; one that was made in parts is named once.
//! Does not: know what the steps do.

use std::fmt::Write;
use std::time::{Duration, Instant};

use http::HeaderValue;

/// Steps and their time, in the order in which they were begun.
#[derive(Debug, Default)]
pub(super) struct Timing(Vec<(&'static str, Duration)>);

impl Timing {
    /// Carries out a step, or a part of it.
    pub(super) async fn step<T>(&mut self, name: &'static str, made: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let outcome = made.await;
        self.add(name, begun.elapsed());
        outcome
    }

    /// So much more of a step.
    pub(super) fn add(&mut self, name: &'static str, time: Duration) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += time,
            None => self.0.push((name, time)),
        }
    }

    /// The header's value.
    pub(super) fn value(&self) -> Option<HeaderValue> {
        let mut text = String::new();
        for (name, time) in &self.0 {
            let gap = if text.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{gap}{name};dur={:.1}", time.as_secs_f64() * 1000.0);
        }
        HeaderValue::from_str(&text).ok()
    }
}
