//! A body on its way to the application.
//!
//! Promise: no more of it passes than its route accepts. In every ten seconds or more that pass between two
//! looks at it, it keeps the pace of `limits.min_body_rate`, unless the route relaxes `slow_body`: what came
//! early buys no time for what comes late. Silence is bounded by `limits.read_timeout`.

use std::time::{Duration, Instant};

use http::StatusCode;
use pingora::{Error, ErrorType};
use sidegate_config::{LimitSettings, Rule, Rules, Strictness};

use crate::hardening;
use crate::outcome::Code;
use crate::route::Route;

/// Over so long the pace is measured, at least.
const WINDOW: Duration = Duration::from_secs(10);

/// What is left of a body's bounds.
#[derive(Debug)]
pub(super) struct Bounded {
    left: u64,
    /// Since when, and how much of it has come since then.
    since: Instant,
    received: u64,
    min_rate: u64,
    /// What the route relaxes, and how the rest is applied.
    relax: Rules,
    strictness: Strictness,
    reported: bool,
}

/// What became of a piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// It passes.
    Passes,
    /// It passes, and would not, were rules not only reported.
    Reported(Rule),
    /// It does not, nor does what follows.
    Refused(Code, StatusCode),
}

impl Bounded {
    /// For a request, from now on; without a route, as strict as any.
    pub(super) fn new(
        route: Option<&Route>,
        limits: &LimitSettings,
        strictness: Strictness,
    ) -> Self {
        let longest = route.and_then(|route| route.max_body_bytes);
        Self {
            left: longest.unwrap_or(limits.max_body_bytes),
            received: 0,
            since: Instant::now(),
            min_rate: limits.min_body_rate,
            relax: route.map_or(Rules::NONE, |route| route.relax),
            strictness,
            reported: false,
        }
    }

    /// Takes a piece of this length into account.
    pub(super) fn take(&mut self, length: usize, is_last: bool) -> Piece {
        self.take_after(length, is_last, self.since.elapsed())
    }

    fn take_after(&mut self, length: usize, is_last: bool, elapsed: Duration) -> Piece {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(length) else {
            return Piece::Refused(Code::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE);
        };
        self.left = left;
        self.received = self.received.saturating_add(length);
        // What is whole is not worth refusing.
        if is_last || elapsed < WINDOW || self.reported {
            return Piece::Passes;
        }
        let due = elapsed.as_secs().saturating_mul(self.min_rate);
        let received = std::mem::take(&mut self.received);
        self.since = Instant::now();
        if received >= due {
            return Piece::Passes;
        }
        let slow = Rules::from_iter([Rule::SlowBody]);
        match hardening::judge(slow, self.relax, self.strictness) {
            Ok(reported) if reported.is_empty() => Piece::Passes,
            Ok(_) => {
                self.reported = true;
                Piece::Reported(Rule::SlowBody)
            }
            Err(_) => Piece::Refused(Code::Strict(Rule::SlowBody), StatusCode::REQUEST_TIMEOUT),
        }
    }
}

/// The error that ends a request whose body is refused.
pub(super) fn refused(status: StatusCode) -> Box<Error> {
    Error::explain(
        ErrorType::HTTPStatus(status.as_u16()),
        "the body is refused",
    )
    .into_down()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(left: u64, relax: &[Rule], strictness: Strictness) -> Bounded {
        Bounded {
            left,
            received: 0,
            since: Instant::now(),
            min_rate: 100,
            relax: relax.iter().copied().collect(),
            strictness,
            reported: false,
        }
    }

    #[test]
    fn the_last_byte_that_fits_passes() {
        let mut body = bounded(10, &[], Strictness::Strict);
        assert_eq!(body.take(4, false), Piece::Passes);
        assert_eq!(body.take(6, false), Piece::Passes);
        let over = Piece::Refused(Code::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(body.take(1, true), over);
    }

    #[test]
    fn a_body_keeps_its_pace_in_every_window() {
        let slow = Piece::Refused(Code::Strict(Rule::SlowBody), StatusCode::REQUEST_TIMEOUT);
        let soon = WINDOW.saturating_sub(Duration::from_millis(1));
        let mut body = bounded(100_000, &[], Strictness::Strict);
        // At 100 bytes a second, a window is worth 1000.
        assert_eq!(body.take_after(1, false, soon), Piece::Passes);
        assert_eq!(body.take_after(50_000, false, WINDOW), Piece::Passes);
        assert_eq!(body.take_after(1000, false, WINDOW), Piece::Passes);
        assert_eq!(body.take_after(999, false, WINDOW), slow);
        let mut last = bounded(1000, &[], Strictness::Strict);
        assert_eq!(last.take_after(1, true, WINDOW), Piece::Passes);

        let mut relaxed = bounded(1000, &[Rule::SlowBody], Strictness::Strict);
        assert_eq!(relaxed.take_after(1, false, WINDOW), Piece::Passes);
        let mut reporting = bounded(1000, &[], Strictness::ReportOnly);
        let once = Piece::Reported(Rule::SlowBody);
        assert_eq!(reporting.take_after(1, false, WINDOW), once);
        assert_eq!(reporting.take_after(1, false, WINDOW), Piece::Passes);
    }
}
