//! What is told about requests.
//!
//! Promise: what is refused is always logged where anything is; only what is allowed may be left out.

use super::report::Report;
use super::tracing::tracing;
use crate::locate::YamlPath;
use crate::raw::{self, AccessLogName};
use crate::settings::{AccessLogSettings, AccessLogTarget, Fraction, TelemetrySettings};

/// `proxies`: who is in `trusted_proxies`.
pub(crate) fn telemetry(
    raw: raw::Telemetry,
    proxies: &[String],
    report: &mut Report,
) -> Option<TelemetrySettings> {
    let at = YamlPath::default().key("telemetry");
    let decisions = raw.decisions.map_or(4096, |number| number.0);
    let decisions = report.integer(&at.key("decisions"), decisions, 0, 1 << 20);
    let access_log = access_log(&raw.access_log, &at.key("access_log"), report);
    let tracing = match raw.tracing {
        Some(raw) => tracing(raw, &at.key("tracing"), proxies, report).map(Some),
        None => Some(None),
    };
    Some(TelemetrySettings {
        request_metrics: raw.request_metrics.is_none_or(|on| on.0),
        decisions: decisions?,
        access_log: access_log?,
        tracing: tracing?,
    })
}

fn access_log(
    raw: &raw::AccessLog,
    at: &YamlPath,
    report: &mut Report,
) -> Option<AccessLogSettings> {
    let to = match raw.to {
        None | Some(AccessLogName::Stderr) => Some(AccessLogTarget::Stderr),
        Some(AccessLogName::Stdout) => Some(AccessLogTarget::Stdout),
        Some(AccessLogName::None) => None,
    };
    let allows = raw.allows.map_or(0.01, |part| part.0);
    let allows = fraction(allows, &at.key("allows"), report);
    Some(AccessLogSettings {
        to,
        allows: allows?,
    })
}

/// A part of a whole.
pub(crate) fn fraction(part: f64, at: &YamlPath, report: &mut Report) -> Option<Fraction> {
    match Fraction::new(part) {
        Some(fraction) => Some(fraction),
        None => report.refuse(at, "expected a number of 0 to 1, such as 0.01"),
    }
}
