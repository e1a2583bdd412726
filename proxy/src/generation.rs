//! One configuration, read and ready: what every request is decided and forwarded with.
//!
//! Promise: a [`Generation`] is complete (keys, policy, routes, directory) or it is not made; a
//! request belongs to one from beginning to end, whatever is loaded meanwhile. What must outlive a
//! reload does: fetched keys, the assertion's key, the directory or the database's connections and
//! what is known about instances, wherever the configuration still asks for the same.

mod reuse;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use sidegate_config::{IdType as IdTypeSetting, KeySource, PolicySettings, Settings};
use sidegate_policy::{Document, IdType, KindDocument, Policy, PolicyError};
use tokio::sync::watch;

use crate::authn::{Authenticator, KeyError, RemoteKeys};
use crate::authz::Authorizer;
use crate::cache::L2Error;
use crate::client::TrustedProxies;
use crate::clock::Clock;
use crate::coherence::PolicyDigest;
use crate::cors::Cors;
use crate::database::DatabaseError;
use crate::facts::Facts;
use crate::guard;
use crate::identity::{AssertionError, Identity};
use crate::media::{Media, MediaError};
use crate::metrics::RequestMetrics;
use crate::pipeline::Pipeline;
use crate::route::{RouteTable, RouteTableError};
use crate::store::{FileError, Store};
use crate::trace::{Tracing, TracingError};
use crate::upstream::Upstreams;

