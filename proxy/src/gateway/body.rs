//! A body on its way to the application.
//!
//! Promise: no more of it passes than its route accepts, and none that arrives more slowly than
//! `limits.min_body_rate` once the first seconds are over, unless the route relaxes `slow_body`. Silence
//! is bounded by `limits.read_timeout`.

use std::time::{Duration, Instant};

use http::StatusCode;
use pingora::{Error, ErrorType};
use sidegate_config::{LimitSettings, Rule, Rules, Strictness};

use crate::hardening;
use crate::outcome::Code;
use crate::route::Route;

/// For so long a body may arrive at any pace.
const GRACE: Duration = Duration::from_secs(5);

/// What is left of a body's bounds.
#[derive(Debug)]
pub(super) struct Bounded {
    left: u64,
    received: u64,
    since: Instant,
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
    /// For a request on a route, from now on.
    pub(super) fn new(route: &Route, limits: &LimitSettings, strictness: Strictness) -> Self {
        Self {
            left: route.max_body_bytes.unwrap_or(limits.max_body_bytes),
            received: 0,
            since: Instant::now(),
            min_rate: limits.min_body_rate,
            relax: route.relax,
            strictness,
            reported: false,
        }
    }

    /// Takes a piece of this length into account.
    pub(super) fn take(&mut self, length: usize) -> Piece {
        self.take_after(length, self.since.elapsed())
    }

    fn take_after(&mut self, length: usize, elapsed: Duration) -> Piece {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(length) else {
            return Piece::Refused(Code::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE);
        };
        self.left = left;
        self.received = self.received.saturating_add(length);
        let due = elapsed
            .saturating_sub(GRACE)
            .as_secs()
            .saturating_mul(self.min_rate);
        if self.received >= due || self.reported {
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
        assert_eq!(body.take(4), Piece::Passes);
        assert_eq!(body.take(6), Piece::Passes);
        let over = Piece::Refused(Code::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(body.take(1), over);
    }

    #[test]
    fn a_body_keeps_its_pace() {
        let second = Duration::from_secs(1);
        let slow = Piece::Refused(Code::Strict(Rule::SlowBody), StatusCode::REQUEST_TIMEOUT);
        let mut body = bounded(1000, &[], Strictness::Strict);
        assert_eq!(body.take_after(1, GRACE), Piece::Passes);
        assert_eq!(body.take_after(99, GRACE + second), Piece::Passes);
        assert_eq!(body.take_after(99, GRACE + second * 2), slow);

        let mut relaxed = bounded(1000, &[Rule::SlowBody], Strictness::Strict);
        assert_eq!(relaxed.take_after(1, GRACE + second), Piece::Passes);
        let mut reporting = bounded(1000, &[], Strictness::ReportOnly);
        let once = Piece::Reported(Rule::SlowBody);
        assert_eq!(reporting.take_after(1, GRACE + second), once);
        assert_eq!(reporting.take_after(1, GRACE + second), Piece::Passes);
    }
}
