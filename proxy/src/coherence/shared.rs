//! When a value counts that this process did not read from the tables itself (DESIGN §5, R2 and R3): one
//! of another instance, of before a restart, of the materialized view.
//!
//! Promise: such a value counts only where every change that its statement may not have seen would be
//! known here. It names the statement's xmin, below which every transaction had ended: a change that it
//! did not see has a number of at least that. So it counts only if no change of its tags with such a
//! number is known, under a lease that is live; and only once the log as it was at the start is known,
//! and if it is no older than that log. Values of another life of the database, of other triggers or
//! views, of another policy or form are in another [`Namespace`].
//!
//! Does not: say who wrote it. A value whose xmin is a lie must be kept out by a seal.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use aws_lc_rs::digest::{Context, SHA256};

use super::{BootTime, Coherence, Reading, Tag, Version};
use crate::store::History;

/// The form of what is shared. Another one never meets this one.
const FORM: &str = "sidegate 1";

/// What values have in common that mean the same. Nobody can choose one that is in use.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Namespace([u8; 16]);

/// What a policy says, as a digest: two policies that differ share nothing.
pub type PolicyDigest = [u8; 32];

/// Under which conditions values of others count now.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared {
    namespace: Namespace,
    /// Changes below this may be unknown.
    floor: u64,
}

/// Where a value comes from that this process did not read from the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Another instance, or this one before a restart.
    Instance,
    /// The materialized view.
    View,
}

/// Why a value of others does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outdated {
    /// No value of others counts, or not those of this namespace any more; or the lease has ended.
    Closed,
    /// What it says has changed, or may have.
    Changed,
}

impl Namespace {
    /// Of one life of the database, as its triggers and views are, under one policy.
    pub(super) fn new(policy: &PolicyDigest, history: &History, fingerprint: &str) -> Self {
        let mut context = Context::new(&SHA256);
        let incarnation = history.incarnation.as_deref().unwrap_or_default();
        let parts: [&[u8]; 6] = [
            FORM.as_bytes(),
            policy,
            history.system.as_bytes(),
            history.timeline.as_bytes(),
            incarnation.as_bytes(),
            fingerprint.as_bytes(),
        ];
        for part in parts {
            // With its length, so that no two lists of parts are one text.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let digest = context.finish();
        let mut namespace = [0; 16];
        for (to, from) in namespace.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(namespace)
    }

    /// One that nothing else has.
    #[cfg(test)]
    pub(crate) const fn of_test(number: u8) -> Self {
        Self([number; 16])
    }

    /// The same for everybody.
    #[cfg(feature = "fault-injection")]
    pub(super) const fn everybody() -> Self {
        Self([0; 16])
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Shared {
    pub(super) const fn new(namespace: Namespace, floor: u64) -> Self {
        Self { namespace, floor }
    }

    /// Where values that count are.
    #[must_use]
    pub const fn namespace(&self) -> Namespace {
        self.namespace
    }
}

impl Coherence {
    /// The conditions now; `None`: nothing of others counts. To be loaded before a value is looked for,
    /// and before a statement is sent whose answer is to be shared.
    #[must_use]
    pub fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.load_full()
    }

    /// Whether a value of others may be answered from, and what has to be kept with its rows (R2, R3).
    /// `xmin` is that of its statement, `tags` are those of all its rows.
    ///
    /// Its rows were true at the snapshot of the reading's poll: whatever the statement did not see and
    /// that poll saw is in the slots, and would be found here. What a later poll tells is found by
    /// [`Reading::untouched`], because the version names the reading's poll.
    ///
    /// # Errors
    /// When it does not count.
    pub fn admit_shared<'t>(
        &self,
        source: Source,
        shared: &Arc<Shared>,
        xmin: u64,
        tags: impl IntoIterator<Item = Tag<'t>>,
    ) -> Result<(Reading<'_>, Version), Outdated> {
        let reading = self.read().ok_or(Outdated::Closed)?;
        // After the reading: a new life is followed before anything of it is published.
        if !self.is_shared_by(shared) {
            return Err(Outdated::Closed);
        }
        let mut counts = xmin >= shared.floor;
        for tag in tags {
            counts &= self.slots.xid(self.slot(tag)) < xmin;
        }
        #[cfg(feature = "fault-injection")]
        let counts = counts
            || self.faults.without(match source {
                Source::Instance => super::fault::Rule::Admission,
                Source::View => super::fault::Rule::View,
            });
        #[cfg(not(feature = "fault-injection"))]
        let _ = source;
        if !counts {
            return Err(Outdated::Changed);
        }
        // And after the slots: a new life makes them forget, once nothing is shared (`follow`).
        fence(Ordering::SeqCst);
        if !self.is_shared_by(shared) {
            return Err(Outdated::Closed);
        }
        // Last, as for a decision (R1).
        if !reading.is_live(BootTime::now()) {
            return Err(Outdated::Closed);
        }
        let read = self.started.load(Ordering::SeqCst);
        let fill = self.fills.fetch_add(1, Ordering::Relaxed);
        Ok((reading, Version::new(reading.applied(), read, fill)))
    }

    fn is_shared_by(&self, shared: &Arc<Shared>) -> bool {
        let now = self.shared.load();
        now.as_ref().is_some_and(|now| Arc::ptr_eq(now, shared))
    }
}
