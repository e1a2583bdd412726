//! A row counts while it is in time and untouched, and an answer is whole.

use std::time::Duration;

use super::{
    START, World, about, alone, full, id, membership, project, resource, settings, subject,
};
use crate::cache::entry::until;
use crate::coherence::BootTime;
use crate::store::Answer;

#[test]
fn an_answer_comes_back_whole() {
    let own_team = Answer {
        resource: Some(resource(None, Some("u"))),
        project: None,
        ..full()
    };
    let beside_its_project = Answer {
        resource: Some(resource(Some("p"), Some("u"))),
        ..full()
    };
    let nobodys = Answer {
        resource: Some(resource(None, None)),
        project: None,
        membership: None,
        ..full()
    };
    let without_team = Answer {
        project: Some(project(None)),
        membership: None,
        ..full()
    };
    for answer in [full(), own_team, beside_its_project, nobodys, without_team] {
        let world = World::new();
        let asked = about("alice", "1");
        assert_eq!(world.answer(&asked), None);
        world.keep(&asked, &answer);
        assert_eq!(world.answer(&asked), Some(answer.clone()));
        let known = world.answer(&alone("alice")).unwrap();
        assert_eq!(known.subject, answer.subject);
        assert_eq!((known.resource, known.project), (None, None));
    }
}

#[test]
fn an_answer_with_a_part_missing_is_none() {
    let world = World::new();
    world.keep(&about("alice", "1"), &full());
    let bob = about("bob", "1");
    assert_eq!(world.answer(&bob), None);
    let known = Answer {
        subject: Some(subject()),
        ..Answer::default()
    };
    world.keep(&alone("bob"), &known);
    world.tell(&[]);
    // The resource and the project serve everybody; a membership is one's own.
    assert_eq!(world.answer(&bob), None);
    assert_eq!(world.answer(&about("alice", "2")), None);
    let mut folder = about("alice", "1");
    folder.resource = Some(("folder", id("1")));
    assert_eq!(world.answer(&folder), None);
    assert!(world.answer(&about("alice", "1")).is_some());
}

#[test]
fn a_change_of_any_row_ends_the_answer_and_no_other_change_does() {
    let asked = about("alice", "1");
    for tag in [
        "user:alice",
        "resource:document:1",
        "project:p",
        "member:t:alice",
        "*",
    ] {
        let world = World::new();
        world.keep(&asked, &full());
        let others = [
            "user:bob",
            "resource:folder:1",
            "resource:project:p",
            "project:q",
            "member:t:bob",
        ];
        world.tell(&others);
        assert!(world.answer(&asked).is_some());
        world.tell(&[tag]);
        assert_eq!(world.answer(&asked), None, "{tag}");
        world.tell(&[]);
        assert_eq!(world.answer(&asked), None, "{tag}: a change is for good");
        world.keep(&asked, &full());
        assert!(world.answer(&asked).is_some(), "{tag}: read after it");
    }
}

#[test]
fn a_change_that_is_told_while_the_statement_runs_ends_its_rows() {
    let world = World::new();
    let asked = about("alice", "1");
    for (tag, counts) in [("user:alice", false), ("user:bob", true)] {
        let before = world.coherence.begin().unwrap();
        world.tell(&[tag]);
        let version = world.coherence.admit(before, &world.origin).unwrap();
        world.keep_at(&asked, &full(), version, START);
        assert_eq!(world.answer(&asked).is_some(), counts, "{tag}");
    }
}

#[test]
fn a_flush_ends_everything_and_what_is_read_later_counts_again() {
    let world = World::new();
    let asked = about("alice", "1");
    world.keep(&asked, &full());
    world.coherence.flush();
    assert_eq!(world.answer(&asked), None);
    world.tell(&[]);
    assert_eq!(world.answer(&asked), None);
    world.keep(&asked, &full());
    assert!(world.answer(&asked).is_some());
}

#[test]
fn the_team_is_the_one_that_the_rows_name() {
    let world = World::new();
    let asked = about("alice", "1");
    world.keep(&asked, &full());
    // The project moves to another team: the old team's membership is nobody's answer.
    let moved = Answer {
        project: Some(project(Some("v"))),
        membership: None,
        ..full()
    };
    world.tell(&["project:p"]);
    world.keep(&asked, &moved);
    assert_eq!(world.answer(&asked), Some(moved));
    // The resource moves to another project, of which nothing is known.
    let elsewhere = Answer {
        resource: Some(resource(Some("q"), None)),
        project: Some(project(Some("t"))),
        membership: Some(membership()),
        ..full()
    };
    world.tell(&["resource:document:1"]);
    assert_eq!(world.answer(&asked), None);
    world.keep(&asked, &elsewhere);
    assert_eq!(world.answer(&asked), Some(elsewhere));
}

#[test]
fn a_row_counts_for_the_time_of_its_class_from_when_it_was_kept() {
    let asked = about("alice", "1");
    let seconds = [100, 200, 300, 400];
    let stats = |world: &World| {
        let stats = world.l1.stats();
        [
            stats.user_auth,
            stats.direct_ownership,
            stats.team_access,
            stats.project_visibility,
        ]
        .map(|class| class.expired)
    };
    for (class, ttl) in seconds.into_iter().enumerate() {
        // Every other class is kept for longer than this one.
        let mut settings = settings();
        let long = Duration::from_secs(3_600);
        for (other, settings) in [
            &mut settings.user_auth,
            &mut settings.direct_ownership,
            &mut settings.team_access,
            &mut settings.project_visibility,
        ]
        .into_iter()
        .enumerate()
        {
            if other != class {
                settings.ttl = long;
            }
        }
        let world = World::with(&settings);
        world.keep(&asked, &full());
        // Being read is no reason to stay.
        for millis in [START, START + ttl * 500, START + ttl * 899] {
            assert!(world.answer_at(&asked, millis).is_some(), "{ttl}: {millis}");
        }
        assert_eq!(world.answer_at(&asked, START + ttl * 1_000), None, "{ttl}");
        let mut expired = [0; 4];
        expired[class] = 1;
        assert_eq!(stats(&world), expired);
    }
}

#[test]
fn lifetimes_end_early_by_up_to_a_tenth_and_never_late() {
    let ttl = Duration::from_secs(100);
    let kept = (0..10_000).map(BootTime::from_nanos);
    let spans: Vec<_> = kept.map(|now| until(now, ttl).since(now)).collect();
    let (least, most) = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
    assert!(*least >= ttl * 9 / 10 && *most <= ttl, "{least:?} {most:?}");
    assert!(*most - *least > ttl * 9 / 100, "{least:?} {most:?}");
}

#[test]
fn a_row_read_again_takes_the_place_of_the_old_one() {
    let world = World::new();
    let asked = about("alice", "1");
    world.keep(&asked, &full());
    let renewed = Answer {
        subject: Some(subject()),
        membership: None,
        ..full()
    };
    let version = world.version();
    world.keep_at(&asked, &renewed, version, START + 90_000);
    assert_eq!(world.answer_at(&asked, START + 94_000), Some(renewed));
    let stats = world.l1.stats();
    assert_eq!(stats.user_auth.entries, 1);
    assert_eq!(stats.team_access.entries, 1);
}
