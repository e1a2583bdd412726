//! Whole answers from rows that are kept.
//!
//! Promise: an answer has every row that its question needs; each of them is in time and untouched;
//! and if they come of different statements, a poll that began after the last of them was read has
//! been applied, so that all of them were true when it looked (DESIGN §4). Which rows are needed is
//! told by the rows themselves: the project by the resource, the team by `team_of`. A resource
//! whose project has changed is a row that has changed, and so is a project whose team has.
//!
//! That there is no such subject or resource is never kept: what a client has just created has no
//! change to wait for. That there is no such membership or project is kept for seconds.
//!
//! Does not: judge the lease. Rows are looked up under a reading, and the clock is compared with
//! that reading's lease after the decision is made ([`Reading::is_live`]). Nothing here is for two
//! databases or two policies: another one needs another [`L1`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sidegate_config::CacheSettings;
use sidegate_policy::{Id, MembershipRow, ProjectRow, ResourceRow, SubjectRow, team_of};

use super::class::{Class, ClassStats, Origin};
use super::key::{MemberKey, MemberRef, ResourceKey, ResourceRef};
use crate::coherence::{BootTime, Coherence, Reading, Tag, Version};
use crate::store::{Answer, Question};

/// The rows that are kept in this process.
#[derive(Debug)]
pub struct L1 {
    /// None: nothing is kept.
    classes: Option<Classes>,
}

/// How the classes are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct L1Stats {
    /// Subjects.
    pub user_auth: ClassStats,
    /// Resources.
    pub direct_ownership: ClassStats,
    /// Memberships.
    pub team_access: ClassStats,
    /// Projects.
    pub project_visibility: ClassStats,
    /// Questions whose rows were all there and could not be combined yet.
    pub apart: u64,
}

#[derive(Debug)]
struct Classes {
    subjects: Class<Id, SubjectRow>,
    resources: Class<ResourceKey, ResourceRow>,
    memberships: Class<MemberKey, MembershipRow>,
    projects: Class<Id, ProjectRow>,
    /// The names of kinds, one copy for all keys. The policy has a few.
    kinds: Mutex<Vec<Arc<str>>>,
    apart: AtomicU64,
}

/// Why there is no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// A row is not here, or does not count.
    Absent,
    /// All of them are here and count, but were read at different times: after one more poll they go
    /// together. To ask the store for them would renew the subject's row, and set it apart from the
    /// subject's other resources, whose askers would do the same to this one.
    Apart,
}

/// An answer that is kept: with its question, and what its rows have in common.
#[derive(Clone, Copy)]
struct Fill<'a> {
    question: &'a Question<'a>,
    answer: &'a Answer,
    version: Version,
    coherence: &'a Coherence,
    now: BootTime,
}

impl L1 {
    /// Empty.
    #[must_use]
    pub fn new(settings: &CacheSettings) -> Self {
        if settings.l1_bytes == 0 {
            return Self { classes: None };
        }
        let negative = settings.negative_ttl;
        let (user, ownership) = (&settings.user_auth, &settings.direct_ownership);
        let (team, project) = (&settings.team_access, &settings.project_visibility);
        Self {
            classes: Some(Classes {
                subjects: Class::new(settings.bytes_of(user), user, negative),
                resources: Class::new(settings.bytes_of(ownership), ownership, negative),
                memberships: Class::new(settings.bytes_of(team), team, negative),
                projects: Class::new(settings.bytes_of(project), project, negative),
                kinds: Mutex::default(),
                apart: AtomicU64::new(0),
            }),
        }
    }

    /// The whole answer to a question, if every row of it is here and counts. It has no origin.
    ///
    /// `now` is compared with the rows' lifetimes only.
    #[must_use]
    pub fn answer(
        &self,
        question: &Question<'_>,
        reading: &Reading<'_>,
        now: BootTime,
    ) -> Option<Answer> {
        self.look(question, reading, now).ok()
    }

    /// The same, and what is missing of it.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub fn look(
        &self,
        question: &Question<'_>,
        reading: &Reading<'_>,
        now: BootTime,
    ) -> Result<Answer, Missed> {
        let classes = self.classes.as_ref().ok_or(Missed::Absent)?;
        classes.answer(question, reading, now)
    }

    /// Whether a subject was active when its row was read last, however long ago, and no change of it was told
    /// since; `None`: it is not here.
    #[must_use]
    pub fn was_active(&self, subject: &Id, reading: &Reading<'_>) -> Option<bool> {
        let entry = self.classes.as_ref()?.subjects.last(subject)?;
        let active = entry.row.is_some_and(|row| row.active);
        Some(active && reading.untouched(&entry.version, entry.slot))
    }

    /// Keeps the rows of an answer that was admitted as `version`.
    pub fn keep(
        &self,
        question: &Question<'_>,
        answer: &Answer,
        version: Version,
        coherence: &Coherence,
        now: BootTime,
    ) {
        if let Some(classes) = &self.classes {
            classes.keep(Fill {
                question,
                answer,
                version,
                coherence,
                now,
            });
        }
    }

    /// How it is doing. For metrics, not for requests: it takes locks.
    #[must_use]
    pub fn stats(&self) -> L1Stats {
        let Some(classes) = &self.classes else {
            return L1Stats::default();
        };
        L1Stats {
            user_auth: classes.subjects.stats(),
            direct_ownership: classes.resources.stats(),
            team_access: classes.memberships.stats(),
            project_visibility: classes.projects.stats(),
            apart: classes.apart.load(Ordering::Relaxed),
        }
    }
}

