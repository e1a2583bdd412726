//! Properties of every policy and every set of facts, not only of the golden ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use sidegate_policy::{
    Decision, Document, Effect, Facts, Id, IdType, KindDocument, MembershipRow, Policy, ProjectRow,
    Query, Reason, ResourceRow, SubjectRow, UnixMicros,
};

pub(crate) const ACTIONS: [&str; 3] = ["read", "write", "share"];
pub(crate) const ROLES: [&str; 4] = ["owner", "editor", "viewer", "unlisted"];
pub(crate) const VISIBILITIES: [&str; 3] = ["public", "team_open", "private"];
pub(crate) const SUBJECT_ROLES: [&str; 3] = ["support", "auditor", "nobody"];
const KINDS: [&str; 2] = ["generation", "report"];

/// A world: a policy, the rows around one request, and the request.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) document: Document,
    pub(crate) subject: Option<SubjectRow>,
    pub(crate) claimed: Vec<Arc<str>>,
    pub(crate) resource: Option<ResourceRow>,
    pub(crate) project: Option<ProjectRow>,
    pub(crate) membership: Option<MembershipRow>,
    pub(crate) action: &'static str,
    pub(crate) kind: &'static str,
}

pub(crate) fn me() -> Id {
    Id::parse(IdType::Text, "me").unwrap()
}

impl World {
    pub(crate) fn decide(&self) -> Option<Decision> {
        let policy = Policy::compile(&self.document).unwrap();
        self.with(&policy, |query, facts| policy.evaluate(query, facts))
    }

    /// What is asked and known, for whoever asks the world's policy; `None`: it cannot be asked.
    pub(crate) fn with<T>(
        &self,
        policy: &Policy,
        ask: impl FnOnce(&Query<'_>, &Facts<'_>) -> T,
    ) -> Option<T> {
        let subject = me();
        let query = Query {
            subject: &subject,
            claimed_roles: &self.claimed,
            action: policy.action(self.action)?,
            kind: policy.kind(self.kind)?,
            now: UnixMicros(100),
        };
        let facts = Facts {
            subject: self.subject.as_ref(),
            resource: self.resource.as_ref(),
            project: self.project.as_ref(),
            membership: self.membership.as_ref(),
        };
        Some(ask(&query, &facts))
    }

    pub(crate) fn allowed(&self) -> bool {
        self.decide()
            .is_some_and(|decision| decision.effect() == Effect::Allow)
    }

    /// Every world in which exactly one grant of this one is missing.
    fn without_one_grant(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        let mut change = |edit: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            edit(&mut world);
            worlds.push(world);
        };
        for role in ROLES {
            for action in ACTIONS {
                change(&|world| {
                    world
                        .document
                        .roles
                        .get_mut(role)
                        .map(|set| set.remove(action));
                });
                for kind in KINDS {
                    change(&|world| {
                        let kind = world.document.kinds.get_mut(kind);
                        let roles = kind.and_then(|kind| kind.roles.as_mut());
                        roles
                            .and_then(|roles| roles.get_mut(role))
                            .map(|set| set.remove(action));
                    });
                }
            }
        }
        for visibility in VISIBILITIES {
            change(&|world| {
                world.document.visibility_roles.remove(visibility);
            });
        }
        for role in SUBJECT_ROLES {
            change(&|world| {
                world.document.subject_roles.remove(role);
            });
        }
        change(&|world| world.subject = None);
        change(&|world| world.claimed = Vec::new());
        change(&|world| world.membership = None);
        change(&|world| world.project = None);
        change(&|world| world.resource = None);
        change(&|world| {
            world.subject.iter_mut().for_each(|row| row.active = false);
        });
        change(&|world| {
            world
                .subject
                .iter_mut()
                .for_each(|row| row.roles = [].into());
        });
        change(&|world| {
            world.resource.iter_mut().for_each(|row| row.owner = None);
        });
        change(&|world| {
            world
                .membership
                .iter_mut()
                .for_each(|row| row.expires_at = Some(UnixMicros(1)));
        });
        worlds
    }
}

fn names(from: &'static [&'static str]) -> impl Strategy<Value = Vec<Arc<str>>> {
    subsequence(from, 0..=from.len())
        .prop_shuffle()
        .prop_map(|names| names.into_iter().map(Arc::from).collect())
}

