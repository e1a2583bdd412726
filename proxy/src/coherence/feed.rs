//! What the answer of a poll means: pure, no clock, no connection (DESIGN §5).
//!
//! Promise: what was not visible to the snapshot that was applied last is touched before anything later
//! is published; an answer to an older question than the last one that was applied changes nothing; in
//! doubt everything counts as changed.
//!
//! [`Feed::decide`] changes nothing: it says what is to be done, and the feed that there is when all of it
//! is done. Whoever is interrupted on the way asks again from the same snapshot, and touching twice does
//! no harm.

use std::sync::Arc;

use super::effect::Effect;
#[cfg(feature = "fault-injection")]
use super::fault::{Faults, Rule};
use super::gate::{Gate, Pass, Verdict};
use super::load::Loaded;
use super::poll::{Answer, Changes};
use super::snapshot::Snapshot;
use super::{BootTime, Namespace, PolicyDigest, Shared};
use crate::store::History;

/// The state between two polls.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    life: Option<Life>,
    /// The number of the last poll whose answer counted.
    applied: u64,
    gate: Gate,
    /// Under which policy values are shared; `None`: they are not.
    policy: Option<PolicyDigest>,
    /// Whether values of others count.
    is_shared: bool,
    #[cfg(feature = "fault-injection")]
    faults: Faults,
}

/// The life of the database that is followed.
#[derive(Debug, Clone)]
struct Life {
    history: Arc<History>,
    /// What was seen when the last answer was applied.
    snapshot: Arc<Snapshot>,
    /// The floor of its log, once the log is known (R3).
    loaded: Option<u64>,
}

/// A poll that was sent.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Above that of every poll and flush before it.
    pub(super) number: u64,
    /// The clock before it was sent.
    pub(super) start: BootTime,
    /// It asks for what this did not see; `None`: for nothing, only where to begin.
    pub(super) cursor: Option<Arc<Snapshot>>,
}

/// What to do, and what is then.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) effects: Vec<Effect>,
    pub(super) feed: Feed,
}

impl Feed {
    /// Which values count that this process has not read itself.
    pub(super) fn set_policy(&mut self, policy: Option<PolicyDigest>) {
        self.policy = policy;
    }

    /// Rules to go without.
    #[cfg(feature = "fault-injection")]
    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// A poll to send.
    pub(super) fn ask(&self, number: u64, start: BootTime) -> Asked {
        Asked {
            number,
            start,
            cursor: self.life.as_ref().map(|life| Arc::clone(&life.snapshot)),
        }
    }

    /// What an answer means.
    pub(super) fn decide(&self, asked: &Asked, answer: Answer) -> Decision {
        let mut feed = self.clone();
        // One that was given up on and repeated, or that was asked before a flush began anew: what it
        // tells is about another snapshot than the one that was applied last.
        let cursor = self.life.as_ref().map(|life| &life.snapshot);
        if asked.number <= self.applied || asked.cursor.as_ref() != cursor {
            return Decision {
                effects: Vec::new(),
                feed,
            };
        }
        feed.applied = asked.number;
        let effects = match &self.life {
            Some(life) if self.continues(life, &answer) => {
                let (life, mut effects) = self.goes_on(life, &answer);
                feed.life = Some(life);
                effects.append(&mut feed.pass(asked.number, &answer));
                if let Changes::Told(told) = answer.changes
                    && !told.is_empty()
                {
                    // Before it is published.
                    effects.insert(0, Effect::Touch(told));
                    if !answer.credentials.is_empty() {
                        effects.insert(1, Effect::Credentials(answer.credentials));
                    }
                }
                effects
            }
            Some(_) | None => feed.take_up(answer),
        };
        Decision { effects, feed }
    }

    /// What an examination means that began after the last [`Effect::Examine`]; `last` is the number of
    /// the last poll that has started. The reasons against caching, or why it could not be made.
    pub(super) fn examined(&self, last: u64, found: Result<Vec<String>, String>) -> Decision {
        let mut feed = self.clone();
        let passed = found.as_ref().ok().map(Vec::is_empty);
        // Shut, the gate closes all of it.
        feed.is_shared &= passed == Some(true);
        let reasons = found.unwrap_or_else(|why| vec![why]);
        let effects = match feed.gate.examined(last, passed) {
            Verdict::Unchanged => Vec::new(),
            Verdict::Shut => vec![Effect::Close(reasons)],
            Verdict::Shutting => {
                let seen = self.life.as_ref().map(|life| before(&life.snapshot));
                vec![
                    Effect::Close(reasons),
                    Effect::Flush(seen.unwrap_or_default()),
                ]
            }
        };
        Decision { effects, feed }
    }

    /// Whether a life of the database is followed, and it is this one, if one is named.
    pub(super) fn follows(&self, history: Option<&History>) -> bool {
        self.life
            .as_ref()
            .is_some_and(|life| history.is_none_or(|history| *life.history == *history))
    }

