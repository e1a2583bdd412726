//! That a row is not there: what is kept of that, for how long, and what never is.

use std::time::Duration;

use super::{START, World, about, alone, full, resource, settings};
use crate::cache::L1Stats;
use crate::store::Answer;

#[test]
fn an_absent_subject_or_resource_is_never_kept() {
    let world = World::new();
    let asked = about("alice", "1");
    world.keep(&alone("alice"), &Answer::default());
    assert_eq!(world.answer(&alone("alice")), None);
    let no_resource = Answer {
        subject: full().subject,
        ..Answer::default()
    };
    world.keep(&asked, &no_resource);
    assert_eq!(world.answer(&asked), None);
    let no_subject = Answer {
        subject: None,
        membership: None,
        ..full()
    };
    world.keep(&about("bob", "1"), &no_subject);
    assert_eq!(world.answer(&about("bob", "1")), None);
    let stats = world.l1.stats();
    assert_eq!(stats.user_auth.entries, 1, "alice's row");
    assert_eq!(stats.team_access.entries, 0, "nobody is asked about");
}

#[test]
fn an_absent_membership_is_kept_for_seconds_and_until_it_is_there() {
    let absent = Answer {
        membership: None,
        ..full()
    };
    seconds_and_a_change(&absent, "member:t:alice");
}

#[test]
fn an_absent_project_is_kept_for_seconds_and_until_it_is_there() {
    let absent = Answer {
        project: None,
        membership: None,
        ..full()
    };
    seconds_and_a_change(&absent, "project:p");
    // The resource's own team does not need the project.
    let own = Answer {
        resource: Some(resource(Some("p"), Some("u"))),
        project: None,
        ..full()
    };
    seconds_and_a_change(&own, "project:p");
}

fn seconds_and_a_change(absent: &Answer, tag: &str) {
    let asked = about("alice", "1");
    let world = World::new();
    world.keep(&asked, absent);
    let kept = world.answer_at(&asked, START + 4_499);
    assert_eq!(kept.as_ref(), Some(absent));
    assert_eq!(world.answer_at(&asked, START + 5_000), None);
    world.tell(&[tag]);
    assert_eq!(world.answer(&asked), None);

    let mut none = settings();
    none.negative_ttl = Duration::ZERO;
    let world = World::with(&none);
    world.keep(&asked, absent);
    assert_eq!(world.answer(&asked), None);
    let stats = world.l1.stats();
    let there = u64::from(absent.project.is_some()) + u64::from(absent.membership.is_some());
    let kept = stats.project_visibility.entries + stats.team_access.entries;
    assert_eq!(kept, there);
    world.keep(&asked, &full());
    assert!(world.answer(&asked).is_some());
}

#[test]
fn a_cache_without_memory_keeps_nothing() {
    let mut off = settings();
    off.l1_bytes = 0;
    let world = World::with(&off);
    world.keep(&about("alice", "1"), &full());
    assert_eq!(world.answer(&about("alice", "1")), None);
    assert_eq!(world.l1.stats(), L1Stats::default());
}
