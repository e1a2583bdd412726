//! Links, and the storage behind media, as they are written.
//!
//! Promise: each key with its bounds and its default in its description. It does not know which routes
//! accept links or name media: `parse` does.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mapping::only_mapping;
use super::redis::Breaker;
use super::scalar::DurationText;

only_mapping!(Links, Storage, RouteMedia);

/// Links that carry their own credential: who, which path and resource, until when, and a signature.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Links {
    /// What links are signed with, at least 32 bytes, of this deployment alone; `file:PATH` reads it
    /// from a file. Required.
    pub(crate) key: String,
    /// Keys that links were signed with before, still accepted; `file:PATH` reads it from a file. Drop
    /// one when its last link has ended. Default: none.
    #[serde(default)]
    pub(crate) previous_keys: Vec<String>,
    /// The longest life of a link, 1s to 24h, whole seconds. Default: 15m.
    pub(crate) max_ttl: Option<DurationText>,
    /// The object storage that signs URLs for the `media` of routes. Default: none.
    pub(crate) storage: Option<Storage>,
}

/// An object storage that is asked to sign URLs, as Supabase's: `POST URL/object/sign/BUCKET/OBJECT`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Storage {
    /// Where it is: https, or http on loopback, such as `https://x.supabase.co/storage/v1`. Required.
    pub(crate) url: String,
    /// The bucket of routes whose `media` names none.
    pub(crate) bucket: Option<String>,
    /// The bearer token that it accepts; `file:PATH` reads it from a file. Required.
    pub(crate) token: String,
    /// How long a URL that it signs is good, 10s to 180s, whole seconds. So much longer than a right may
    /// such a URL be used once it was given. Default: 180s.
    pub(crate) expires_in: Option<DurationText>,
    /// Bound on one question, 1ms to 10s; then the application answers. Default: 1s.
    pub(crate) timeout: Option<DurationText>,
    /// When the storage is left alone; meanwhile the application answers.
    #[serde(default)]
    pub(crate) breaker: Breaker,
}

/// The object in the storage that is what a route answers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct RouteMedia {
    /// Its name, with `{id}` once in the place of the resource's id: `generations/{id}/output.png`.
    /// Required.
    pub(crate) object: String,
    /// Its bucket. Default: `links.storage.bucket`.
    pub(crate) bucket: Option<String>,
}
