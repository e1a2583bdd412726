//! Rows of different statements are combined when a poll that began after the last of them was read
//! has been applied, and not before.

use std::time::Duration;

use super::{Asked, START, World, about, at, full, resource, settings};
use crate::cache::Missed;
use crate::store::Answer;

/// Alice's subject row and Bob's resource row, read by two statements. No team, no project.
fn two_statements(world: &World) {
    for (subject, document) in [("alice", "1"), ("bob", "2")] {
        let answer = Answer {
            resource: Some(resource(None, None)),
            project: None,
            membership: None,
            ..full()
        };
        world.keep(&about(subject, document), &answer);
    }
}

#[test]
fn rows_of_one_statement_need_no_poll() {
    let world = World::new();
    two_statements(&world);
    assert!(world.answer(&about("alice", "1")).is_some());
    assert!(world.answer(&about("bob", "2")).is_some());
    assert_eq!(world.l1.stats().apart, 0);
}

#[test]
fn rows_of_two_statements_need_a_later_poll() {
    let world = World::new();
    two_statements(&world);
    let mixed = about("alice", "2");
    assert_eq!(world.answer(&mixed), None);
    assert_eq!(world.l1.stats().apart, 1);
    world.tell(&[]);
    assert!(world.answer(&mixed).is_some());
    assert_eq!(world.l1.stats().apart, 1);
}

#[test]
fn what_a_poll_mends_is_told_from_what_only_the_store_can() {
    let world = World::new();
    two_statements(&world);
    let missed = |asked: &Asked| {
        let reading = world.coherence.read().unwrap();
        world.l1.look(&asked.question(), &reading, at(START)).err()
    };
    let mixed = about("alice", "2");
    assert_eq!(missed(&mixed), Some(Missed::Apart));
    assert_eq!(missed(&about("alice", "3")), Some(Missed::Absent));
    // Rows that are apart and of which one was touched: no poll brings that one back.
    world.tell(&["user:alice"]);
    assert_eq!(missed(&mixed), Some(Missed::Absent));
}

/// With absences not kept, a statement that misses one row leaves the older row where it is.
fn beside_an_older_row(asked: &Asked, older: &Asked, row: &Answer, without: &Answer) {
    let mut settings = settings();
    settings.negative_ttl = Duration::ZERO;
    let world = World::with(&settings);
    world.keep(older, row);
    world.keep(asked, without);
    assert_eq!(world.answer(asked), None);
    assert_eq!(world.l1.stats().apart, 1);
    world.tell(&[]);
    assert!(world.answer(asked).is_some());
}

#[test]
fn a_membership_is_held_to_it() {
    let without = Answer {
        membership: None,
        ..full()
    };
    let elsewhere = Answer {
        resource: Some(resource(None, Some("t"))),
        project: None,
        ..full()
    };
    let (asked, older) = (about("alice", "1"), about("alice", "2"));
    beside_an_older_row(&asked, &older, &elsewhere, &without);
}

#[test]
fn a_project_is_held_to_it() {
    let without = Answer {
        resource: Some(resource(Some("p"), Some("t"))),
        project: None,
        ..full()
    };
    let (asked, older) = (about("alice", "1"), about("bob", "2"));
    beside_an_older_row(&asked, &older, &full(), &without);
}
