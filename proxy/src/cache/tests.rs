//! The rules of the caches, each both ways, over a change feed that tells what a test wants.

mod absence;
mod answer;
mod combine;
mod flight;
mod memory;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sidegate_config::{CacheSettings, ClassSettings};
use sidegate_policy::{Id, IdType, MembershipRow, ProjectRow, ResourceRow, SubjectRow};

use super::L1;
use crate::coherence::{BootTime, Coherence, Slot, Tag, Version};
use crate::store::{Answer, History, Origin, Question};

fn id(text: &str) -> Id {
    Id::parse(IdType::Text, text).unwrap()
}

/// An instant by its milliseconds.
fn at(millis: u64) -> BootTime {
    BootTime::from_nanos(millis * 1_000_000)
}

/// When the first poll is.
const START: u64 = 1_000;

fn settings() -> CacheSettings {
    let class = |seconds| ClassSettings {
        ttl: Duration::from_secs(seconds),
        l2_ttl: Duration::from_secs(seconds),
        share: 1,
    };
    CacheSettings {
        media_bytes: 0,
        media_ttl: Duration::from_secs(180),
        token_bytes: 0,
        l1_bytes: 1 << 22,
        user_auth: class(100),
        direct_ownership: class(200),
        team_access: class(300),
        project_visibility: class(400),
        warming_pairs: 0,
        negative_ttl: Duration::from_secs(5),
    }
}

/// Subject and resource of a question.
#[derive(Debug, Clone)]
struct Asked {
    subject: Id,
    resource: Option<(&'static str, Id)>,
}

fn about(subject: &str, document: &str) -> Asked {
    Asked {
        subject: id(subject),
        resource: Some(("document", id(document))),
    }
}

fn alone(subject: &str) -> Asked {
    Asked {
        subject: id(subject),
        resource: None,
    }
}

impl Asked {
    fn question(&self) -> Question<'_> {
        Question {
            subject: &self.subject,
            resource: self.resource.as_ref().map(|(kind, id)| (*kind, id)),
        }
    }
}

fn subject() -> Arc<SubjectRow> {
    Arc::new(SubjectRow {
        active: true,
        roles: [Arc::from("support")].into(),
    })
}

fn resource(project: Option<&str>, team: Option<&str>) -> Arc<ResourceRow> {
    Arc::new(ResourceRow {
        owner: Some(id("carol")),
        project: project.map(id),
        team: team.map(id),
        status: Some("completed".into()),
    })
}

fn project(team: Option<&str>) -> Arc<ProjectRow> {
    Arc::new(ProjectRow {
        owner: Some(id("carol")),
        team: team.map(id),
        visibility: Some("private".into()),
    })
}

fn membership() -> Arc<MembershipRow> {
    Arc::new(MembershipRow {
        role: "editor".into(),
        expires_at: None,
    })
}

/// About a document of project `p` of team `t`, with all there can be.
fn full() -> Answer {
    Answer {
        subject: Some(subject()),
        resource: Some(resource(Some("p"), None)),
        project: Some(project(Some("t"))),
        membership: Some(membership()),
        origin: None,
    }
}

/// With a slot for each tag of these tests: a change of one is no change of another.
fn unmixed() -> Coherence {
    let member = |team, user| Tag::Member { team, user };
    let resource = |kind, id| Tag::Resource { kind, id };
    let tags = [
        Tag::User("alice"),
        Tag::User("bob"),
        Tag::Project("p"),
        Tag::Project("q"),
        member("t", "alice"),
        member("t", "bob"),
        member("u", "alice"),
        member("v", "alice"),
        resource("document", "1"),
        resource("document", "2"),
        resource("folder", "1"),
        resource("project", "p"),
    ];
    loop {
        let coherence = Coherence::new(1 << 16);
        let slots: HashSet<Slot> = tags.iter().map(|tag| coherence.slot(*tag)).collect();
        if slots.len() == tags.len() {
            return coherence;
        }
    }
}

/// Rows that are kept, and the feed that they depend on.
struct World {
    coherence: Coherence,
    l1: L1,
    origin: Origin,
}

impl World {
    fn new() -> Self {
        Self::with(&settings())
    }

    fn with(settings: &CacheSettings) -> Self {
        let history = Arc::new(History {
            system: "1".into(),
            timeline: "1".into(),
            incarnation: Some("a".into()),
        });
        let world = Self {
            coherence: unmixed(),
            l1: L1::new(settings),
            origin: Origin { xmin: 1, history },
        };
        world.tell(&[]);
        world
    }

    /// A poll that tells of these tags.
    fn tell(&self, tags: &[&str]) {
        self.coherence.told(at(START), &self.origin.history, tags);
    }

    /// A statement from beginning to end, between two polls.
    fn version(&self) -> Version {
        let before = self.coherence.begin().unwrap();
        self.coherence.admit(before, &self.origin).unwrap()
    }

    /// Keeps an answer, as if it had just been read.
    fn keep(&self, asked: &Asked, answer: &Answer) {
        self.keep_at(asked, answer, self.version(), START);
    }

    fn keep_at(&self, asked: &Asked, answer: &Answer, version: Version, millis: u64) {
        let question = asked.question();
        self.l1
            .keep(&question, answer, version, &self.coherence, at(millis));
    }

    fn answer(&self, asked: &Asked) -> Option<Answer> {
        self.answer_at(asked, START)
    }

    fn answer_at(&self, asked: &Asked, millis: u64) -> Option<Answer> {
        let reading = self.coherence.read().unwrap();
        self.l1.answer(&asked.question(), &reading, at(millis))
    }
}
