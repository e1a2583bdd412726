//! From a document's names to sets of bits.
//!
//! Promise: a [`Policy`] is consistent: every role, kind and action that it mentions exists, and
//! nothing it does not mention can be asked for. What a document leaves out grants nothing.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use crate::{Document, IdType, KindDocument};

/// The most actions of one policy: one bit each.
const MAX_ACTIONS: usize = 64;
/// The most roles, and the most kinds, of one policy.
const MAX_NAMES: usize = 255;
/// Stands for every kind in `subject_roles`.
const EVERY_KIND: &str = "*";

/// An action of the policy that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Action(u8);

/// A role of the policy that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Role(u8);

/// A kind of resource of the policy that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(u8);

/// A compiled policy. Immutable; a change is a new one.
#[derive(Debug)]
pub struct Policy {
    subject_id: IdType,
    actions: Vec<String>,
    roles: Vec<String>,
    kinds: Vec<CompiledKind>,
    owner: Option<Role>,
    visibility: BTreeMap<String, Role>,
    subject_roles: BTreeMap<String, Vec<Actions>>,
}

/// Why a document is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More of something than a policy can hold.
    #[error("{count} {what}: expected at most {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// `visibility_roles` names a role that is not in `roles`.
    #[error("visibility_roles.{visibility}: no role `{role}`: expected one of `roles`")]
    UnknownVisibilityRole {
        /// The visibility.
        visibility: String,
        /// The role.
        role: String,
    },
    /// `subject_roles` names a kind that is not in `kinds`.
    #[error("subject_roles.{role}: no kind `{kind}`: expected one of `kinds`, or `*`")]
    UnknownSubjectRoleKind {
        /// The subject role.
        role: String,
        /// The kind.
        kind: String,
    },
}

impl Policy {
    /// Compiles a document.
    ///
    /// # Errors
    /// When the document mentions what it does not define, or too much of it.
    pub fn compile(document: &Document) -> Result<Self, PolicyError> {
        let actions = bounded("actions", MAX_ACTIONS, action_names(document))?;
        let roles = bounded("roles", MAX_NAMES, role_names(document))?;
        let kind_names = bounded("kinds", MAX_NAMES, document.kinds.keys().collect())?;
        let names = Names {
            actions: &actions,
            roles: &roles,
        };

        let kinds = document
            .kinds
            .iter()
            .map(|(name, kind)| names.kind(name, kind, &document.roles))
            .collect();
        let visibility = document
            .visibility_roles
            .iter()
            .map(|(visibility, role)| match names.role(role) {
                Some(known) => Ok((visibility.clone(), known)),
                None => Err(PolicyError::UnknownVisibilityRole {
                    visibility: visibility.clone(),
                    role: role.clone(),
                }),
            })
            .collect::<Result<_, _>>()?;
        let subject_roles = document
            .subject_roles
            .iter()
            .map(|(role, grants)| {
                Ok((role.clone(), names.subject_role(role, grants, &kind_names)?))
            })
            .collect::<Result<_, PolicyError>>()?;

        Ok(Self {
            subject_id: document.subject_id,
            owner: names.role("owner"),
            actions,
            roles,
            kinds,
            visibility,
            subject_roles,
        })
    }

    /// How subjects' ids are written.
    #[must_use]
    pub const fn subject_id(&self) -> IdType {
        self.subject_id
    }

    /// The kind of this name.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<Kind> {
        self.kinds
            .iter()
            .zip(0..)
            .find(|(kind, _)| kind.name == name)
            .map(|(_, at)| Kind(at))
    }

    /// The action of this name, if any role could ever grant it.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<Action> {
        position(&self.actions, name).map(Action)
    }

    /// The role of this name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<Role> {
        position(&self.roles, name).map(Role)
    }

    /// The name of a kind of this policy.
    #[must_use]
    pub fn kind_name(&self, kind: Kind) -> &str {
        self.kinds
            .get(usize::from(kind.0))
            .map_or("", |kind| &kind.name)
    }

    /// The name of an action of this policy.
    #[must_use]
    pub fn action_name(&self, action: Action) -> &str {
        self.actions
            .get(usize::from(action.0))
            .map_or("", String::as_str)
    }

    /// The name of a role of this policy.
    #[must_use]
    pub fn role_name(&self, role: Role) -> &str {
        self.roles
            .get(usize::from(role.0))
            .map_or("", String::as_str)
    }

    /// How ids of a kind are written.
    #[must_use]
    pub fn id_type(&self, kind: Kind) -> Option<IdType> {
        self.kinds.get(usize::from(kind.0)).map(|kind| kind.id)
    }

    pub(crate) fn compiled(&self, kind: Kind) -> Option<&CompiledKind> {
        self.kinds.get(usize::from(kind.0))
    }

    pub(crate) const fn owner(&self) -> Option<Role> {
        self.owner
    }

    pub(crate) fn visibility_role(&self, visibility: &str) -> Option<Role> {
        self.visibility.get(visibility).copied()
    }

    pub(crate) fn subject_role_grants(&self, role: &str, kind: Kind, action: Action) -> bool {
        self.subject_roles
            .get(role)
            .and_then(|kinds| kinds.get(usize::from(kind.0)))
            .is_some_and(|actions| actions.contains(action))
    }
}

