//! What is said to lead to the other answer does, all of it is needed, and nothing that is simpler is left out.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use sidegate_policy::{
    Change, Id, IdType, MembershipRow, Policy, ProjectRow, ResourceRow, SubjectRow, UnixMicros, Way,
};

use crate::properties::{ROLES, SUBJECT_ROLES, VISIBILITIES, World, me, world};

/// Beside names that the policies here have.
const STATUSES: [Option<&str>; 3] = [None, Some("queued"), Some("completed")];

/// Every world in which a change has been made, whichever of its values was chosen.
fn made(world: &World, change: &Change<'_>) -> Vec<World> {
    let mut worlds = Vec::new();
    let mut add = |edit: &dyn Fn(&mut World)| {
        let mut world = world.clone();
        edit(&mut world);
        worlds.push(world);
    };
    match change {
        Change::Activate => add(&|world| {
            let roles = world.subject.take().map_or([].into(), |row| row.roles);
            world.subject = Some(SubjectRow {
                active: true,
                roles,
            });
        }),
        Change::Create => add(&|world| world.resource = Some(ResourceRow::default())),
        Change::SetStatus(names) => names.iter().for_each(|name| {
            add(&|world| set_status(world, Some(name)));
        }),
        Change::UnsetStatus(names) => {
            let others = STATUSES
                .into_iter()
                .filter(|status| status.is_none_or(|status| !names.contains(&status)));
            others.for_each(|status| add(&|world| set_status(world, status)));
        }
        Change::Own => add(&|world| set_owner(world, Some(me()))),
        Change::Disown => {
            add(&|world| set_owner(world, None));
            add(&|world| set_owner(world, Id::parse(IdType::Text, "you")));
        }
        Change::Join(names) => names.iter().for_each(|name| {
            add(&|world| join(world, name));
        }),
        Change::Leave(names) => return left(world, names),
        Change::Show(names) => names.iter().for_each(|name| {
            add(&|world| show(world, Some(name)));
        }),
        Change::Hide(names) => {
            add(&|world| world.project = None);
            add(&|world| show(world, None));
            let others = VISIBILITIES
                .into_iter()
                .filter(|name| !names.contains(name));
            others.for_each(|name| add(&|world| show(world, Some(name))));
        }
        Change::Appoint(names) => names.iter().for_each(|name| {
            add(&|world| world.claimed.push(Arc::from(*name)));
            add(&|world| appoint(world, name));
        }),
        Change::Dismiss(names) => add(&|world| dismiss(world, names)),
        Change::Deactivate => {
            add(&|world| world.subject = None);
            add(&|world| world.subject.iter_mut().for_each(|row| row.active = false));
        }
        Change::Delete => add(&|world| world.resource = None),
    }
    worlds
}

/// Every world in which the subject is no member with one of these roles.
fn left(world: &World, names: &[&str]) -> Vec<World> {
    let others = ROLES.into_iter().filter(|role| !names.contains(role));
    let mut worlds = vec![world.clone(); 2];
    worlds[0].membership = None;
    let expired = worlds[1].membership.iter_mut();
    expired.for_each(|row| row.expires_at = Some(UnixMicros(1)));
    worlds.extend(others.map(|role| {
        let mut world = world.clone();
        join(&mut world, role);
        world
    }));
    worlds
}

fn set_status(world: &mut World, status: Option<&str>) {
    let row = world.resource.iter_mut();
    row.for_each(|row| row.status = status.map(Arc::from));
}

fn set_owner(world: &mut World, owner: Option<Id>) {
    let row = world.resource.iter_mut();
    row.for_each(|row| row.owner = owner.clone());
}

fn join(world: &mut World, role: &str) {
    world.membership = Some(MembershipRow {
        role: Arc::from(role),
        expires_at: None,
    });
}

fn show(world: &mut World, visibility: Option<&str>) {
    world.project = Some(ProjectRow {
        visibility: visibility.map(Arc::from),
        ..ProjectRow::default()
    });
}

fn appoint(world: &mut World, role: &str) {
    let row = world.subject.iter_mut();
    row.for_each(|row| row.roles = row.roles.iter().cloned().chain([Arc::from(role)]).collect());
}

