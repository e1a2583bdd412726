//! Says once what goes wrong again and again.
//!
//! Promise: a line when it begins to fail, one when the reason changes, one when it works again;
//! nothing while nothing changes.

use parking_lot::Mutex;

/// The failure that was last said, of one piece of work that is repeated.
#[derive(Debug)]
pub struct Notice {
    /// What the work is, in the words of a log line.
    work: &'static str,
    said: Mutex<Option<String>>,
}

impl Notice {
    /// For work that has not failed yet.
    #[must_use]
    pub const fn new(work: &'static str) -> Self {
        Self {
            work,
            said: Mutex::new(None),
        }
    }

    /// It failed, for this reason.
    pub fn failed(&self, reason: &str) {
        let mut said = self.said.lock();
        if said.as_deref() != Some(reason) {
            tracing::warn!(work = self.work, reason, "background work fails");
            *said = Some(reason.to_owned());
        }
    }

    /// It worked.
    pub fn worked(&self) {
        if self.said.lock().take().is_some() {
            tracing::info!(work = self.work, "background work goes on");
        }
    }
}
