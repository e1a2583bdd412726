//! The decisions that were made last, to be explained by their id.
//!
//! Promise: it takes the room that `telemetry.decisions` says, and no more, whatever comes. Keeping a decision
//! allocates nothing and never waits: a place that somebody looks at just then is passed over, and counted. What is
//! kept outlives a reload, and holds nothing of a request that its line in the log may not hold: no credential, path,
//! query or header.
//!
//! There are three rings, so that what comes in masses does not push out what is asked about: who has not proved
//! who they are can fill one quarter, what is allowed or could not be decided another, and half is for verified subjects
//! who were refused. A flood within one of them pushes out what is older in it.
//!
//! Does not: outlive the process, or know of other instances. A request that lasts is kept when it ends.

mod record;
mod ring;

pub(crate) use record::known_method;
pub use record::{Case, Group, Record};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use uuid::Uuid;

use crate::coherence::BootTime;
use crate::metrics::{Definition, Scrape};
use ring::Ring;

/// The decisions that were made last.
#[derive(Debug)]
pub struct Decisions {
    rings: ArcSwap<Rings>,
    skipped: AtomicU64,
}

/// How far back a group of decisions reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Which.
    pub group: Group,
    /// How many there are.
    pub kept: usize,
    /// How many there may be.
    pub most: usize,
    /// When the oldest of them ended; `None`: there is none.
    pub since: Option<BootTime>,
}

/// One ring for each group, in the order of [`Group::ALL`].
#[derive(Debug)]
struct Rings {
    most: usize,
    rings: [Ring; Group::ALL.len()],
}

impl Decisions {
    /// None yet, and room for so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            rings: ArcSwap::from_pointee(Rings::new(most)),
            skipped: AtomicU64::new(0),
        }
    }

    /// Makes room for so many. Where that is another number, it begins anew.
    pub fn resize(&self, most: usize) {
        if self.rings.load().most != most {
            self.rings.store(Arc::new(Rings::new(most)));
        }
    }

    /// Keeps a decision, if any are kept.
    pub fn keep(&self, make: impl FnOnce() -> Record) {
        let rings = self.rings.load();
        if rings.most == 0 {
            return;
        }
        let record = make();
        if !rings.of(record.group()).push(record) {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The decision of this id. For an administrator, not for requests: it looks at every place.
    #[must_use]
    pub fn find(&self, id: Uuid) -> Option<Record> {
        let rings = self.rings.load();
        rings.rings.iter().find_map(|ring| ring.find(id))
    }

    /// How far back they reach. It looks at every place, too.
    #[must_use]
    pub fn reach(&self) -> [Reach; Group::ALL.len()] {
        let rings = self.rings.load();
        Group::ALL.map(|group| {
            let ring = rings.of(group);
            let (kept, since) = ring.reach();
            Reach {
                group,
                kept,
                most: ring.most(),
                since,
            }
        })
    }

    /// Reads how many may be kept, and how many were not because somebody looked just then.
    pub fn gather(&self, scrape: &mut Scrape) {
        scrape.add(&ROOM, &[], self.rings.load().most);
        scrape.add(&SKIPPED, &[], self.skipped.load(Ordering::Relaxed));
    }
}

static ROOM: Definition = Definition::gauge(
    "sidegate_decisions_limit",
    "How many recent decisions are kept at most, to be explained (`telemetry.decisions`)",
);
static SKIPPED: Definition = Definition::counter(
    "sidegate_decisions_skipped_total",
    "Decisions that were not kept, because somebody looked at their place just then",
);

/// What is told of them.
pub(crate) static METRICS: [&Definition; 2] = [&ROOM, &SKIPPED];

impl Default for Decisions {
    /// None are kept.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Rings {
    fn new(most: usize) -> Self {
        let quarter = most / 4;
        let room = |group| match group {
            Group::Anonymous | Group::Allowed => quarter,
            Group::Denied => most - 2 * quarter,
        };
        Self {
            most,
            rings: Group::ALL.map(|group| Ring::new(room(group))),
        }
    }

    fn of(&self, group: Group) -> &Ring {
        let [anonymous, allowed, denied] = &self.rings;
        match group {
            Group::Anonymous => anonymous,
            Group::Allowed => allowed,
            Group::Denied => denied,
        }
    }
}

#[cfg(test)]
mod tests;
