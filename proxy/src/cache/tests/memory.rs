//! What an answer costs, and what a row weighs.

use std::hint::black_box;
use std::sync::Arc;

use allocation_counter::measure;
use sidegate_policy::{Id, IdType, MembershipRow, ProjectRow, ResourceRow, SubjectRow};

use super::{Asked, START, World, about, at, full, settings};
use crate::cache::{ClassStats, L1Stats};
use crate::store::Answer;

#[test]
fn an_answer_from_memory_allocates_nothing() {
    let world = World::new();
    let asked = about("alice", "1");
    world.keep(&asked, &full());
    let reading = world.coherence.read().unwrap();
    let question = asked.question();
    let info = measure(|| {
        let answer = world.l1.answer(black_box(&question), &reading, at(START));
        assert!(answer.is_some());
        drop(black_box(answer));
    });
    assert_eq!(info.count_total, 0);
    // Nor does looking for what is not there.
    let other = about("alice", "2");
    let question = other.question();
    let info = measure(|| {
        let answer = world.l1.answer(black_box(&question), &reading, at(START));
        assert!(answer.is_none());
    });
    assert_eq!(info.count_total, 0);
}

/// A uuid that is not any other number's.
fn uuid(table: u64, number: u64) -> Id {
    let text = format!("{table:08x}-0000-4000-8000-{number:012x}");
    Id::parse(IdType::Uuid, &text).unwrap()
}

/// One of many like those of the example, made as a store makes it: no text is shared.
fn nth(number: u64) -> (Asked, Answer) {
    let asked = Asked {
        subject: uuid(1, number),
        resource: Some(("generation", uuid(2, number))),
    };
    let answer = Answer {
        subject: Some(Arc::new(SubjectRow {
            active: true,
            roles: [Arc::from("support")].into(),
        })),
        resource: Some(Arc::new(ResourceRow {
            owner: Some(uuid(1, number)),
            project: Some(uuid(3, number)),
            team: None,
            status: Some("completed".into()),
        })),
        project: Some(Arc::new(ProjectRow {
            owner: Some(uuid(1, number)),
            team: Some(uuid(4, number)),
            visibility: Some("private".into()),
        })),
        membership: Some(Arc::new(MembershipRow {
            role: "editor".into(),
            expires_at: None,
        })),
        origin: None,
    };
    (asked, answer)
}

fn classes(stats: &L1Stats) -> [ClassStats; 4] {
    [
        stats.user_auth,
        stats.direct_ownership,
        stats.team_access,
        stats.project_visibility,
    ]
}

#[test]
fn what_is_kept_weighs_no_more_than_there_is_room_for_and_no_less_than_it_needs() {
    let mut settings = settings();
    settings.l1_bytes = 8 << 20;
    let world = World::with(&settings);
    // Ten times of what fits, so that everything is full and much has been pushed out.
    let info = measure(|| {
        for number in 0..60_000 {
            let (asked, answer) = nth(number);
            world.keep(&asked, &answer);
        }
    });
    let stats = world.l1.stats();
    let mut total = 0;
    for class in classes(&stats) {
        let ClassStats {
            bytes, capacity, ..
        } = class;
        assert!(bytes <= capacity, "{stats:?}");
        assert!(bytes > capacity * 9 / 10, "{stats:?}");
        total += bytes;
        // No row was kept twice: each is here, or was pushed out once.
        assert_eq!(class.entries + class.evictions, 60_000, "{stats:?}");
        assert!(class.evictions > 0, "{stats:?}");
    }
    let held = u64::try_from(info.bytes_current).unwrap();
    assert!(held <= total, "weight {total}, held {held}: {stats:?}");
    assert!(held > total / 2, "weight {total}, held {held}: {stats:?}");
}

#[test]
fn what_is_kept_anew_was_not_pushed_out() {
    let world = World::new();
    for _ in 0..2 {
        world.keep(&about("alice", "1"), &full());
    }
    let stats = world.l1.stats();
    for class in classes(&stats) {
        let counts = (class.entries, class.fills, class.evictions);
        assert_eq!(counts, (1, 2, 0), "{stats:?}");
    }
}
