//! Service keys as they are written.
//!
//! Promise: the keys of the section `service_keys`. It does not know which sources fit: `parse` does.

use schemars::JsonSchema;
use serde::Deserialize;

use super::issuer::Source;
use super::mapping::only_mapping;
use super::scalar::Lenient;

only_mapping!(ServiceKeys);

/// Keys of programs, which `sidegate key` makes. Only with `store.postgres`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct ServiceKeys {
    /// What digests of keys are made with, at least 32 bytes; `file:PATH` reads it from a file. The same on
    /// every instance and wherever keys are made: with another one no key is good. Required.
    pub(crate) pepper: String,
    /// Where keys may be found in a request: `bearer`, which takes keys that begin with `sgk_`, or a header
    /// of their own. Default: the header X-Api-Key.
    pub(crate) sources: Option<Vec<Source>>,
    /// Whether the application sees the key. Default: false.
    #[serde(default)]
    pub(crate) forward: Lenient<bool>,
}