fn actions() -> impl Strategy<Value = BTreeSet<String>> {
    subsequence(&ACTIONS, 0..=ACTIONS.len())
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn role_map() -> impl Strategy<Value = BTreeMap<String, BTreeSet<String>>> {
    proptest::collection::btree_map(select(&ROLES[..3]).prop_map(str::to_owned), actions(), 1..4)
}

prop_compose! {
    fn document()(
        roles in role_map(),
        own in proptest::option::of(role_map()),
        public in any::<bool>(),
        subject_roles in proptest::collection::btree_map(
            select(&SUBJECT_ROLES[..2]).prop_map(str::to_owned),
            proptest::collection::btree_map(
                select(&["generation", "*"][..]).prop_map(str::to_owned), actions(), 0..2),
            0..2),
        statuses in proptest::option::of(Just(BTreeSet::from(["completed".to_owned()]))),
    ) -> Document {
        let visible = roles.keys().next().cloned().filter(|_| public);
        let visibility_roles = visible.map(|role| ("public".to_owned(), role));
        Document {
            subject_id: IdType::Text,
            visibility_roles: visibility_roles.into_iter().collect(),
            roles,
            subject_roles,
            kinds: BTreeMap::from([
                ("generation".to_owned(), KindDocument { id: IdType::Text, roles: None, statuses }),
                ("report".to_owned(), KindDocument { id: IdType::Text, roles: own, statuses: None }),
            ]),
        }
    }
}

fn owner() -> impl Strategy<Value = Option<Id>> {
    select(&["", "me", "you"][..]).prop_map(|owner| Id::parse(IdType::Text, owner))
}

prop_compose! {
    pub(crate) fn world()(
        document in document(),
        subject in proptest::option::weighted(0.9, (any::<bool>(), names(&SUBJECT_ROLES))),
        claimed in names(&SUBJECT_ROLES),
        resource in proptest::option::weighted(0.9, (owner(), any::<bool>())),
        visibility in proptest::option::of(select(&VISIBILITIES)),
        member in proptest::option::of((select(&ROLES), proptest::option::of(50..150i64))),
        action in select(&ACTIONS),
        kind in select(&KINDS),
    ) -> World {
        World {
            document,
            subject: subject.map(|(active, roles)| SubjectRow { active, roles: roles.into() }),
            claimed,
            resource: resource.map(|(owner, done)| ResourceRow {
                owner,
                status: done.then(|| Arc::from("completed")),
                ..ResourceRow::default()
            }),
            project: visibility.map(|visibility| ProjectRow {
                visibility: Some(Arc::from(visibility)),
                ..ProjectRow::default()
            }),
            membership: member.map(|(role, end)| MembershipRow {
                role: Arc::from(role),
                expires_at: end.map(UnixMicros),
            }),
            action,
            kind,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn removing_a_grant_never_adds_access(world in world()) {
        if !world.allowed() {
            for poorer in world.without_one_grant() {
                prop_assert!(!poorer.allowed(), "{poorer:?}");
            }
        }
    }

    #[test]
    fn order_never_matters(world in world()) {
        let mut turned = world.clone();
        turned.claimed.reverse();
        if let Some(subject) = &mut turned.subject {
            subject.roles = subject.roles.iter().rev().cloned().collect();
        }
        prop_assert_eq!(world.decide(), turned.decide());
    }

    #[test]
    fn an_allow_names_a_check_that_grants_and_a_denial_has_none(world in world()) {
        let Some(decision) = world.decide() else { return Ok(()) };
        let granting: Vec<_> =
            decision.checks().into_iter().flat_map(|checks| checks.all()).filter(|(_, finding)| finding.grants()).collect();
        match decision.effect() {
            Effect::Allow => {
                prop_assert_eq!(granting[0].0.name(), decision.reason().name());
                prop_assert!(world.subject.is_some_and(|row| row.active));
            }
            Effect::Deny => prop_assert!(granting.is_empty(), "{:?}", decision),
        }
    }
}

#[test]
fn every_reason_is_reachable() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..5_000 {
        let world = world().new_tree(&mut runner).unwrap().current();
        reached.extend(world.decide().map(|decision| decision.reason().name()));
    }
    assert_eq!(reached.len(), Reason::ALL.len(), "{reached:?}");
}
