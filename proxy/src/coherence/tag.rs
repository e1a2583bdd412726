//! The names of facts, as the log of changes writes them.
//!
//! Promise: a tag hashed by its parts and the same tag hashed as it is written give one number, and
//! hashing allocates nothing. Ids are the canonical text of their type, never a request's spelling.
//!
//! An id that contains a colon may make two tags of `member` look alike: they then share a slot, and
//! a change of one makes the other be read again.

use std::fmt;
use std::hash::Hasher;

use sidegate_policy::{Id, IdType};

/// A fact that a cached row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag<'a> {
    /// A subject's row.
    User(&'a str),
    /// A subject's row in a team.
    Member {
        /// The team's id.
        team: &'a str,
        /// The subject's id.
        user: &'a str,
    },
    /// A project's row.
    Project(&'a str),
    /// A resource's row.
    Resource {
        /// The kind's name.
        kind: &'a str,
        /// The resource's id.
        id: &'a str,
    },
    /// A service key.
    Key(&'a str),
    /// A session that may have been revoked.
    Session(&'a str),
    /// A token that may have been revoked.
    Token(&'a str),
    /// Everything that a subject has, which may have been.
    Credentials(&'a str),
    /// Everybody's tokens, which may have been.
    Everybody,
}

/// How the tags of credentials begin.
pub(crate) const CREDENTIAL: &str = "credential:";

/// How the tags of canaries begin, which are about no fact.
pub(super) const CANARY: &str = "canary:";

/// What the log writes for: everything may have changed.
pub(super) const EVERYTHING: &str = "*";

impl<'a> Tag<'a> {
    /// What it is written of, in order.
    const fn parts(self) -> (&'static str, &'a str, Option<&'a str>) {
        match self {
            Self::User(id) => ("user:", id, None),
            Self::Member { team, user } => ("member:", team, Some(user)),
            Self::Project(id) => ("project:", id, None),
            Self::Resource { kind, id } => ("resource:", kind, Some(id)),
            Self::Key(id) => ("credential:key:", id, None),
            Self::Session(id) => ("credential:session:", id, None),
            Self::Token(id) => ("credential:token:", id, None),
            Self::Credentials(id) => ("credential:user:", id, None),
            Self::Everybody => ("credential:all:", "*", None),
        }
    }

    /// Feeds its written form to a hasher, part by part.
    ///
    /// `write` takes a stream of bytes here (std's `SipHash` does; a test holds it to that).
    /// `str::hash` would not do: it ends every part with a byte of its own.
    pub(super) fn hash_written(self, hasher: &mut impl Hasher) {
        let (name, first, second) = self.parts();
        hasher.write(name.as_bytes());
        hasher.write(first.as_bytes());
        if let Some(second) = second {
            hasher.write(b":");
            hasher.write(second.as_bytes());
        }
    }
}

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, first, second) = self.parts();
        match second {
            None => write!(f, "{name}{first}"),
            Some(second) => write!(f, "{name}{first}:{second}"),
        }
    }
}
/// A tag with its ids as Sidegate writes them, where a column of text holds them in another spelling (a
/// view may show it as uuid or bigint); `None`: as they are.
pub(crate) fn canonical(tag: &str) -> Option<String> {
    let mut changed = false;
    let parts: Vec<_> = tag
        .split(':')
        .map(|part| {
            let id = [IdType::Uuid, IdType::Bigint];
            let id = id
                .iter()
                .find_map(|id_type| Id::parse(*id_type, part.trim()));
            match id {
                Some(id) if id.as_str() != part => {
                    changed = true;
                    id.as_str().to_owned()
                }
                Some(_) | None => part.to_owned(),
            }
        })
        .collect();
    changed.then(|| parts.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_text_that_is_shown_as_another_type_has_that_types_tag() {
        let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for (written, expected) in [
            (
                format!("user:{}", uuid.to_uppercase()),
                Some(format!("user:{uuid}")),
            ),
            (
                format!("member:007:{{{uuid}}}"),
                Some(format!("member:7:{uuid}")),
            ),
            (format!("user:{uuid}"), None),
            ("resource:page:maps-2".to_owned(), None),
            ("*".to_owned(), None),
        ] {
            assert_eq!(canonical(&written), expected, "{written}");
        }
    }
}
