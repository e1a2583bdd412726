//! How many credentials that are not good a client may present.
//!
//! Promise: beyond `limits.max_failed_authentications` within the window a client's credentials are not
//! looked at until the window ends: no signature is verified, no key is fetched. Memory is bounded,
//! however many clients there are. While nobody has failed lately, asking costs one load.
//!
//! Does not: count exactly. The counts are a count-min sketch (pingora-limits): they may be too high
//! where very many clients fail at once, never too low.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pingora_limits::rate::Rate;

use crate::client::Client;

/// Size of the sketch: 4 rows of so many counters, twice, 8 bytes each (512 KiB).
const HASHES: usize = 4;
const SLOTS: usize = 8192;

/// Counts failures by client.
pub struct Throttle {
    rate: Rate,
    max: usize,
    window: Duration,
    born: Instant,
    /// When somebody failed last, in milliseconds since `born`, plus one; 0: never.
    last_failure: AtomicU64,
}

impl Throttle {
    /// With these bounds; `max` 0 is none.
    #[must_use]
    pub fn new(max: usize, window: Duration) -> Self {
        Self {
            rate: Rate::new_with_estimator_config(window, HASHES, SLOTS),
            max,
            window,
            born: Instant::now(),
            last_failure: AtomicU64::new(0),
        }
    }

    /// Whether it has these bounds.
    #[must_use]
    pub fn is(&self, max: usize, window: Duration) -> bool {
        self.max == max && self.window == window
    }

    /// Whether nobody is stopped, because nobody failed within the window.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let last = self.last_failure.load(Ordering::Relaxed);
        self.max == 0 || last == 0 || self.now().saturating_sub(last) > millis(self.window)
    }

    /// Whether a client's credentials are not looked at now.
    #[must_use]
    pub fn stops(&self, client: &Client) -> bool {
        let failures = usize::try_from(self.rate.observe(client, 0)).unwrap_or(0);
        self.max != 0 && failures >= self.max
    }

    /// Notes that a client presented a credential that is not good.
    pub fn failed(&self, client: &Client) {
        if self.max != 0 {
            self.last_failure.store(self.now(), Ordering::Relaxed);
            self.rate.observe(client, 1);
        }
    }

    fn now(&self) -> u64 {
        millis(self.born.elapsed()).saturating_add(1)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle")
            .field("max", &self.max)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::client::TrustedProxies;

    fn client(address: &str) -> Client {
        let trusted = TrustedProxies::new(Vec::new());
        trusted
            .client(address.parse().unwrap(), &HeaderMap::new())
            .unwrap()
    }

    #[test]
    fn one_client_is_stopped_and_no_other() {
        let throttle = Throttle::new(3, Duration::from_secs(3600));
        let (one, other) = (client("192.0.2.1"), client("192.0.2.2"));
        assert!(throttle.is_quiet());
        for _ in 0..3 {
            assert!(!throttle.stops(&one));
            throttle.failed(&one);
        }
        assert!(!throttle.is_quiet() && throttle.stops(&one) && !throttle.stops(&other));
    }

    #[test]
    fn no_bound_stops_nobody() {
        let throttle = Throttle::new(0, Duration::from_secs(3600));
        let one = client("192.0.2.1");
        throttle.failed(&one);
        assert!(throttle.is_quiet() && !throttle.stops(&one));
    }
}