/// Everything that a request needs.
#[derive(Debug)]
pub struct Generation {
    /// Counted from 1.
    pub number: u64,
    /// The SHA-256 of the document without its secrets, in hexadecimal.
    pub hash: String,
    /// What was read.
    pub settings: Settings,
    /// What decides.
    pub pipeline: Pipeline,
    /// What the application is told.
    pub identity: Identity,
    /// Where facts come from.
    pub store: Arc<Store>,
    /// The same, with what is kept of them.
    pub facts: Arc<Facts>,
    /// The first generation that had them: what is known of changes is of its time.
    pub facts_since: u64,
    /// The storage that has what some routes answer; `None`: the application answers all of them.
    pub media: Option<Arc<Media>>,
    /// What is traced, and where it goes; `None`: nothing is.
    pub tracing: Option<Arc<Tracing>>,
    /// Where requests go.
    pub upstreams: Arc<Upstreams>,
    /// What is told of requests; `None`: nothing.
    pub requests: Option<RequestMetrics>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A file is not safe where it is.
    #[error("{0}")]
    Guard(#[from] guard::Writable),
    /// The policy mentions what it does not define.
    #[error("policy: {0}")]
    Policy(#[from] PolicyError),
    /// A route is malformed, or two conflict.
    #[error("routes: {0}")]
    Routes(#[from] RouteTableError),
    /// A key is missing or unusable.
    #[error("issuers: {0}")]
    Keys(#[from] KeyError),
    /// The directory is missing or bad.
    #[error("store.file: {0}")]
    Store(#[from] FileError),
    /// The database's URL or certificates are unusable.
    #[error("store.postgres: {0}")]
    Database(#[from] DatabaseError),
    /// Redis's URL or certificates are unusable.
    #[error("redis: {0}")]
    Shared(#[from] L2Error),
    /// The storage behind media cannot be asked: the system has no certificates.
    #[error("links.storage: {0}")]
    Media(#[from] MediaError),
    /// The bounds of a histogram do not rise, which a test rules out.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Spans cannot be sent: the system has no certificates.
    #[error("telemetry.tracing: {0}")]
    Tracing(#[from] TracingError),
    /// The assertion's key is unusable.
    #[error("{0}")]
    Assertion(#[from] AssertionError),
}

/// The generation that counts now.
#[derive(Debug)]
pub struct Current {
    generation: ArcSwap<Generation>,
    changed: watch::Sender<u64>,
}

impl Generation {
    /// Reads everything that the settings name.
    ///
    /// # Errors
    /// When any of it is missing or bad.
    pub fn assemble(settings: Settings, previous: Option<&Self>) -> Result<Self, AssembleError> {
        guard::files(&settings)?;
        let policy = Arc::new(Policy::compile(&document(&settings.policy))?);
        let routes = RouteTable::compile(&settings.routes, &policy)?;
        let known = previous.iter().flat_map(|previous| previous.remote_keys());
        let known: Vec<_> = known.cloned().collect();
        let mut authenticator = Authenticator::new(&settings, policy.subject_id(), &known)?;
        if let Some(previous) = previous {
            authenticator.take_over(&previous.pipeline.authenticator);
        }
        let store = reuse::store(&settings, previous, &policy)?;
        let facts = reuse::facts(&settings, previous, &store, &policy)?;
        let signer = reuse::signer(&settings, previous)?;
        let trusted = TrustedProxies::new(settings.trusted_proxies.clone());
        let identity = Identity::new(signer, &authenticator, trusted.clone());
        let pipeline = Pipeline {
            routes,
            authenticator,
            authorizer: Authorizer::new(policy, Arc::clone(&facts)),
            cors: Cors::new(&settings.cors),
            clock: Clock::System,
            timeout: settings.limits.decision_timeout,
            strictness: settings.strictness,
            max_body_bytes: settings.limits.max_body_bytes,
            trusted_proxies: trusted,
            throttle: reuse::throttle(&settings, previous),
            links: reuse::links(&settings, previous),
        };
        let media = reuse::media(&settings, previous)?;
        let tracing = reuse::tracing(&settings, previous)?;
        let upstreams = match previous {
            Some(previous) if previous.settings.upstream == settings.upstream => {
                Arc::clone(&previous.upstreams)
            }
            other => {
                let known = other.map(|previous| &*previous.upstreams);
                Arc::new(Upstreams::new(&settings.upstream, known))
            }
        };
        let known = previous.and_then(|previous| previous.requests.as_ref());
        let told = settings.telemetry.request_metrics;
        let requests = told
            .then(|| RequestMetrics::new(pipeline.routes.routes().iter(), known))
            .transpose()?;
        let number = previous.map_or(1, |previous| previous.number.saturating_add(1));
        let hash = hash(&settings);
        Ok(Self {
            number,
            hash,
            settings,
            pipeline,
            identity,
            store,
            facts_since: reuse::facts_since(previous, &facts, number),
            facts,
            media,
            tracing,
            upstreams,
            requests,
        })
    }

    /// Every key set that is fetched.
    pub fn remote_keys(&self) -> impl Iterator<Item = &Arc<RemoteKeys>> {
        self.pipeline.authenticator.remotes()
    }

    /// What is allowed but worth a second look.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.settings.notes.clone();
        notes.extend(
            self.settings
                .insecure
                .iter()
                .map(|path| format!("{path} is on")),
        );
        notes.extend(self.pipeline.routes.overlaps());
        match &*self.store {
            Store::File(store) => notes.extend(store.directory().dangling().iter().cloned()),
            Store::Postgres(_) => {}
            #[cfg(test)]
            Store::Faulty(_) => {}
        }
        notes
    }
}

impl Current {
    /// From the first generation.
    #[must_use]
    pub fn new(first: Generation) -> Self {
        let changed = watch::Sender::new(first.number);
        Self {
            generation: ArcSwap::from_pointee(first),
            changed,
        }
    }

    /// The generation that counts now.
    #[must_use]
    pub fn load(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Makes another one count, from the next request on.
    pub fn replace(&self, next: Generation) {
        let number = next.number;
        self.generation.store(Arc::new(next));
        self.changed.send_replace(number);
    }

    /// Tells when another one counts.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// Two policies that differ share no answers. By what was understood and not by what was written: the
/// environment is filled in.
pub(crate) fn policy_digest(policy: &PolicySettings) -> PolicyDigest {
    let mut bytes = [0; 32];
    let text = format!("{policy:?}");
    for (to, from) in bytes
        .iter_mut()
        .zip(digest(&SHA256, text.as_bytes()).as_ref())
    {
        *to = *from;
    }
    bytes
}

/// Secrets are left out: a hash that everybody may see must not help to guess one.
fn hash(settings: &Settings) -> String {
    let digest = digest(&SHA256, settings.redacted.to_string().as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn document(settings: &PolicySettings) -> Document {
    let kinds = settings.kinds.iter().map(|(name, kind)| {
        let kind = KindDocument {
            id: id_type(kind.id),
            roles: kind.roles.clone(),
            statuses: kind.statuses.clone(),
        };
        (name.clone(), kind)
    });
    Document {
        subject_id: id_type(settings.subject_id),
        roles: settings.roles.clone(),
        visibility_roles: settings.visibility_roles.clone(),
        subject_roles: settings.subject_roles.clone(),
        kinds: kinds.collect(),
    }
}

/// A type of ids as the policy has it.
pub(crate) const fn id_type(setting: IdTypeSetting) -> IdType {
    match setting {
        IdTypeSetting::Uuid => IdType::Uuid,
        IdTypeSetting::Bigint => IdType::Bigint,
        IdTypeSetting::Text => IdType::Text,
    }
}

/// Every file that a configuration is read from, the directory apart (its store watches it).
#[must_use]
pub fn files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = settings.files.clone();
    for source in settings.issuers.iter().flat_map(|issuer| &issuer.keys) {
        match source {
            KeySource::JwksFile(path) | KeySource::PemFile { path, .. } => files.push(path.clone()),
            KeySource::Secret { .. } | KeySource::Remote(_) => {}
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    #[test]
    fn a_reload_keeps_the_pools_of_the_same_database_and_no_others() {
        let folder = Path::new("/");
        let document = testing::over_database("postgres://me@127.0.0.1:1/app");
        let assemble = |document: &Value, previous: Option<&Generation>| {
            Generation::assemble(testing::settings(folder, document), previous).unwrap()
        };
        let first = assemble(&document, None);
        let kept = |document: &Value| {
            let next = assemble(document, Some(&first));
            Arc::ptr_eq(&next.store, &first.store)
        };
        let mut edited = document.clone();
        edited["policy"]["roles"]["viewer"] = json!(["write"]);
        assert!(kept(&edited));
        for (section, key, value) in [
            ("database", "pool_size", json!(7)),
            ("database", "url", json!("postgres://you@127.0.0.1:1/app")),
            ("policy", "kinds", json!({ "document": { "id": "uuid" } })),
        ] {
            let mut edited = document.clone();
            edited[section][key] = value;
            assert!(!kept(&edited), "{key}");
        }
    }
}
