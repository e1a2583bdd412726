//! What the configuration expects of the database.

use std::collections::{BTreeMap, BTreeSet};

use sidegate_config::{IdType, PolicySettings, Pooler, PostgresSettings};

use crate::clock::Clock;

/// What the database is measured by.
#[derive(Debug, Clone)]
pub struct Expectations {
    pub(super) subject: IdType,
    /// kind -> how its ids are written.
    pub(super) kinds: BTreeMap<String, IdType>,
    /// Whether a status decides anything.
    pub(super) statuses: bool,
    /// The most connections that all instances may open, and how many instances there are. `None`:
    /// a pooler is in between, and its connections are not ours to count.
    pub(super) connections: Option<(usize, usize)>,
    /// Whether writes to the log are to ring.
    pub(super) doorbell: bool,
    pub(super) clock: Clock,
}

impl Expectations {
    /// Of a configuration.
    #[must_use]
    pub fn new(policy: &PolicySettings, store: &PostgresSettings, clock: Clock) -> Self {
        let database = &store.database;
        // Each instance has at least seven, however small its share: one per pool, two for the feed.
        let base = database.pool_size.max(database.instances.saturating_mul(7));
        let listening = if database.doorbell {
            database.instances
        } else {
            0
        };
        let connections = base
            .saturating_add(database.max_overflow)
            .saturating_add(listening);
        Self {
            subject: policy.subject_id,
            kinds: policy
                .kinds
                .iter()
                .map(|(name, kind)| (name.clone(), kind.id))
                .collect(),
            statuses: policy.kinds.values().any(|kind| kind.statuses.is_some()),
            connections: match database.pooler {
                Pooler::None => Some((connections, database.instances)),
                Pooler::Transaction => None,
            },
            doorbell: database.doorbell,
            clock,
        }
    }

    /// The names of the contract's views, without their schema.
    pub(super) fn views(&self) -> Vec<String> {
        let types: BTreeSet<_> = self.kinds.values().copied().collect();
        let resources = types
            .into_iter()
            .map(|id| format!("resources_{}", name(id)));
        ["subjects", "memberships", "projects"]
            .into_iter()
            .map(str::to_owned)
            .chain(resources)
            .collect()
    }
}

/// The name of a type of id, which is also PostgreSQL's.
pub(super) const fn name(id: IdType) -> &'static str {
    match id {
        IdType::Uuid => "uuid",
        IdType::Bigint => "bigint",
        IdType::Text => "text",
    }
}