fn dismiss(world: &mut World, roles: &[&str]) {
    world.claimed.retain(|role| !roles.contains(&&**role));
    let row = world.subject.iter_mut();
    row.for_each(|row| {
        let stays = row.roles.iter().filter(|role| !roles.contains(&&***role));
        row.roles = stays.cloned().collect();
    });
}

/// The same for several changes, one after the other.
fn all_made(world: &World, changes: &[Change<'_>]) -> Vec<World> {
    changes.iter().fold(vec![world.clone()], |worlds, change| {
        worlds
            .iter()
            .flat_map(|world| made(world, change))
            .collect()
    })
}

fn without(changes: &[Change<'static>], at: usize) -> Vec<Change<'static>> {
    let mut fewer = changes.to_vec();
    fewer.remove(at);
    fewer
}

/// The ways, whose names live as long as a test's policies do.
fn ways(world: &World) -> Option<Vec<Way<'static>>> {
    let policy = Box::leak(Box::new(Policy::compile(&world.document).unwrap()));
    let policy: &'static Policy = policy;
    world.with(policy, |query, facts| policy.flips(query, facts))
}

/// Every change of one row by one value that could lead to an allow.
fn simple_changes() -> Vec<Change<'static>> {
    let one_of = |names: &[&'static str], change: fn(Vec<&'static str>) -> Change<'static>| {
        names
            .iter()
            .map(|name| change(vec![name]))
            .collect::<Vec<_>>()
    };
    [
        vec![Change::Activate, Change::Create, Change::Own],
        one_of(&["completed"], Change::SetStatus),
        one_of(&ROLES, Change::Join),
        one_of(&VISIBILITIES, Change::Show),
        one_of(&SUBJECT_ROLES, Change::Appoint),
    ]
    .concat()
}

/// Whether ways name a change of one value, alone.
fn name(ways: &[Way<'_>], change: &Change<'_>) -> bool {
    ways.iter()
        .any(|way| match (way.changes.as_slice(), change) {
            ([Change::SetStatus(names)], Change::SetStatus(value))
            | ([Change::Join(names)], Change::Join(value))
            | ([Change::Show(names)], Change::Show(value))
            | ([Change::Appoint(names)], Change::Appoint(value)) => names.contains(&value[0]),
            ([only], change) => only == change,
            (_, _) => false,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_way_leads_to_the_other_answer_and_needs_all_of_its_changes(world in world()) {
        let (Some(ways), allowed) = (ways(&world), world.allowed()) else { return Ok(()) };
        for way in &ways {
            prop_assert!(!way.changes.is_empty());
            for after in all_made(&world, &way.changes) {
                prop_assert_eq!(after.allowed(), !allowed, "{:?} gives {:?}", way, after);
            }
            for at in 0..way.changes.len() {
                let fewer = all_made(&world, &without(&way.changes, at));
                prop_assert!(fewer.iter().all(|after| after.allowed() == allowed), "{:?}", way);
            }
        }
    }

    #[test]
    fn what_one_row_can_do_is_named(world in world()) {
        let Some(ways) = ways(&world) else { return Ok(()) };
        if world.allowed() {
            // All grants at once, the subject, the resource.
            prop_assert!(ways.len() >= 3, "{:?}", ways);
            return Ok(());
        }
        for change in simple_changes() {
            // A row that is there is not made anew.
            if change == Change::Create && world.resource.is_some() {
                continue;
            }
            if made(&world, &change).iter().any(World::allowed) {
                prop_assert!(name(&ways, &change), "{:?} is not in {:?}", change, ways);
            }
        }
    }
}

#[test]
fn where_no_row_can_help_nothing_is_named() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = [false; 2];
    for _ in 0..5_000 {
        let world = world().new_tree(&mut runner).unwrap().current();
        let Some(ways) = ways(&world) else { continue };
        seen[usize::from(ways.is_empty())] = true;
        if ways.is_empty() {
            assert!(!world.allowed());
        }
    }
    assert_eq!(seen, [true; 2], "both kinds of world were looked at");
}