/// A kind's rules.
#[derive(Debug)]
pub(crate) struct CompiledKind {
    name: String,
    id: IdType,
    grants: Vec<Actions>,
    statuses: Option<BTreeSet<String>>,
}

impl CompiledKind {
    pub(crate) fn allows(&self, role: Role, action: Action) -> bool {
        self.grants
            .get(usize::from(role.0))
            .is_some_and(|actions| actions.contains(action))
    }

    pub(crate) fn admits(&self, status: Option<&str>) -> bool {
        self.statuses
            .as_ref()
            .is_none_or(|named| status.is_some_and(|status| named.contains(status)))
    }
}

/// A set of actions.
#[derive(Debug, Clone, Copy, Default)]
struct Actions(u64);

impl Actions {
    fn insert(&mut self, action: Action) {
        self.0 |= 1u64.checked_shl(u32::from(action.0)).unwrap_or(0);
    }

    fn contains(self, action: Action) -> bool {
        self.0 & 1u64.checked_shl(u32::from(action.0)).unwrap_or(0) != 0
    }
}

struct Names<'a> {
    actions: &'a [String],
    roles: &'a [String],
}

impl Names<'_> {
    fn role(&self, name: &str) -> Option<Role> {
        position(self.roles, name).map(Role)
    }

    fn set<'s>(&self, actions: impl IntoIterator<Item = &'s String>) -> Actions {
        let mut set = Actions::default();
        for name in actions {
            if let Some(at) = position(self.actions, name) {
                set.insert(Action(at));
            }
        }
        set
    }

    fn kind(
        &self,
        name: &str,
        kind: &KindDocument,
        shared: &BTreeMap<String, BTreeSet<String>>,
    ) -> CompiledKind {
        let roles = kind.roles.as_ref().unwrap_or(shared);
        CompiledKind {
            name: name.to_owned(),
            id: kind.id,
            grants: self
                .roles
                .iter()
                .map(|role| self.set(roles.get(role).into_iter().flatten()))
                .collect(),
            statuses: kind.statuses.clone(),
        }
    }

    fn subject_role(
        &self,
        role: &str,
        grants: &BTreeMap<String, BTreeSet<String>>,
        kinds: &[String],
    ) -> Result<Vec<Actions>, PolicyError> {
        if let Some(kind) = grants
            .keys()
            .find(|kind| *kind != EVERY_KIND && !kinds.contains(kind))
        {
            return Err(PolicyError::UnknownSubjectRoleKind {
                role: role.to_owned(),
                kind: kind.clone(),
            });
        }
        let everywhere = grants.get(EVERY_KIND);
        Ok(kinds
            .iter()
            .map(|kind| self.set(grants.get(kind).into_iter().chain(everywhere).flatten()))
            .collect())
    }
}

fn role_maps(document: &Document) -> impl Iterator<Item = &BTreeMap<String, BTreeSet<String>>> {
    let own = document
        .kinds
        .values()
        .filter_map(|kind| kind.roles.as_ref());
    std::iter::once(&document.roles).chain(own)
}

fn role_names(document: &Document) -> BTreeSet<&String> {
    role_maps(document).flat_map(BTreeMap::keys).collect()
}

fn action_names(document: &Document) -> BTreeSet<&String> {
    let by_role = role_maps(document).flat_map(BTreeMap::values).flatten();
    let by_subject = document
        .subject_roles
        .values()
        .flat_map(BTreeMap::values)
        .flatten();
    by_role.chain(by_subject).collect()
}

fn bounded(
    what: &'static str,
    most: usize,
    names: BTreeSet<&String>,
) -> Result<Vec<String>, PolicyError> {
    if names.len() > most {
        return Err(PolicyError::TooMany {
            what,
            count: names.len(),
            most,
        });
    }
    Ok(names.into_iter().cloned().collect())
}

fn position(names: &[String], name: &str) -> Option<u8> {
    let at = names
        .binary_search_by(|known| known.as_str().cmp(name))
        .ok()?;
    u8::try_from(at).ok()
}
