//! Where the facts of a decision came from, how old they were, and whether they still stand.
//!
//! Promise: what has been told of since a decision is never called unchanged. What cannot be told is left out, and
//! `note` says why: without a change feed there are no versions, and those of another store or policy mean nothing.
//!
//! Does not: read the facts again. Whether the answer is another one now is a question of its own.

use serde::Serialize;
use sidegate_policy::{Id, UnixMicros};

use super::other_answer::decide;
use super::time::{instant, milliseconds};
use crate::authn::PresentedKey;
use crate::coherence::{BootTime, Coherence, Moment, Tag};
use crate::decisions::Case;
use crate::facts::{Facts, Tier, tags};
use crate::observation::Basis;
use crate::store::Question;

/// What the facts of a decision are worth.
#[derive(Debug, Serialize)]
pub struct Provenance {
    /// Where they came from, as metrics name it; `None`: nobody could be asked, the token alone counted.
    pub tier: Option<&'static str>,
    /// The same in words.
    pub from: &'static str,
    /// When they were true.
    pub true_at: Option<String>,
    /// How long before the decision that was, in milliseconds.
    pub age_ms: Option<f64>,
    /// The last poll of the change feed whose changes they are sure to have.
    pub read_at_poll: Option<u64>,
    /// The last poll that is known now.
    pub last_poll: Option<u64>,
    /// The facts, and what may have been revoked of the credential, as the change log names them.
    pub tags: Vec<TagReport>,
    /// Whether one of them may have changed since: then the decision would be made on other facts now.
    pub changed_since: Option<bool>,
    /// What the platform's own cache would call the answer. `sidegate invalidate` takes each of them.
    pub cache_keys: Vec<String>,
    /// When the decision ends by itself, because a membership does.
    pub valid_until: Option<String>,
    /// When the credential ends.
    pub credential_until: Option<String>,
    /// Why something is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A fact, and its version.
#[derive(Debug, Serialize)]
pub struct TagReport {
    /// Its name in the change log.
    pub tag: String,
    /// What it is of: `subject`, `resource`, `project`, `membership` or `credential`.
    pub of: &'static str,
    /// The last poll that told of a change of it, or of a fact that shares its place, or made everything void.
    pub last_poll: Option<u64>,
    /// The highest transaction that is known to have changed it; of a file, the edit's number. `None`: none is.
    pub last_transaction: Option<u64>,
    /// Whether it may have changed since the decision.
    pub changed_since: Option<bool>,
}

/// Against what a case is looked at.
#[derive(Debug)]
pub(super) struct Seen<'c> {
    /// When it was decided.
    pub(super) decided: BootTime,
    /// The same, by the wall clock.
    pub(super) decided_at: UnixMicros,
    /// What is known of changes, or why that is nothing.
    pub(super) feed: Result<&'c Coherence, String>,
}

/// What is known of the changes of facts, or why that is nothing.
pub(super) fn followed(facts: &Facts) -> Result<&Coherence, String> {
    let Some(kept) = facts.kept() else {
        return Err("nothing is kept in memory, so nobody follows changes".to_owned());
    };
    let coherence = kept.coherence();
    if coherence.read().is_some() {
        return Ok(coherence);
    }
    let reasons = coherence.closed_because().join("; ");
    Err(format!("nobody follows changes here: {reasons}"))
}

/// What a case rested on.
pub(super) fn of(case: &Case, seen: &Seen<'_>) -> Option<Provenance> {
    let (basis, subject) = (case.basis.as_ref()?, case.subject.as_ref()?);
    let true_at = basis.moment.map(Moment::true_at);
    let age = true_at.map(|at| seen.decided.since(at));
    let wall = age.and_then(|age| i64::try_from(age.as_micros()).ok());
    let wall = wall.map(|age| UnixMicros(seen.decided_at.0.saturating_sub(age)));
    let tags = reports(case, basis, subject, seen);
    let changed = tags.iter().map(|tag| tag.changed_since);
    let ends = case.bearer.as_ref().and_then(|bearer| bearer.expires_at);
    Some(Provenance {
        tier: basis.tier.map(Tier::name),
        from: from(basis.tier),
        true_at: wall.map(instant),
        age_ms: age.map(milliseconds),
        read_at_poll: basis.moment.and_then(Moment::applied),
        last_poll: seen.feed.as_ref().ok().and_then(|feed| feed.applied()),
        changed_since: changed.fold(Some(false), any),
        tags,
        cache_keys: cache_keys(case, basis, subject),
        valid_until: decide(case, seen.decided_at)
            .and_then(|decision| decision.valid_until())
            .map(instant),
        credential_until: ends.map(instant),
        note: note(basis, seen),
    })
}

