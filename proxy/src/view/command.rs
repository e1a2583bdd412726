//! What `sidegate view` does: build the view anew, say how it is, list what a subject may do.
//!
//! Promise: what is listed was asked of the tables anew, each resource by itself, and decided by the policy:
//! the view only says where to look. So nothing is listed that is not allowed now; what was granted since the
//! view was built is missing, and so is what everybody may see.

use serde::Serialize;
use sidegate_config::{PostgresSettings, Settings, StoreSettings};
use sidegate_policy::{Effect, Facts, Id, Query};

use super::{RefreshError, refresh};
use crate::clock::Clock;
use crate::coherence::{NamespaceError, namespace};
use crate::generation::{AssembleError, Generation, policy_digest};
use crate::store::{Built, Question, StoreError};

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is none.
    #[error("expected `store.postgres`, and `database.view.refresh` other than `off`")]
    None,
    /// The configuration cannot be used.
    #[error("{0}")]
    Assemble(#[from] AssembleError),
    /// What it is to be good for cannot be told.
    #[error("{0}")]
    Namespace(#[from] NamespaceError),
    /// It cannot be built.
    #[error("{0}")]
    Refresh(#[from] RefreshError),
    /// It cannot be read.
    #[error("the view cannot be read: {0}")]
    Read(String),
    /// The tables cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Not an id.
    #[error("subject: expected a {0}")]
    Subject(&'static str),
    /// No such action.
    #[error("action: expected one of the policy's")]
    Action,
}

/// How the view is.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Whether it is good for the life of the database, the triggers and views and the policy that there are
    /// now. What has changed since it was built does not count in it, however it is.
    pub is_good: bool,
    /// When it was built, as the database writes it; `None`: never.
    pub built_at: Option<String>,
    /// How long that took, in milliseconds.
    pub took_millis: Option<i64>,
    /// Its pairs of subject and resource.
    pub pairs: Option<i64>,
}

/// A resource that a subject may do something to.
#[derive(Debug, Serialize)]
pub struct Visible {
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: &'static str,
}

/// Builds it anew. Its pairs; `None`: somebody else is at it.
///
/// # Errors
/// When there is none, or it cannot be built.
pub async fn build(settings: &Settings) -> Result<Option<i64>, ViewError> {
    let store = wanted(settings)?;
    let name = namespace(&store.database, &policy_digest(&settings.policy)).await?;
    let limit = store.database.view.timeout;
    let pause = std::time::Duration::ZERO;
    Ok(refresh(&store.database, limit, &name.to_string(), pause).await?)
}

/// How it is.
///
/// # Errors
/// When there is none, or it cannot be read.
pub async fn status(settings: Settings) -> Result<Status, ViewError> {
    let store = wanted(&settings)?;
    let name = namespace(&store.database, &policy_digest(&settings.policy)).await?;
    let generation = Generation::assemble(settings, None)?;
    let store = generation.store.postgres().ok_or(ViewError::None)?;
    let built: Option<Built> = store
        .view_built()
        .await
        .map_err(|trouble| ViewError::Read(trouble.detail))?;
    Ok(Status {
        is_good: built
            .as_ref()
            .is_some_and(|built| *built.namespace == *name.to_string()),
        built_at: built.as_ref().map(|built| built.at.to_string()),
        took_millis: built.as_ref().map(|built| built.took_millis),
        pairs: built.as_ref().map(|built| built.pairs),
    })
}

/// What a subject may do this to, of the at most so many pairs that the view has of it.
///
/// # Errors
/// When there is none, or something cannot be read.
pub async fn list(
    settings: Settings,
    subject: &str,
    action: &str,
    most: usize,
) -> Result<Vec<Visible>, ViewError> {
    wanted(&settings)?;
    let generation = Generation::assemble(settings, None)?;
    let policy = generation.pipeline.authorizer.policy();
    let store = generation.store.postgres().ok_or(ViewError::None)?;
    let subject_id = policy.subject_id();
    let subject = Id::parse(subject_id, subject).ok_or(ViewError::Subject(subject_id.name()))?;
    let action = policy.action(action).ok_or(ViewError::Action)?;
    let pairs = store
        .view_of(&subject, most)
        .await
        .map_err(|trouble| ViewError::Read(trouble.detail))?;
    let mut found = Vec::new();
    for pair in pairs {
        let (kind, id) = &pair.resource;
        let question = Question {
            subject: &subject,
            resource: Some((kind, id)),
        };
        let Some(kind_id) = policy.kind(kind) else {
            continue;
        };
        let answer = store.ask(&question, None).await?;
        let query = Query {
            subject: &subject,
            claimed_roles: &[],
            action,
            kind: kind_id,
            now: Clock::System.now(),
        };
        let facts = Facts {
            subject: answer.subject.as_deref(),
            resource: answer.resource.as_deref(),
            project: answer.project.as_deref(),
            membership: answer.membership.as_deref(),
        };
        let decision = policy.evaluate(&query, &facts);
        if decision.effect() == Effect::Allow {
            found.push(Visible {
                kind: kind.to_string(),
                id: id.to_string(),
                reason: decision.reason().name(),
            });
        }
    }
    Ok(found)
}

fn wanted(settings: &Settings) -> Result<&PostgresSettings, ViewError> {
    match &settings.store {
        StoreSettings::Postgres(store)
            if store.database.view.refresh != sidegate_config::Refresh::Off =>
        {
            Ok(store)
        }
        StoreSettings::Postgres(_) | StoreSettings::File { .. } => Err(ViewError::None),
    }
}
