//! Answers out of the materialized view, and memory filled from it.
//!
//! Promise: a pair counts only as what another instance has read does, by the xmin of the view and what has
//! changed since. It may grant and never refuses: its rows are not fresh, so a refusal on them is made anew.

use std::sync::Arc;

use super::Kept;
use super::asked::tags;
use crate::coherence::{BootTime, Moment, Shared, Source, Tag};
use crate::store::{Answer, PostgresStore, Question};
use crate::view::View;

impl Kept {
    /// The answer of the view, if it has one that counts, and an instant at which it was true.
    pub(super) async fn view_answer(
        &self,
        view: &View,
        store: &PostgresStore,
        shared: &Arc<Shared>,
        question: &Question<'_>,
    ) -> Option<(Answer, Moment)> {
        // While the database fails, one question to it is enough.
        let built = view.good_for(shared).filter(|_| !store.is_failing())?;
        // What has changed since is not worth the question.
        let (kind, id) = question.resource?;
        let known = [
            Tag::User(question.subject.as_str()),
            Tag::Resource {
                kind,
                id: id.as_str(),
            },
        ];
        let coherence = self.coherence();
        coherence
            .admit_shared(Source::View, shared, built.xmin, known)
            .ok()?;
        let pair = match store.view_pair(question).await {
            Ok(pair) => pair?,
            Err(trouble) => {
                view.refused(&trouble.detail);
                return None;
            }
        };
        // This connection may lead elsewhere than the one that was asked what the view is of (R4).
        if *pair.namespace != *built.namespace {
            return None;
        }
        let tags = tags(question, &pair.answer);
        let (reading, version) = coherence
            .admit_shared(Source::View, shared, pair.xmin, tags)
            .ok()?;
        let now = BootTime::now();
        self.l1()
            .keep(question, &pair.answer, version, coherence, now);
        Some((pair.answer, reading.moment().from_elsewhere()))
    }

    /// Fills memory with the pairs of the resources that were changed last.
    pub(crate) async fn warm(&self, store: &PostgresStore, most: usize) {
        let Some(shared) = self.coherence().shared().filter(|_| most > 0) else {
            return;
        };
        let pairs = match store.view_recent(most).await {
            Ok(pairs) => pairs,
            Err(trouble) => {
                tracing::warn!(reason = trouble.detail, "memory cannot be warmed");
                return;
            }
        };
        let (all, namespace) = (pairs.len(), shared.namespace().to_string());
        let kept = pairs.iter().filter(|pair| {
            if *pair.namespace != *namespace {
                return false;
            }
            let (kind, id) = &pair.resource;
            let question = Question {
                subject: &pair.subject,
                resource: Some((kind, id)),
            };
            let tags = tags(&question, &pair.answer);
            let admitted = self
                .coherence()
                .admit_shared(Source::View, &shared, pair.xmin, tags);
            if let Ok((_, version)) = admitted {
                let now = BootTime::now();
                self.l1()
                    .keep(&question, &pair.answer, version, self.coherence(), now);
            }
            admitted.is_ok()
        });
        let kept = kept.count();
        tracing::info!(pairs = all, kept, "memory is warm");
    }
}
