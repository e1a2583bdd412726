//! A sign of life of work that goes on beside requests.
//!
//! Promise: work that has stopped, for whatever reason, is seen by its age; nobody has to tell.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// When something last happened.
#[derive(Debug)]
pub struct Pulse(Mutex<Instant>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Pulse {
    /// It happened now.
    pub fn beat(&self) {
        *self.0.lock() = Instant::now();
    }

    /// How long ago it happened.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.0.lock().elapsed()
    }
}
