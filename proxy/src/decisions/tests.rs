//! What is kept, for how long, and what pushes it out.

use std::path::Path;
use std::sync::Arc;

use sidegate_policy::{Id, IdType, Policy, Reason, UnixMicros};

use super::*;
use crate::observation::Timeline;
use crate::outcome::Code;
use crate::testing;

fn policy() -> Arc<Policy> {
    let document = testing::over_database("postgres://me@127.0.0.1:1/app");
    let settings = testing::settings(Path::new("/"), &document);
    assert_eq!(settings.telemetry.decisions, 4096);
    Arc::new(testing::policy(&document))
}

struct World {
    policy: Arc<Policy>,
    decisions: Decisions,
}

impl World {
    fn new(most: usize) -> Self {
        Self {
            policy: policy(),
            decisions: Decisions::new(most),
        }
    }

    fn keep(&self, code: Code, subject: Option<&str>) -> Uuid {
        let id = Uuid::new_v4();
        let case = Case {
            subject: subject.and_then(|id| Id::parse(IdType::Text, id)),
            ..Case::bare(code, Arc::clone(&self.policy))
        };
        self.decisions.keep(|| Record {
            id,
            at: UnixMicros(0),
            timeline: Timeline::begin(),
            method: None,
            status: None,
            detail: None,
            degraded: None,
            generation: 1,
            case,
        });
        id
    }

    fn denied(&self) -> Uuid {
        self.keep(Code::Decision(Reason::NoRole), Some("alice"))
    }

    fn has(&self, id: Uuid) -> bool {
        self.decisions.find(id).is_some()
    }
}

#[test]
fn the_oldest_makes_room_and_nothing_else_does() {
    let world = World::new(8);
    let first = world.denied();
    let others: Vec<_> = (0..3).map(|_| world.denied()).collect();
    assert!(world.has(first), "half of the room is for denials");
    let last = world.denied();
    assert!(!world.has(first) && world.has(last));
    assert!(others.iter().all(|id| world.has(*id)));
    assert!(!world.has(Uuid::new_v4()));
    let reach = world.decisions.reach();
    let denied = reach.iter().find(|reach| reach.group == Group::Denied);
    assert_eq!(denied.map(|reach| (reach.kept, reach.most)), Some((4, 4)));
    assert!(denied.unwrap().since.is_some());
    assert_eq!(reach.iter().map(|reach| reach.most).sum::<usize>(), 8);
}

#[test]
fn a_flood_of_one_kind_pushes_out_only_its_own() {
    let world = World::new(8);
    let denied = world.denied();
    let allowed = world.keep(Code::Decision(Reason::Ownership), Some("alice"));
    let stranger = world.keep(Code::InvalidCredential, None);
    for _ in 0..100 {
        world.keep(Code::MissingCredential, None);
        world.keep(Code::Public, None);
        world.keep(Code::NoRoute, None);
    }
    assert!(world.has(denied) && world.has(allowed) && !world.has(stranger));
    for _ in 0..100 {
        world.keep(Code::Decision(Reason::TeamAccess), Some("bob"));
    }
    assert!(world.has(denied) && !world.has(allowed));
    // An outage is one kind, too.
    for _ in 0..100 {
        world.keep(Code::StoreTimedOut, Some("bob"));
    }
    assert!(world.has(denied));
    for _ in 0..4 {
        world.denied();
    }
    assert!(!world.has(denied));
}

#[test]
fn another_size_begins_anew_and_none_keeps_nothing() {
    let world = World::new(8);
    let id = world.denied();
    world.decisions.resize(8);
    assert!(world.has(id), "a reload that changes nothing");
    world.decisions.resize(1);
    assert!(!world.has(id));
    let id = world.denied();
    assert!(world.has(id));
    let stranger = world.keep(Code::NoRoute, None);
    assert!(!world.has(stranger), "there is room for a denial only");
    world.decisions.resize(0);
    assert!(!world.has(id) && !world.has(world.denied()));
}

#[test]
fn a_place_that_is_looked_at_is_passed_over_and_counted() {
    let world = World::new(1);
    let first = world.denied();
    let skipped = || world.decisions.skipped.load(Ordering::Relaxed);
    assert_eq!(skipped(), 0);
    let rings = world.decisions.rings.load();
    let second = rings.of(Group::Denied).looked_at(|| world.denied());
    assert_eq!(skipped(), 1);
    assert!(world.has(first) && !world.has(second));
    let mut scrape = Scrape::default();
    world.decisions.gather(&mut scrape);
    let told = scrape.text();
    assert!(
        told.contains("sidegate_decisions_skipped_total 1\n"),
        "{told}"
    );
}

#[test]
fn writers_of_many_threads_keep_all_that_there_is_room_for() {
    let world = World::new(2_000);
    let ids: Vec<Uuid> = std::thread::scope(|scope| {
        let write = || (0..250).map(|_| world.denied()).collect::<Vec<_>>();
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(write)).collect();
        writers
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect()
    });
    assert_eq!(ids.len(), 1_000);
    assert!(ids.iter().all(|id| world.has(*id)));
}

#[test]
fn a_place_takes_as_much_as_is_said() {
    let bytes = size_of::<parking_lot::Mutex<Option<Record>>>();
    assert!(bytes <= 500, "{bytes}: config/sidegate.yaml says about 500");
}
