//! A question for whoever outlives the one who asked, and which rows its answer is made of.

use sidegate_policy::{Id, team_of};

use crate::coherence::Tag;
use crate::store::{Answer, Question};

/// A question in words of its own.
#[derive(Debug)]
pub(super) struct Asked {
    subject: Id,
    resource: Option<(Box<str>, Id)>,
}

impl Asked {
    pub(super) fn from(question: &Question<'_>) -> Self {
        let resource = question.resource;
        Self {
            subject: question.subject.clone(),
            resource: resource.map(|(kind, id)| (kind.into(), id.clone())),
        }
    }

    pub(super) fn question(&self) -> Question<'_> {
        let resource = self.resource.as_ref();
        Question {
            subject: &self.subject,
            resource: resource.map(|(kind, id)| (&**kind, id)),
        }
    }
}

/// Of every row that an answer is made of, those that are missing included.
pub(crate) fn tags<'a>(
    question: &Question<'a>,
    answer: &'a Answer,
) -> impl Iterator<Item = Tag<'a>> {
    let user = question.subject.as_str();
    let resource = question.resource.map(|(kind, id)| Tag::Resource {
        kind,
        id: id.as_str(),
    });
    let row = answer.resource.as_deref();
    let project = row.and_then(|row| row.project.as_ref());
    let team = row.and_then(|row| team_of(row, answer.project.as_deref()));
    let member = team.map(|team| Tag::Member {
        team: team.as_str(),
        user,
    });
    let project = project.map(|id| Tag::Project(id.as_str()));
    [Some(Tag::User(user)), resource, project, member]
        .into_iter()
        .flatten()
}
