//! The feed of a store that is one file: an edit is a set of changed tags.
//!
//! Promise: what is kept of the file's rows follows the same rules as what is kept of a database's
//! (DESIGN §5). A poll takes its number and reads the clock, then what is new in the store is made to
//! count, then its tags are touched, then the lease is published. A poll may also find that nobody was
//! to look: then the store is as it was, and the lease goes on. Work that has stopped publishes
//! nothing, and the store is asked directly when the lease has ended.
//!
//! Does not: look at the file more often because somebody waits for a poll. A file has come to rest
//! when two looks with a pause between them see the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::fresh::SPACING;
use super::tag::EVERYTHING;
use super::tally::Told;
use super::{BootTime, Coherence};
use crate::store::History;

/// More tags than this in one edit are told as one: everything. As the triggers do for one statement.
const MOST_TAGS: usize = 1_000;

/// The feed. Only one may write to a [`Coherence`] at a time; when it is dropped, nothing is cached.
#[derive(Debug)]
pub struct Edits {
    coherence: Arc<Coherence>,
    interval: Duration,
    last: Instant,
    /// For the slots, which hold a transaction's number beside the poll's: an edit's.
    edits: u64,
}

impl Edits {
    /// Begins with nothing kept. `history` is the store's, `interval` the longest pause between two
    /// polls: well below a second.
    #[must_use]
    pub fn begin(coherence: Arc<Coherence>, history: Arc<History>, interval: Duration) -> Self {
        coherence.flush();
        coherence.follow(history);
        Self {
            coherence,
            interval,
            last: Instant::now(),
            edits: 0,
        }
    }

    /// One poll. `look` makes what is new in the store count, and gives the tags of what has changed.
    pub fn poll(&mut self, look: impl FnOnce() -> Vec<String>) {
        self.last = Instant::now();
        let number = self.coherence.take_number();
        let start = BootTime::now();
        let tags = look();
        let (received, told) = (BootTime::now(), !tags.is_empty());
        if told {
            self.edits = self.edits.saturating_add(1);
        }
        let tally = &self.coherence.tally;
        if tags.len() > MOST_TAGS {
            tally.count(Told::Everything, 1);
            self.coherence.touch(EVERYTHING, self.edits, number);
        } else {
            tally.count(Told::Tag, u64::try_from(tags.len()).unwrap_or(u64::MAX));
            for tag in tags {
                self.coherence.touch(&tag, self.edits, number);
            }
        }
        self.coherence.publish(number, start);
        tally.poll_applied(start, received, told);
    }

    /// Waits until a poll is due: at `by` at the latest, or soon after somebody rings.
    pub async fn due(&self, by: Instant) {
        tokio::select! {
            biased;
            () = sleep_until(by.min(self.last + self.interval)) => {}
            // The ring is taken here and a poll follows.
            () = self.coherence.bell.notified() => sleep_until(by.min(self.last + SPACING)).await,
        }
    }
}

impl Drop for Edits {
    fn drop(&mut self) {
        let reason = "nobody follows the directory file";
        self.coherence.close(vec![reason.to_owned()]);
        self.coherence.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coherence::{Polled, Tag};
    use crate::store::Origin;

    fn followed() -> (Arc<Coherence>, Edits, Origin) {
        let coherence = Arc::new(Coherence::new(1 << 16));
        let history = Arc::new(History {
            system: "file".into(),
            timeline: "".into(),
            incarnation: Some("1".into()),
        });
        let edits = Edits::begin(Arc::clone(&coherence), Arc::clone(&history), SPACING * 10);
        (coherence, edits, Origin { xmin: 0, history })
    }

    #[test]
    fn an_edit_ends_what_was_kept_of_its_rows_and_of_no_others() {
        let (coherence, mut edits, origin) = followed();
        assert!(coherence.begin().is_none(), "before the first poll");
        edits.poll(Vec::new);
        let (alice, bob) = (Tag::User("alice"), Tag::User("bob"));
        let before = coherence.begin().unwrap();
        let early = coherence.admit(before, &origin).unwrap();
        let mut during = None;
        edits.poll(|| {
            // A fill that begins while the edit is made to count may have read either.
            during = coherence.begin();
            vec![alice.to_string()]
        });
        let during = coherence.admit(during.unwrap(), &origin).unwrap();
        let late = coherence
            .admit(coherence.begin().unwrap(), &origin)
            .unwrap();
        let reading = coherence.read().unwrap();
        for (version, tag, expected) in [
            (early, alice, false),
            (during, alice, false),
            (late, alice, true),
            (early, bob, true),
        ] {
            assert_eq!(reading.untouched(&version, coherence.slot(tag)), expected);
        }
        edits.poll(|| vec![alice.to_string(); MOST_TAGS + 1]);
        let reading = coherence.read().unwrap();
        assert!(!reading.untouched(&late, coherence.slot(bob)), "everything");

        let tally = coherence.tally();
        let times = [tally.poll_time(), tally.invalidation()];
        let times = times.map(|histogram| histogram.get_sample_count());
        assert_eq!((tally.polls(Polled::Applied), times), (3, [3, 2]));
        // The beginning is one.
        let told = Told::ALL.map(|told| tally.changes(told));
        assert_eq!(told, [1, 0, 2]);
        assert_eq!(tally.xmin_age(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_soon_and_nobody_is_told_before_the_store_has_it() {
        let (coherence, mut edits, _origin) = followed();
        edits.poll(Vec::new);
        let far = Instant::now() + Duration::from_secs(60);
        let asked = Instant::now();
        edits.due(far).await;
        assert_eq!(asked.elapsed(), SPACING * 10, "nobody rang");
        edits.poll(Vec::new);
        let since = BootTime::now();
        let waiter = coherence.fresh(since, SPACING * 100);
        let asked = Instant::now();
        let feed = async {
            edits.due(far).await;
            edits.poll(Vec::new);
            edits
        };
        let (told, edits) = tokio::join!(waiter, feed);
        assert!(told.unwrap().began_after(since));
        assert_eq!(asked.elapsed(), SPACING);
        drop(edits);
        assert!(coherence.read().is_none(), "the feed has ended");
    }
}
