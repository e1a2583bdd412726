//! What a generation takes over from the one before it, and what it makes anew.
//!
//! Promise: something is taken over only if the new settings ask for the very same: a store for its
//! address and its types of ids, what is kept for its store, its policy and its bounds, a signer for its
//! key. Taken over, it goes on as it is, with whatever it has learned.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use sidegate_config::{
    DatabaseSettings, IdType as IdTypeSetting, PolicySettings, RedisSettings, Settings,
    StoreSettings,
};
use sidegate_policy::Policy;

use super::{AssembleError, Generation, id_type};
use crate::cache::L2;
use crate::coherence::Coherence;
use crate::facts::{Facts, Kept};
use crate::identity::{AssertionError, Signer};
use crate::link::Links;
use crate::media::{Media, MediaError};
use crate::store::{FileStore, PostgresStore, Store};
use crate::throttle::Throttle;
use crate::trace::{Tracing, TracingError};
use crate::view::View;

pub(super) fn store(
    settings: &Settings,
    previous: Option<&Generation>,
    policy: &Arc<Policy>,
) -> Result<Arc<Store>, AssembleError> {
    let same_ids =
        |previous: &&Generation| id_types(&previous.settings.policy) == id_types(&settings.policy);
    let known = previous.filter(same_ids);
    match &settings.store {
        StoreSettings::File { path, .. } => match known.filter(|known| reads_file(known, path)) {
            Some(known) => Ok(Arc::clone(&known.store)),
            None => Ok(Arc::new(Store::File(FileStore::open(
                path,
                Arc::clone(policy),
            )?))),
        },
        StoreSettings::Postgres(wanted) => {
            match known.filter(|known| asks_database(known, &wanted.database)) {
                Some(known) => Ok(Arc::clone(&known.store)),
                None => {
                    let other = previous.and_then(|previous| previous.store.postgres());
                    let kinds = settings.policy.kinds.values();
                    let id_types: BTreeSet<_> = kinds.map(|kind| id_type(kind.id)).collect();
                    let policy = Arc::clone(policy);
                    let store = PostgresStore::new(&wanted.database, policy, &id_types, other)?;
                    Ok(Arc::new(Store::Postgres(Box::new(store))))
                }
            }
        }
    }
}

/// What is kept is good for one store, one policy (which names the types of ids, and what the doctor
/// measures the database by) and one set of bounds.
pub(super) fn facts(
    settings: &Settings,
    previous: Option<&Generation>,
    store: &Arc<Store>,
    policy: &Arc<Policy>,
) -> Result<Arc<Facts>, AssembleError> {
    let serves = |previous: &&Generation| {
        Arc::ptr_eq(&previous.store, store)
            && previous.settings.policy == settings.policy
            && previous.settings.cache == settings.cache
            && previous.settings.coherence == settings.coherence
            && shares(previous, settings.redis.as_ref())
    };
    if let Some(previous) = previous.filter(serves) {
        return Ok(Arc::clone(&previous.facts));
    }
    let store = Arc::clone(store);
    if settings.cache.l1_bytes == 0 {
        return Ok(Arc::new(Facts::uncached(store)));
    }
    let coherence = Arc::new(Coherence::new(settings.coherence.slots));
    let l2 = match &settings.redis {
        // The answers of a file are all in memory, and its life is this process's.
        Some(redis) if store.postgres().is_some() => {
            let l2 = L2::new(redis, &settings.cache, policy.subject_id())?;
            Some(Arc::new(l2))
        }
        Some(_) | None => None,
    };
    let view = match &settings.store {
        StoreSettings::Postgres(store) => View::new(&store.database.view).map(Arc::new),
        StoreSettings::File { .. } => None,
    };
    let kept = Kept::new(&settings.cache, coherence, l2, view);
    let kept = if previous.is_some() {
        kept.in_service()
    } else {
        kept
    };
    Ok(Arc::new(Facts::cached(store, Arc::new(kept))))
}

/// The number of the first generation that had what is kept.
pub(super) fn facts_since(previous: Option<&Generation>, facts: &Arc<Facts>, number: u64) -> u64 {
    let same = previous.filter(|previous| Arc::ptr_eq(&previous.facts, facts));
    same.map_or(number, |previous| previous.facts_since)
}

