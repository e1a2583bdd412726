//! Under what a row is kept, and what it is looked up by.
//!
//! Promise: a key is made of parts, so no two facts can have one key, whatever their ids hold; a
//! look-up borrows the parts and allocates nothing. A key and its borrowed form have the same hash:
//! both derive it from the same strings in the same order.
//!
//! Subjects and projects need no type here: an [`Id`] is looked up by itself.

use std::sync::Arc;

use quick_cache::Equivalent;
use sidegate_policy::Id;

/// Of a resource's row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ResourceKey {
    pub(super) kind: Arc<str>,
    pub(super) id: Id,
}

/// A [`ResourceKey`], borrowed.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct ResourceRef<'a> {
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
}

/// Of a membership's row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct MemberKey {
    pub(super) team: Id,
    pub(super) user: Id,
}

/// A [`MemberKey`], borrowed.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct MemberRef<'a> {
    pub(super) team: &'a str,
    pub(super) user: &'a str,
}

impl Equivalent<ResourceKey> for ResourceRef<'_> {
    fn equivalent(&self, key: &ResourceKey) -> bool {
        *self.kind == *key.kind && self.id == key.id.as_str()
    }
}

impl Equivalent<MemberKey> for MemberRef<'_> {
    fn equivalent(&self, key: &MemberKey) -> bool {
        self.team == key.team.as_str() && self.user == key.user.as_str()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;
    use sidegate_policy::IdType;

    use super::*;

    fn id(text: &str) -> Id {
        Id::parse(IdType::Text, text).unwrap()
    }

    proptest! {
        #[test]
        fn a_key_is_found_by_its_own_parts_alone(
            [a, b, c, d] in prop::array::uniform4("[ab:]{1,3}")
        ) {
            let hashes = RandomState::new();
            let kept = ResourceKey { kind: a.as_str().into(), id: id(&b) };
            let asked = ResourceRef { kind: &c, id: &d };
            let same = (&a, &b) == (&c, &d);
            prop_assert_eq!(asked.equivalent(&kept), same);
            let asked = ResourceRef { kind: &a, id: &b };
            prop_assert_eq!(hashes.hash_one(asked), hashes.hash_one(&kept));

            let kept = MemberKey { team: id(&a), user: id(&b) };
            let asked = MemberRef { team: &c, user: &d };
            prop_assert_eq!(asked.equivalent(&kept), same);
            let asked = MemberRef { team: &a, user: &b };
            prop_assert_eq!(hashes.hash_one(asked), hashes.hash_one(&kept));
        }
    }
}
