//! Instants and spans as they are shown.

use std::time::{Duration, UNIX_EPOCH};

use sidegate_policy::UnixMicros;

/// As RFC 3339, in UTC, to the second.
pub(super) fn date(at: UnixMicros) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since_1970(at)).to_string()
}

/// The same, to the millisecond.
pub(super) fn instant(at: UnixMicros) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_1970(at)).to_string()
}

/// Milliseconds, to the microsecond.
pub(super) fn milliseconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// Milliseconds as a person reads them.
pub(super) fn span(milliseconds: f64) -> String {
    if milliseconds < 1000.0 {
        format!("{milliseconds:.2} ms")
    } else {
        format!("{:.2} s", milliseconds / 1000.0)
    }
}

fn since_1970(at: UnixMicros) -> Duration {
    Duration::from_micros(u64::try_from(at.0).unwrap_or(0))
}
