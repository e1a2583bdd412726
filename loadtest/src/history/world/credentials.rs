//! Scenes about what a question is asked with, and not about what its user may do.
//!
//! Promises: but for the link's, whose membership comes and goes, the user of such a scene may always do what is
//! asked for: so a refusal is one of the credential. Keys and revocations are in tables of
//! Sidegate's, which are there only when it was installed.

use uuid::Uuid;

use super::super::fact::{Fact, Kind};
use super::super::rule::{Key, Rule};
use super::super::scene::Shape;
use super::World;
use crate::ids::Table;
use crate::process::{SCOPE, ServiceKey};

/// What a question is asked with.
#[derive(Debug, Clone)]
pub(in super::super) enum Credential {
    /// A token of the user, whose claim of this name names it.
    Token { named: Option<(&'static str, Uuid)> },
    /// A service key, in one piece.
    Key(String),
    /// A link, which is made when there is somebody to make it.
    Link,
}

impl World {
    /// What all these scenes are about besides.
    pub(in super::super) const ABOUT_CREDENTIALS: [&str; 6] = [
        "a token",
        "a session",
        "a user's tokens",
        "a service key",
        "a service key's secret",
        "a link",
    ];

    /// Fills Sidegate's empty table of service keys; nothing where there are none.
    pub(in super::super) fn service_keys(&self) -> String {
        if self.service_keys.is_empty() {
            return String::new();
        }
        format!(
            "insert into sidegate.service_keys (id, digest, subject, scopes) values {}",
            self.service_keys.join(",")
        )
    }

    /// Questions that are asked with an answer that has no end: the last of each kind, which is no spare one.
    pub(in super::super) fn watched(&self) -> Vec<usize> {
        let mut kinds: Vec<&str> = WATCHED.to_vec();
        if self.credentials {
            kinds.extend(Self::ABOUT_CREDENTIALS);
        }
        let last = |kind: &&str| self.questions.iter().rposition(|it| it.about == *kind);
        kinds.iter().filter_map(last).collect()
    }

    pub(super) fn revoked(&mut self, kind: Kind) -> Shape {
        let user = self.user();
        let generation = self.generation(user, None);
        let name = match kind {
            Kind::Token | Kind::Session => self.id(Table::Users),
            Kind::User => user,
        };
        let (named, about) = match kind {
            Kind::Token => (Some(("jti", name)), "a token"),
            Kind::Session => (Some(("sid", name)), "a session"),
            Kind::User => (None, "a user's tokens"),
        };
        let key = self.key(Fact::Unrevoked { kind, name }, 1);
        self.present(
            (user, generation),
            Credential::Token { named },
            Rule::Is(key, 1),
            about,
        );
        Shape::Switch(key)
    }

    pub(super) fn service_key(&mut self) -> Shape {
        let (user, id) = (self.user(), self.id(Table::Users));
        let generation = self.generation(user, None);
        let service_key = ServiceKey::new(id, self.id(Table::Users));
        self.keep(id, &service_key, user);
        let key = self.key(Fact::Key { id }, 1);
        let credential = Credential::Key(service_key.text);
        self.present(
            (user, generation),
            credential,
            Rule::Is(key, 1),
            "a service key",
        );
        Shape::Switch(key)
    }

    /// One key and two secrets, of which it has one at a time.
    pub(super) fn rotated(&mut self) -> Shape {
        let (user, id) = (self.user(), self.id(Table::Users));
        let generation = self.generation(user, None);
        let first = ServiceKey::new(id, self.id(Table::Users));
        let second = ServiceKey::new(id, self.id(Table::Users));
        self.keep(id, &first, user);
        let digests = [first.digest, second.digest];
        let key: Key = self.key(Fact::Digest { id, digests }, 0);
        for (value, text) in [(0, first.text), (1, second.text)] {
            let (credential, rule) = (Credential::Key(text), Rule::Is(key, value));
            self.present(
                (user, generation),
                credential,
                rule,
                "a service key's secret",
            );
        }
        Shape::Exchange(key)
    }

    pub(super) fn linked(&mut self) -> Shape {
        let (user, team) = (self.user(), self.team());
        let project = self.project(Some(team), "private");
        let key = self.membership(team, user, 1);
        let generation = self.generation(self.somebody, Some(project));
        self.ask(user, generation, Rule::Is(key, 1), "a link");
        if let Some(question) = self.questions.last_mut() {
            question.credential = Credential::Link;
        }
        Shape::Member(key)
    }

    fn present(
        &mut self,
        (user, generation): (Uuid, Uuid),
        credential: Credential,
        allow: Rule,
        about: &'static str,
    ) {
        self.ask(user, generation, allow, about);
        if let Some(question) = self.questions.last_mut() {
            question.credential = credential;
            question.credential_ends = true;
        }
    }

    fn keep(&mut self, id: Uuid, key: &ServiceKey, user: Uuid) {
        let (id, digest) = (id.simple(), &key.digest);
        self.service_keys.push(format!(
            "('{id}', decode('{digest}', 'hex'), '{user}', '{{{SCOPE}}}')"
        ));
    }
}

const WATCHED: [&str; 5] = [
    "membership",
    "a project's team",
    "ownership",
    "activity",
    "activity and membership",
];
