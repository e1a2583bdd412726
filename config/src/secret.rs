//! A value that must never be printed.
//!
//! Promise: no `Display`, no `Serialize`, and a `Debug` that shows nothing, so that a log line or
//! an error cannot carry it by accident. It does not wipe memory, and its `==` is not in constant
//! time: that is for noticing that a setting changed, and never for what a client presents.

use std::fmt;

/// Bytes that only [`Secret::expose`] gives away.
///
/// `==` tells two settings apart when they are loaded again. How long it takes depends on the
/// bytes, so whoever checks what a client presents compares in constant time instead.
#[derive(Clone, PartialEq, Eq)]
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
