//! What requests see of the changes, with made-up polls, and with a database of a model.

mod model;
mod server;
mod shared;

use std::time::Duration;

use super::*;

const SECOND: u64 = 1_000_000_000;

impl Coherence {
    /// A poll as a test wants it: started then, telling of these tags; the gate opens.
    pub(crate) fn told(&self, start: BootTime, history: &Arc<History>, tags: &[&str]) {
        let number = self.take_number();
        for tag in tags {
            self.touch(tag, 1, number);
        }
        self.follow(Arc::clone(history));
        self.publish(number, start);
    }

    /// Caching is off.
    pub(crate) fn shut(&self) {
        self.close(vec!["a test".to_owned()]);
        self.flush();
    }
}

fn at(second: u64) -> BootTime {
    BootTime::from_nanos(second * SECOND)
}

fn life(incarnation: &str) -> Arc<History> {
    Arc::new(History {
        system: "1".into(),
        timeline: "00000001".into(),
        incarnation: Some(incarnation.into()),
    })
}

fn origin(history: &Arc<History>) -> Origin {
    Origin {
        xmin: 1,
        history: Arc::clone(history),
    }
}

/// One that a poll has opened, with a slot for each of the two users of these tests.
fn opened() -> (Coherence, Arc<History>) {
    let mut coherence = Coherence::new(1 << 16);
    while coherence.slot(Tag::User("alice")) == coherence.slot(Tag::User("bob")) {
        coherence = Coherence::new(1 << 16);
    }
    let history = life("first");
    coherence.told(at(1), &history, &[]);
    (coherence, history)
}

fn fill(coherence: &Coherence, history: &Arc<History>) -> Version {
    let before = coherence.begin().unwrap();
    coherence.admit(before, &origin(history)).unwrap()
}

#[test]
fn a_value_counts_until_a_later_poll_tells_of_its_tag() {
    let (coherence, history) = opened();
    let version = fill(&coherence, &history);
    let (alice, bob) = (Tag::User("alice"), Tag::User("bob"));
    let untouched = |tag| {
        coherence
            .read()
            .unwrap()
            .untouched(&version, coherence.slot(tag))
    };
    assert!(untouched(alice));
    coherence.told(at(2), &history, &["user:alice"]);
    assert!(!untouched(alice));
    assert!(untouched(bob));
    coherence.told(at(3), &history, &["*"]);
    assert!(!untouched(bob));
    let again = fill(&coherence, &history);
    assert!(
        coherence
            .read()
            .unwrap()
            .untouched(&again, coherence.slot(alice))
    );
}

#[test]
fn a_touch_that_a_reading_did_not_know_of_counts_all_the_same() {
    let (coherence, history) = opened();
    let version = fill(&coherence, &history);
    let reading = coherence.read().unwrap();
    coherence.told(at(2), &history, &["user:alice"]);
    let alice = coherence.slot(Tag::User("alice"));
    assert!(!reading.untouched(&version, alice));
    assert!(
        !reading.began_after(at(1)),
        "it keeps the lease that it has loaded"
    );
}

#[test]
fn a_reading_is_live_for_a_second_from_the_start_of_its_poll_and_lets_nobody_in_at_the_end_of_it() {
    let (coherence, history) = opened();
    let reading = coherence.read().unwrap();
    let margin = u64::try_from(reading::MARGIN.as_nanos()).unwrap();
    let end = 2 * SECOND - margin;
    assert!(reading.is_live(at(1)) && reading.is_live(BootTime::from_nanos(end)));
    assert!(!reading.is_live(BootTime::from_nanos(end + 1)));
    coherence.told(at(9), &history, &[]);
    assert!(!reading.is_live(at(9)), "a later lease is not its own");
    assert!(coherence.read().unwrap().is_live(at(9)));
}

#[test]
fn rows_of_two_statements_combine_after_a_poll_that_began_after_both_were_read() {
    let (coherence, history) = opened();
    let first = fill(&coherence, &history);
    let before = coherence.begin().unwrap();
    // A poll that is in flight while the second answer arrives.
    let in_flight = coherence.take_number();
    let second = coherence.admit(before, &origin(&history)).unwrap();
    let combine = || coherence.read().unwrap().combines([&first, &second]);
    assert!(coherence.read().unwrap().combines([&first, &first]) && !combine());
    coherence.publish(in_flight, at(2));
    assert!(
        !combine(),
        "its snapshot may be older than the second answer"
    );
    coherence.told(at(3), &history, &[]);
    assert!(combine());
}

#[test]
fn a_fill_that_everything_became_void_under_is_not_kept() {
    let (coherence, history) = opened();
    let across = coherence.begin().unwrap();
    let racing = fill(&coherence, &history);
    coherence.flush();
    assert_eq!(coherence.admit(across, &origin(&history)), None);
    let user = coherence.slot(Tag::User("alice"));
    let counts = |version| coherence.read().unwrap().untouched(version, user);
    assert!(!counts(&racing), "it was admitted a moment before");
    let early = fill(&coherence, &history);
    coherence.told(at(2), &history, &[]);
    assert!(!counts(&racing) && !counts(&early));
    assert!(counts(&fill(&coherence, &history)));
}

#[test]
fn an_answer_of_another_life_is_not_kept() {
    let (coherence, first) = opened();
    let (second, before) = (life("second"), coherence.begin().unwrap());
    assert!(coherence.is_foreign(&origin(&second)));
    assert_eq!(coherence.admit(before, &origin(&second)), None);
    coherence.told(at(2), &second, &[]);
    assert_eq!(coherence.admit(before, &origin(&first)), None);
}

#[test]
fn nothing_is_begun_read_or_admitted_while_it_is_closed() {
    let coherence = Coherence::new(1);
    assert!(coherence.read().is_none() && coherence.begin().is_none());
    assert!(!coherence.closed_because().is_empty());
    let (coherence, history) = opened();
    assert_eq!(coherence.closed_because(), Vec::<String>::new());
    let before = coherence.begin().unwrap();
    coherence.shut();
    assert!(coherence.read().is_none() && coherence.begin().is_none());
    assert_eq!(coherence.admit(before, &origin(&history)), None);
    coherence.told(at(2), &history, &[]);
    assert_eq!(coherence.admit(before, &origin(&history)), None);
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_the_first_poll_that_began_late_enough() {
    const LIMIT: Duration = Duration::from_secs(60);
    let (coherence, history) = opened();
    assert!(
        coherence
            .fresh(at(0), LIMIT)
            .await
            .unwrap()
            .began_after(at(0))
    );
    let feed = async {
        coherence.bell.notified().await;
        coherence.told(at(5), &history, &[]);
        tokio::task::yield_now().await;
        coherence.told(at(6), &history, &[]);
    };
    let (first, second, ()) = tokio::join!(
        coherence.fresh(at(5), LIMIT),
        coherence.fresh(at(5), LIMIT),
        feed
    );
    assert_eq!(first.unwrap().age(at(6)), Duration::ZERO);
    assert!(second.is_ok());

    let late = coherence.fresh(at(6), LIMIT).await;
    assert_eq!(late.unwrap_err(), Stale::Late);
    coherence.fail(at(8));
    let failed = coherence.fresh(at(7), LIMIT).await;
    assert_eq!(failed.unwrap_err(), Stale::Failed);
    coherence.shut();
    let closed = coherence.fresh(at(7), LIMIT).await;
    assert_eq!(closed.unwrap_err(), Stale::Closed);
}
