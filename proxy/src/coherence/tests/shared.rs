//! What others have read counts as long as nothing of it can have changed unseen.

use std::sync::Arc;

use super::*;
use crate::coherence::shared::{Namespace, Outdated, Shared, Source};
use crate::store::History;

const TAGS: [Tag<'static>; 2] = [
    Tag::User("alice"),
    Tag::Member {
        team: "t",
        user: "alice",
    },
];

fn history(incarnation: &str) -> Arc<History> {
    Arc::new(History {
        system: "1".into(),
        timeline: "1".into(),
        incarnation: Some(incarnation.into()),
    })
}

fn conditions(floor: u64) -> Arc<Shared> {
    Arc::new(Shared::new(Namespace::of_test(1), floor))
}

/// Open, with a log that is known from transaction 5 on.
fn open() -> (Coherence, Arc<Shared>) {
    let bob = Tag::Member {
        team: "t",
        user: "bob",
    };
    let mut coherence = Coherence::new(1 << 16);
    while TAGS
        .map(|tag| coherence.slot(tag))
        .contains(&coherence.slot(bob))
    {
        coherence = Coherence::new(1 << 16);
    }
    let shared = conditions(5);
    coherence.told(BootTime::now(), &history("a"), &[]);
    coherence.share(Arc::clone(&shared));
    (coherence, shared)
}

fn admitted(coherence: &Coherence, shared: &Arc<Shared>, xmin: u64) -> Result<Version, Outdated> {
    let admitted = coherence.admit_shared(Source::Instance, shared, xmin, TAGS);
    admitted.map(|(_, version)| version)
}

#[test]
fn a_value_counts_until_a_transaction_that_it_may_not_have_seen_changed_any_of_it() {
    let (coherence, shared) = open();
    assert!(admitted(&coherence, &shared, 20).is_ok());
    coherence.touch("member:t:bob", 30, 1);
    assert!(admitted(&coherence, &shared, 20).is_ok(), "another member");
    coherence.touch("member:t:alice", 19, 0);
    assert!(admitted(&coherence, &shared, 20).is_ok(), "it saw that");
    coherence.touch("member:t:alice", 20, 0);
    assert_eq!(admitted(&coherence, &shared, 20), Err(Outdated::Changed));
    assert!(admitted(&coherence, &shared, 21).is_ok());
    coherence.touch("*", 40, 0);
    assert_eq!(admitted(&coherence, &shared, 40), Err(Outdated::Changed));
    assert!(admitted(&coherence, &shared, 41).is_ok());
}

#[test]
fn what_is_older_than_the_log_or_under_other_conditions_or_a_lease_that_ended_does_not_count() {
    let (coherence, shared) = open();
    assert_eq!(admitted(&coherence, &shared, 4), Err(Outdated::Changed));
    assert!(admitted(&coherence, &shared, 5).is_ok());
    assert_eq!(
        admitted(&coherence, &conditions(5), 20),
        Err(Outdated::Closed)
    );
    let old = BootTime::from_nanos(BootTime::now().nanos() - 2_000_000_000);
    coherence.told(old, &history("a"), &[]);
    coherence.share(Arc::clone(&shared));
    assert_eq!(admitted(&coherence, &shared, 20), Err(Outdated::Closed));
}

#[test]
fn what_was_admitted_ends_with_the_next_change_that_a_poll_tells_of() {
    let (coherence, shared) = open();
    let version = admitted(&coherence, &shared, 20).unwrap();
    let slot = coherence.slot(TAGS[1]);
    assert!(coherence.read().unwrap().untouched(&version, slot));
    let number = coherence.take_number();
    coherence.touch("member:t:alice", 12, number);
    coherence.publish(number, BootTime::now());
    assert!(!coherence.read().unwrap().untouched(&version, slot));
}

#[test]
fn another_life_forgets_the_transactions_of_the_one_before() {
    let (coherence, shared) = open();
    coherence.touch("user:alice", 1_000_000, 1);
    assert_eq!(admitted(&coherence, &shared, 20), Err(Outdated::Changed));
    // The same one again forgets nothing.
    coherence.told(BootTime::now(), &history("a"), &[]);
    coherence.share(Arc::clone(&shared));
    assert_eq!(admitted(&coherence, &shared, 20), Err(Outdated::Changed));
    coherence.told(BootTime::now(), &history("b"), &[]);
    assert_eq!(admitted(&coherence, &shared, 20), Err(Outdated::Closed));
    coherence.share(Arc::clone(&shared));
    assert!(admitted(&coherence, &shared, 20).is_ok());
    assert_eq!(coherence.last_change(), 0);
}
