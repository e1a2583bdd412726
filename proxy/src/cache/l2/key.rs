//! Under which name an answer is in Redis.
//!
//! Promise: two questions, or the same one in two namespaces, never have one name: each part stands with
//! its length (DESIGN §4).

use crate::coherence::Namespace;
use crate::store::Question;

/// The name of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new(namespace: Namespace, question: &Question<'_>) -> Self {
        // The number of what is written: another version of Sidegate looks elsewhere.
        let mut key = format!("sidegate:2:{namespace}");
        let (kind, id) = question
            .resource
            .map_or((None, None), |(kind, id)| (Some(kind), Some(id.as_str())));
        let parts = [Some(question.subject.as_str()), kind, id];
        for part in parts.into_iter().flatten() {
            key.push(':');
            key.push_str(&part.len().to_string());
            key.push(':');
            key.push_str(part);
        }
        Self(key.into_bytes())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