impl Classes {
    fn answer(
        &self,
        question: &Question<'_>,
        reading: &Reading<'_>,
        now: BootTime,
    ) -> Result<Answer, Missed> {
        let subject = self
            .subjects
            .get(question.subject, reading, now)
            .ok_or(Missed::Absent)?;
        let Some((kind, id)) = question.resource else {
            return Ok(Answer {
                subject: Some(subject.row.ok_or(Missed::Absent)?),
                ..Answer::default()
            });
        };
        let id = id.as_str();
        let asked = ResourceRef { kind, id };
        let resource = self
            .resources
            .get(&asked, reading, now)
            .ok_or(Missed::Absent)?;
        let row = resource.row.as_deref().ok_or(Missed::Absent)?;
        let project = match &row.project {
            Some(id) => Some(self.projects.get(id, reading, now).ok_or(Missed::Absent)?),
            None => None,
        };
        let of_project = project.as_ref().and_then(|entry| entry.row.as_deref());
        let membership = match team_of(row, of_project) {
            Some(team) => {
                let (team, user) = (team.as_str(), question.subject.as_str());
                let asked = MemberRef { team, user };
                Some(
                    self.memberships
                        .get(&asked, reading, now)
                        .ok_or(Missed::Absent)?,
                )
            }
            None => None,
        };
        let versions = [
            Some(&subject.version),
            Some(&resource.version),
            project.as_ref().map(|entry| &entry.version),
            membership.as_ref().map(|entry| &entry.version),
        ];
        if !reading.combines(versions.into_iter().flatten()) {
            self.apart.fetch_add(1, Ordering::Relaxed);
            return Err(Missed::Apart);
        }
        Ok(Answer {
            subject: Some(subject.row.ok_or(Missed::Absent)?),
            resource: resource.row,
            project: project.and_then(|entry| entry.row),
            membership: membership.and_then(|entry| entry.row),
            origin: None,
        })
    }

    fn keep(&self, fill: Fill<'_>) {
        let user = fill.question.subject;
        if let Some(row) = &fill.answer.subject {
            let origin = fill.origin(Tag::User(user.as_str()));
            self.subjects
                .keep(user.clone(), Some(Arc::clone(row)), origin);
        }
        if let Some((kind, id)) = fill.question.resource
            && let Some(row) = &fill.answer.resource
        {
            let tag = Tag::Resource {
                kind,
                id: id.as_str(),
            };
            let key = ResourceKey {
                kind: self.kind(kind),
                id: id.clone(),
            };
            let origin = fill.origin(tag);
            self.resources.keep(key, Some(Arc::clone(row)), origin);
            self.keep_beside(row, fill);
        }
    }

    /// What the resource refers to.
    fn keep_beside(&self, resource: &ResourceRow, fill: Fill<'_>) {
        let answer = fill.answer;
        if let Some(id) = &resource.project {
            let origin = fill.origin(Tag::Project(id.as_str()));
            self.projects
                .keep(id.clone(), answer.project.clone(), origin);
        }
        // Without a subject nothing is ever answered from memory.
        if answer.subject.is_some()
            && let Some(team) = team_of(resource, answer.project.as_deref())
        {
            let user = fill.question.subject;
            let origin = fill.origin(Tag::Member {
                team: team.as_str(),
                user: user.as_str(),
            });
            let key = MemberKey {
                team: team.clone(),
                user: user.clone(),
            };
            self.memberships
                .keep(key, answer.membership.clone(), origin);
        }
    }

    fn kind(&self, name: &str) -> Arc<str> {
        let mut kinds = self.kinds.lock();
        if let Some(kind) = kinds.iter().find(|kind| ***kind == *name) {
            return Arc::clone(kind);
        }
        let kind: Arc<str> = name.into();
        kinds.push(Arc::clone(&kind));
        kind
    }
}

impl Fill<'_> {
    fn origin(&self, tag: Tag<'_>) -> Origin {
        Origin {
            version: self.version,
            slot: self.coherence.slot(tag),
            now: self.now,
        }
    }
}
