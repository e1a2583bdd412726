//! The caches and what keeps them true, as they are written.
//!
//! Promise: each key with its bounds and its default in its description. It does not know how the
//! parts of the memory add up: `parse` does.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(Cache, Classes, Class, MediaClass, Coherence);

/// What is kept of the store's answers.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Cache {
    /// Memory for rows in this process, 1 to 65536 MiB; 0 keeps none. Default: 200.
    pub(crate) l1_size_mb: Option<Lenient<usize>>,
    /// Memory for tokens that were verified, 1 to 4096 MiB; 0 keeps none, and each request costs a
    /// signature. A token is kept for the `ttl` of `user_auth`, and never past its end. Default: 16.
    pub(crate) tokens_mb: Option<Lenient<usize>>,
    /// Memory for URLs that the storage has signed (`links.storage`), 1 to 1024 MiB; 0 keeps none. Default:
    /// 8.
    pub(crate) media_mb: Option<Lenient<usize>>,
    /// The longest that an answer is kept in Redis for a class that does not say it, 1s to 24h. An
    /// answer is kept for the shortest of its rows' times. Default: 900s.
    pub(crate) l2_ttl_default: Option<DurationText>,
    /// Whether memory is filled at the start, with the most recent resources of the materialized view.
    /// Default: true.
    pub(crate) warming: Option<Lenient<bool>>,
    /// With how many pairs of subject and resource, 1 to 1000000. Default: 10000.
    pub(crate) warming_pairs: Option<Lenient<usize>>,
    /// The kinds of row.
    #[serde(default)]
    pub(crate) classes: Classes,
    /// How long it is kept that there is no such membership or project, 0s to 60s; 0s keeps none.
    /// That there is no such subject or resource is never kept. Default: 5s.
    pub(crate) negative_ttl: Option<DurationText>,
}

/// The kinds of row that are kept.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Classes {
    /// Subjects. Default: 300s, 25 parts.
    #[serde(default)]
    pub(crate) user_auth: Class,
    /// Resources: owner, project, team, status. Default: 600s, 40 parts.
    #[serde(default)]
    pub(crate) direct_ownership: Class,
    /// Memberships. Default: 300s, 20 parts.
    #[serde(default)]
    pub(crate) team_access: Class,
    /// Projects: team, visibility. Default: 900s, 15 parts.
    #[serde(default)]
    pub(crate) project_visibility: Class,
    /// URLs that the storage has signed. Default: 180s.
    #[serde(default)]
    pub(crate) gen_media: MediaClass,
}

/// URLs that the storage has signed. They are in no Redis: they are secrets.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct MediaClass {
    /// The longest that one is kept, 1s to 1h, and never past the half of its own life. Default: 180s.
    pub(crate) ttl: Option<DurationText>,
}

/// One kind of row.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Class {
    /// The longest that a row is kept after it was read, 1s to 1h. A change ends it at once.
    /// Default: the class's own.
    pub(crate) ttl: Option<DurationText>,
    /// The longest that an answer with such a row is kept in Redis, 1s to 24h. Default: 1800s for
    /// `direct_ownership`, 3600s for `project_visibility`, else `l2_ttl_default`.
    pub(crate) l2_ttl: Option<DurationText>,
    /// Its part of the memory, 1 to 1000; what counts is the relation to the other classes' parts.
    /// Default: the class's own.
    pub(crate) share: Option<Lenient<usize>>,
}

/// How changes are noticed. With `store.file`, `poll_interval` is how often it is known that there was
/// none.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Coherence {
    /// How often the change log is read, 5ms to 250ms. Default: 50ms.
    pub(crate) poll_interval: Option<DurationText>,
    /// How often a change of nothing is written to the log, to measure when it counts here; 0s: never, or 1s
    /// to 5m. Default: 5s.
    pub(crate) canary_interval: Option<DurationText>,
    /// Size of the table that says what has changed, a power of two, 1024 to 16777216; 16 bytes
    /// each. In a small one more rows are given up with those that changed. Default: 1048576.
    pub(crate) slots: Option<Lenient<usize>>,
}
