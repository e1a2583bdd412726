//! When a dependency is left alone.
//!
//! Promise: it is, after some failures, and never for ever. Each dependency has its own defaults.

use std::time::Duration;

use super::report::Report;
use super::value::{Bounds, MILLISECOND, MINUTE};
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::BreakerSettings;

/// What a dependency has if nothing is written (DESIGN §7).
pub(crate) struct Standard {
    pub(crate) failures: usize,
    pub(crate) open: Duration,
}

pub(crate) fn breaker(
    at: &YamlPath,
    raw: &raw::Breaker,
    standard: &Standard,
    report: &mut Report,
) -> Option<BreakerSettings> {
    let failures = raw.failures.map_or(standard.failures, |number| number.0);
    let failures = report.integer(&at.key("failures"), failures, 1, 1000);
    let bounds = Bounds {
        default: standard.open,
        min: MILLISECOND.saturating_mul(100),
        max: MINUTE.saturating_mul(10),
        says: "100ms to 10m",
    };
    let open = report.duration(&at.key("open"), raw.open.as_ref(), &bounds);
    let successes = raw.successes.map_or(2, |number| number.0);
    let successes = report.integer(&at.key("successes"), successes, 1, 1000);
    Some(BreakerSettings {
        failures: u32::try_from(failures?).ok()?,
        open: open?,
        successes: u32::try_from(successes?).ok()?,
    })
}