const fn from(tier: Option<Tier>) -> &'static str {
    match tier {
        None => "the token alone: nobody could look the subject up",
        Some(Tier::Memory) => "this process's memory",
        Some(Tier::Shared) => "Redis, which instances share",
        Some(Tier::View) => "the materialized view",
        Some(Tier::Store) => "the store",
        Some(Tier::Stale) => "this process's memory, past the bound: the store could not be asked",
    }
}

fn note(basis: &Basis, seen: &Seen<'_>) -> Option<String> {
    match &seen.feed {
        Err(reason) => Some(reason.clone()),
        Ok(_)
            if basis
                .moment
                .is_some_and(|moment| moment.applied().is_none()) =>
        {
            let why = "the rows are of a question that another request had asked already: what was told since \
                it began is not known";
            Some(why.to_owned())
        }
        Ok(_) => None,
    }
}

/// Whether any is; what is not known counts unless another one is.
fn any(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        (None, _) | (_, None) => None,
    }
}

fn reports(case: &Case, basis: &Basis, subject: &Id, seen: &Seen<'_>) -> Vec<TagReport> {
    let named = case.resource.as_ref().and_then(|resource| {
        let kind = case.policy.kind_name(resource.kind);
        Some((kind, resource.id.as_ref()?))
    });
    let question = Question {
        subject,
        resource: named,
    };
    let tags = tags(&question, &basis.answer).chain(credential(case, subject));
    let origin = basis.answer.origin.as_ref();
    let report = |tag: Tag<'_>| {
        let feed = seen.feed.as_ref().ok();
        let told = feed.map(|feed| feed.told_of(tag));
        TagReport {
            tag: tag.to_string(),
            of: of_what(tag),
            last_poll: told.map(|told| told.poll),
            last_transaction: told
                .map(|told| told.transaction)
                .filter(|&number| number > 0),
            changed_since: feed
                .zip(basis.moment)
                .and_then(|(feed, moment)| feed.may_have_changed(tag, moment, origin)),
        }
    };
    tags.map(report).collect()
}

/// What may be told of the credential; it was looked at a moment before the rows were.
fn credential<'c>(case: &'c Case, subject: &'c Id) -> impl Iterator<Item = Tag<'c>> {
    let bearer = case.bearer.as_ref();
    let session = bearer.and_then(|bearer| bearer.session.as_deref());
    let token = bearer.and_then(|bearer| bearer.token.as_deref());
    let key = case.key.as_deref().and_then(PresentedKey::tag);
    let all = [Tag::Credentials(subject.as_str()), Tag::Everybody];
    let named = [session.map(Tag::Session), token.map(Tag::Token), key];
    named.into_iter().flatten().chain(all)
}

const fn of_what(tag: Tag<'_>) -> &'static str {
    match tag {
        Tag::User(_) => "subject",
        Tag::Resource { .. } => "resource",
        Tag::Project(_) => "project",
        Tag::Member { .. } => "membership",
        Tag::Key(_) | Tag::Session(_) | Tag::Token(_) | Tag::Credentials(_) | Tag::Everybody => {
            "credential"
        }
    }
}

/// The platform's keys (DESIGN §4). A token's hash is in none: nobody could say it.
fn cache_keys(case: &Case, basis: &Basis, subject: &Id) -> Vec<String> {
    let mut keys = vec![format!("auth:{subject}:*")];
    let Some(id) = case
        .resource
        .as_ref()
        .and_then(|resource| resource.id.as_ref())
    else {
        return keys;
    };
    keys.push(format!("ownership:{subject}:{id}"));
    keys.push(format!("team_access:{subject}:{id}"));
    let row = basis.answer.resource.as_deref();
    let project = row.and_then(|row| row.project.as_ref());
    keys.extend(project.map(|project| format!("project_vis:{project}")));
    let has_media = case
        .route
        .as_ref()
        .is_some_and(|route| route.media.is_some());
    keys.extend(has_media.then(|| format!("gen_media:{id}:*")));
    keys
}
