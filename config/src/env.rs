//! The one door to environment variables.
//!
//! Promise: nothing else in Sidegate reads the environment, so a test hands in a map and knows
//! everything that a configuration can see. It gives no meaning to a value: `expand` does.

use std::collections::BTreeMap;

/// Where the values of `${NAME}` come from.
pub trait Env {
    /// The value of a variable, `None` if it is not set.
    fn var(&self, name: &str) -> Option<String>;
}

/// The environment of this process. A value that is not Unicode counts as not set.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the door that the lint leads everybody else to"
    )]
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

impl Env for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}
