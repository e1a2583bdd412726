//! What is to be done about a poll, one thing after the other.
//!
//! Promise: whatever a decision says is done in its order, and nothing of it waits.

use std::sync::Arc;

use super::feed::Asked;
use super::tag::{CANARY, EVERYTHING};
use super::tally::Told;
use super::{BootTime, Coherence, Shared};
use crate::credential::Change;
use crate::store::History;

/// One thing to do. They are to be done in the order given, and before the next poll is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing may be cached, for these reasons.
    Close(Vec<String>),
    /// Everything may have changed, by transactions up to this one.
    Flush(u64),
    /// This life of the database is followed from now on.
    Follow(Arc<History>),
    /// These tags were changed by these transactions.
    Touch(Vec<(u64, Vec<String>)>),
    /// What is known now of these credentials.
    Credentials(Vec<Change>),
    /// The life's log is to be read; one that is being read counts no longer.
    Load,
    /// Values of others count from now on.
    Share(Arc<Shared>),
    /// The poll is applied; always the last one.
    Publish,
    /// Everything is to be said to have changed, in the log: what others have read is void for whoever starts
    /// later too, also if the fingerprint goes back to what it was.
    Void,
    /// An examination is to begin; one that goes on counts no longer.
    Examine,
    /// The life of the database is to be given an id.
    BeginIncarnation,
}

/// What effects ask for that is not done by touching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    pub(super) load: bool,
    pub(super) void: bool,
    pub(super) examination: bool,
    pub(super) incarnation: bool,
}

/// Does what a decision about a poll says, in its order.
///
/// R1: all touches are stored before the lease is, and the lease with release: whoever acquires it sees
/// them all. Nothing here waits, so there is no half of it that lasts; a reader in between sees an old
/// lease and some of the touches, which take away and give nothing.
pub(super) fn carry_out(coherence: &Coherence, asked: &Asked, effects: Vec<Effect>) -> Wanted {
    let (number, mut wanted) = (asked.number, Wanted::default());
    // Own canaries, and up to which transaction everything became void.
    let (mut own, mut covered) = (Vec::new(), 0);
    for effect in effects {
        match effect {
            Effect::Close(reasons) => {
                // A life that cannot be begun closes with every poll.
                if coherence.closed_because() != reasons {
                    tracing::warn!(?reasons, "nothing is cached");
                }
                coherence.close(reasons);
            }
            Effect::Flush(xid) => {
                coherence.flush_up_to(xid, number);
                covered = covered.max(xid);
            }
            Effect::Follow(history) => coherence.follow(history),
            Effect::Touch(changes) => own.append(&mut touch(coherence, number, changes)),
            #[cfg(feature = "fault-injection")]
            Effect::Credentials(_) if coherence.faults.without(super::fault::Rule::Credentials) => {
            }
            Effect::Credentials(changes) => coherence.register.apply(changes),
            Effect::Load => wanted.load = true,
            Effect::Void => wanted.void = true,
            Effect::Share(shared) => coherence.share(shared),
            Effect::Publish => {
                if coherence.publish(number, asked.start) {
                    tracing::info!("changes show: answers may be cached");
                }
                let now = BootTime::now();
                coherence.canary.told(&own, covered, now, &coherence.tally);
            }
            Effect::Examine => wanted.examination = true,
            Effect::BeginIncarnation => wanted.incarnation = true,
        }
    }
    wanted
}

/// Touches what changed. The transactions of own canaries among it.
fn touch(coherence: &Coherence, number: u64, changes: Vec<(u64, Vec<String>)>) -> Vec<u64> {
    let (mut own, mut canaries, mut everything, mut all) = (Vec::new(), 0, 0, 0);
    for (xid, tags) in changes {
        for tag in tags {
            all += 1;
            if tag == EVERYTHING {
                everything += 1;
                coherence.register.forget();
            } else if tag.starts_with(CANARY) {
                canaries += 1;
                if coherence.canary.is_own(&tag) {
                    own.push(xid);
                }
            }
            coherence.touch(&tag, xid, number);
        }
    }
    let tally = &coherence.tally;
    tally.count(Told::Tag, all - canaries - everything);
    tally.count(Told::Canary, canaries);
    tally.count(Told::Everything, everything);
    own
}