/// Whether what a generation shares with other instances is what these settings ask for.
fn shares(generation: &Generation, settings: Option<&RedisSettings>) -> bool {
    let known = generation.facts.kept().and_then(|kept| kept.l2());
    match (known, settings) {
        (Some(known), Some(settings)) => known.serves(settings),
        (None, Some(settings)) => {
            // Not used: with a file, or without memory.
            generation.settings.redis.as_ref() == Some(settings)
        }
        (None, None) => true,
        (Some(_), None) => false,
    }
}

fn reads_file(generation: &Generation, path: &Path) -> bool {
    match &generation.settings.store {
        StoreSettings::File { path: known, .. } => known == path,
        StoreSettings::Postgres(_) => false,
    }
}

fn asks_database(generation: &Generation, settings: &DatabaseSettings) -> bool {
    let known = generation.store.postgres();
    known.is_some_and(|known| known.database().serves(settings))
}

pub(super) fn signer(
    settings: &Settings,
    previous: Option<&Generation>,
) -> Result<Option<Arc<Signer>>, AssertionError> {
    let assertion = &settings.identity.assertion;
    if !assertion.enabled {
        return Ok(None);
    }
    let known = previous.and_then(|previous| previous.identity.signer());
    match known.filter(|known| known.serves(assertion)) {
        Some(known) => Ok(Some(Arc::clone(known))),
        None => Ok(Some(Arc::new(Signer::new(assertion)?))),
    }
}

/// The failures of clients are remembered while their bounds are the same.
pub(super) fn throttle(settings: &Settings, previous: Option<&Generation>) -> Arc<Throttle> {
    let limits = &settings.limits;
    let (max, window) = (
        limits.max_failed_authentications,
        limits.failed_authentication_window,
    );
    let known = previous.map(|previous| &previous.pipeline.throttle);
    match known.filter(|known| known.is(max, window)) {
        Some(known) => Arc::clone(known),
        None => Arc::new(Throttle::new(max, window)),
    }
}

/// Links are counted on while their keys are the same.
pub(super) fn links(settings: &Settings, previous: Option<&Generation>) -> Option<Arc<Links>> {
    let settings = settings.links.as_ref()?;
    let known = previous.and_then(|previous| previous.pipeline.links.as_ref());
    match known.filter(|known| known.serves(settings)) {
        Some(known) => Some(Arc::clone(known)),
        None => Some(Arc::new(Links::new(settings))),
    }
}

/// What the storage has signed is good for one storage and one set of bounds.
pub(super) fn media(
    settings: &Settings,
    previous: Option<&Generation>,
) -> Result<Option<Arc<Media>>, MediaError> {
    let Some(links) = &settings.links else {
        return Ok(None);
    };
    let Some(storage) = &links.storage else {
        return Ok(None);
    };
    let known = previous.and_then(|previous| previous.media.as_ref());
    match known.filter(|known| known.serves(storage, &settings.cache)) {
        Some(known) => Ok(Some(Arc::clone(known))),
        None => Ok(Some(Arc::new(Media::new(storage, &settings.cache)?))),
    }
}

/// One collector and queue while the section is the same. Another one sends what it has, and ends with the
/// last request of its generation; counters go on.
pub(super) fn tracing(
    settings: &Settings,
    previous: Option<&Generation>,
) -> Result<Option<Arc<Tracing>>, TracingError> {
    let Some(wanted) = &settings.telemetry.tracing else {
        return Ok(None);
    };
    let known = previous.and_then(|previous| previous.tracing.as_ref());
    match known {
        Some(known) if known.serves(wanted) => Ok(Some(Arc::clone(known))),
        other => {
            let other = other.map(|tracing| &**tracing);
            Ok(Some(Arc::new(Tracing::new(wanted, other)?)))
        }
    }
}

/// How the ids of a directory are read: what two policies must agree on to share one.
fn id_types(policy: &PolicySettings) -> (IdTypeSetting, BTreeMap<&str, IdTypeSetting>) {
    let kinds = policy
        .kinds
        .iter()
        .map(|(name, kind)| (name.as_str(), kind.id));
    (policy.subject_id, kinds.collect())
}
