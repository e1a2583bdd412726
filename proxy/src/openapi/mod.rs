//! What an application says that it offers (its OpenAPI document), and what the rules say about it.
//!
//! Promise: nothing that is written from a document is public, whatever the document says, and
//! nothing of a document is dropped in silence: what has no rule is named with the reason. A text
//! of a document cannot become a line of a configuration of its own. No document makes this panic,
//! hang or take memory without bound.
//!
//! Does not: validate a document (only what says which requests there are is read: paths, their
//! operations and parameters, `servers`, `security`), follow a `$ref` out of it, or look at
//! `webhooks` and `callbacks`, which the application sends and does not receive. There are crates
//! for OpenAPI, but each reads one version, and refuses a whole document for a fault in a part that
//! does not matter here.

mod coverage;
mod document;
mod error;
mod guess;
mod path;
mod reader;
mod reference;
mod server;
mod skeleton;
mod text;
mod tree;
mod yaml;

pub use coverage::{Answer, Coverage, Covered, Uncovered};
pub use document::{Demand, Document, Operation, Unread};
pub use error::OpenApiError;
pub use path::PathTemplate;
pub use skeleton::{Asked, Rule, Skeleton};

#[cfg(test)]
mod tests;