    /// What was seen when the last answer was applied; `None` while no life is followed.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.life.as_ref().map(|life| &*life.snapshot)
    }

    /// The log of a life was read whole; `None`: of another one than is followed.
    pub(super) fn loaded(&self, loaded: &Loaded) -> Option<Self> {
        let mut feed = self.clone();
        let life = feed.life.as_mut();
        let life = life.filter(|life| *life.history == loaded.history)?;
        life.loaded = Some(loaded.floor);
        Some(feed)
    }

    /// Whether an answer is of the same life, and later (R4).
    fn continues(&self, life: &Life, answer: &Answer) -> bool {
        #[cfg(feature = "fault-injection")]
        if self.faults.without(Rule::History) || self.faults.without(Rule::Cursor) {
            return true;
        }
        answer.history == *life.history && answer.snapshot.follows(&life.snapshot)
    }

    /// The same life goes on.
    fn goes_on(&self, life: &Life, answer: &Answer) -> (Life, Vec<Effect>) {
        let untold = match answer.changes {
            // What this poll cannot tell any more: rows below the floor may be gone, and those from the
            // former snapshot's xmin on may not have been visible to it (R4).
            Changes::Told(_) => answer.floor > life.snapshot.xmin(),
            Changes::TooMany => true,
        };
        let effects = if untold {
            vec![Effect::Flush(before(&answer.snapshot))]
        } else {
            Vec::new()
        };
        let snapshot = answer.snapshot.clone();
        #[cfg(feature = "fault-injection")]
        let snapshot = self.by_last_xid(life, answer).unwrap_or(snapshot);
        let life = Life {
            history: Arc::clone(&life.history),
            snapshot: Arc::new(snapshot),
            loaded: life.loaded,
        };
        (life, effects)
    }

    /// With the fault of a cursor by transaction id: from the highest that was told of.
    #[cfg(feature = "fault-injection")]
    fn by_last_xid(&self, life: &Life, answer: &Answer) -> Option<Snapshot> {
        let Changes::Told(told) = &answer.changes else {
            return None;
        };
        let last = told.iter().map(|(xid, _)| xid.saturating_add(1)).max();
        let from = last.unwrap_or_default().max(life.snapshot.xmax());
        self.faults
            .without(Rule::Cursor)
            .then(|| Snapshot::below(from))
    }

    fn pass(&mut self, number: u64, answer: &Answer) -> Vec<Effect> {
        #[cfg(feature = "fault-injection")]
        if self.faults.without(Rule::Fingerprint) {
            return vec![Effect::Publish];
        }
        match self.gate.polled(number, &answer.fingerprint) {
            Pass::Open => self
                .share(&answer.fingerprint)
                .into_iter()
                .chain([Effect::Publish])
                .collect(),
            Pass::Shut => Vec::new(),
            Pass::Changed => {
                self.is_shared = false;
                vec![
                    closed("tables, triggers or views have changed: they are being examined"),
                    Effect::Flush(before(&answer.snapshot)),
                    Effect::Void,
                    Effect::Examine,
                ]
            }
        }
    }

    /// What makes values of others count, if it is time for it.
    fn share(&mut self, fingerprint: &str) -> Option<Effect> {
        let (Some(life), Some(policy)) = (&self.life, &self.policy) else {
            return None;
        };
        let floor = life.loaded.filter(|_| !self.is_shared)?;
        let namespace = Namespace::new(policy, &life.history, fingerprint);
        #[cfg(feature = "fault-injection")]
        let namespace = if self.faults.without(Rule::Namespace) {
            Namespace::everybody()
        } else {
            namespace
        };
        self.is_shared = true;
        Some(Effect::Share(Arc::new(Shared::new(namespace, floor))))
    }

    /// Another life begins, or the first one: what was known before means nothing, and nothing is cached
    /// until it is examined. Numbers of transactions may be given again in it, and so fingerprints may.
    fn take_up(&mut self, answer: Answer) -> Vec<Effect> {
        // Values of others are in the life's own namespace, and do not count before its log is known.
        // Where the same life goes back (a database that is none, or another one that calls itself the
        // same) nothing of it counts that is not later than both.
        let again = self
            .life
            .as_ref()
            .filter(|life| *life.history == answer.history);
        let flush = Effect::Flush(again.map_or(0, |life| {
            before(&answer.snapshot).max(before(&life.snapshot))
        }));
        self.is_shared = false;
        if answer.history.incarnation.is_none() {
            self.life = None;
            return vec![
                closed("the database begins a new life"),
                flush,
                Effect::BeginIncarnation,
            ];
        }
        let loaded = None;
        #[cfg(feature = "fault-injection")]
        let loaded = self.faults.without(Rule::Load).then_some(0).or(loaded);
        let history = Arc::new(answer.history);
        self.life = Some(Life {
            history: Arc::clone(&history),
            snapshot: Arc::new(answer.snapshot),
            loaded,
        });
        self.gate = Gate::examining(answer.fingerprint);
        let mut effects = vec![
            closed("the database is being examined"),
            flush,
            Effect::Follow(history),
            Effect::Examine,
        ];
        if self.policy.is_some() && loaded.is_none() {
            effects.push(Effect::Load);
        }
        effects
    }
}

/// The last transaction that a snapshot may know of.
fn before(snapshot: &Snapshot) -> u64 {
    snapshot.xmax().saturating_sub(1)
}

fn closed(reason: &str) -> Effect {
    Effect::Close(vec![reason.to_owned()])
}

#[cfg(test)]
mod tests;
