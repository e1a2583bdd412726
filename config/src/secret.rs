//! A value that must never be printed.
//!
//! Promise: no `Display`, no `Serialize`, and a `Debug` that shows nothing, so that a log line or
//! an error cannot carry it by accident. It does not wipe memory, and it has no `==`: secrets are
//! compared in constant time by whoever needs to.

use std::fmt;

/// Bytes that only [`Secret::expose`] gives away.
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes. Every call is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        assert_eq!(secret.expose(), b"hunter2");
    }
}
