//! What an edit has changed: from two readings of a text to the tags of the rows that differ.
//!
//! Promise: the rows of any answer that differs between two directories are among those named. A row
//! that is the same in both is not named, wherever it stands in the text.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::Directory;
use crate::coherence::Tag;

impl Directory {
    /// The tags of every row that is not the same in `newer`, sorted: added, removed or changed.
    #[must_use]
    pub fn changes(&self, newer: &Self) -> Vec<String> {
        let mut tags = Vec::new();
        tags.extend(
            differing(&self.subjects, &newer.subjects).map(|id| Tag::User(id.as_str()).to_string()),
        );
        tags.extend(
            differing(&self.memberships, &newer.memberships).map(|(team, user)| {
                let (team, user) = (team.as_str(), user.as_str());
                Tag::Member { team, user }.to_string()
            }),
        );
        tags.extend(
            differing(&self.projects, &newer.projects)
                .map(|id| Tag::Project(id.as_str()).to_string()),
        );
        let none = HashMap::new();
        let fewer = self.resources.keys();
        let more = newer.resources.keys();
        for kind in fewer.chain(more.filter(|kind| !self.resources.contains_key(*kind))) {
            let before = self.resources.get(kind).unwrap_or(&none);
            let after = newer.resources.get(kind).unwrap_or(&none);
            tags.extend(differing(before, after).map(|id| {
                let id = id.as_str();
                Tag::Resource { kind, id }.to_string()
            }));
        }
        tags.sort_unstable();
        tags
    }
}

/// The keys of rows that are in one of them alone, or are not the same in both.
fn differing<'r, K: Eq + Hash, R: PartialEq>(
    before: &'r HashMap<K, Arc<R>>,
    after: &'r HashMap<K, Arc<R>>,
) -> impl Iterator<Item = &'r K> {
    let gone = before
        .iter()
        .filter(|(key, row)| after.get(key) != Some(row))
        .map(|(key, _)| key);
    gone.chain(after.keys().filter(|key| !before.contains_key(key)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sidegate_policy::{Document, IdType, KindDocument, Policy};

    use super::*;

    fn directory(text: &str) -> Directory {
        let page = KindDocument {
            id: IdType::Text,
            roles: None,
            statuses: None,
        };
        let document = Document {
            subject_id: IdType::Text,
            roles: BTreeMap::new(),
            visibility_roles: BTreeMap::new(),
            subject_roles: BTreeMap::new(),
            kinds: BTreeMap::from([("page".to_owned(), page)]),
        };
        Directory::parse(text, &Policy::compile(&document).unwrap()).unwrap()
    }

    const BEFORE: &str = "
users: [{ id: alice, active: true }, { id: bob, active: true }]
teams: [{ id: t }]
memberships: [{ team_id: t, user_id: bob, role: viewer }]
projects: [{ id: p, team_id: t, visibility: private }]
resources: [{ kind: page, id: one, project_id: p }, { kind: page, id: two, owner_id: alice }]
";

    #[test]
    fn an_edit_names_the_rows_that_differ_and_no_others() {
        for (from, to, expected) in [
            ("", "", ""),
            (
                "id: bob, active: true",
                "id: bob, active: false",
                "user:bob",
            ),
            ("role: viewer", "role: editor", "member:t:bob"),
            (
                "{ team_id: t, user_id: bob, role: viewer }",
                "",
                "member:t:bob",
            ),
            ("visibility: private", "visibility: public", "project:p"),
            ("owner_id: alice", "owner_id: bob", "resource:page:two"),
            (
                ", { kind: page, id: two, owner_id: alice }",
                "",
                "resource:page:two",
            ),
            (
                "id: one,",
                "id: three,",
                "resource:page:one resource:page:three",
            ),
            (
                "{ id: alice, active: true }, { id: bob, active: true }",
                "{ id: bob, active: true }, { id: alice, active: true }",
                "",
            ),
            (
                "{ id: alice, active: true }, ",
                "",
                "resource:user:alice user:alice",
            ),
            ("{ id: t }", "", "resource:team:t"),
        ] {
            let after = BEFORE.replacen(from, to, 1);
            let (before, after) = (directory(BEFORE), directory(&after));
            assert_eq!(before.changes(&after).join(" "), expected, "{from} {to}");
            // What is added by one is removed by the other.
            assert_eq!(after.changes(&before).join(" "), expected, "{to} {from}");
        }
    }
}
