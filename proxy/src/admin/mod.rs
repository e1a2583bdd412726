//! The admin listener: health, metrics, explanations, recent decisions, the configuration, invalidation, links, the
//! assertion's public key.
//!
//! Promise: nothing here is reachable on the data port. A bearer token, compared in constant time,
//! is required wherever one is configured (it must be, off loopback); only the probes and the
//! public key are open. Requests that a web page could send (an `Origin`; a name instead of an
//! address in `Host` while there is no token) are refused, so that no page can reach a listener on
//! loopback.

pub mod client;
mod decisions;
mod guard;
mod invalidate;
mod links;
mod revocations;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use serde_json::json;

use crate::cache;
use crate::coherence::{BootTime, gauges};
use crate::doctor::{Board, Severity};
use crate::explain::{self, Request};
use crate::facts::Facts;
use crate::generation::Current;
use crate::listener::Bound;
use crate::metrics::Scrape;
use crate::pulse::Pulse;
use crate::reload::Problem;
use crate::store::{PostgresStore, Store};
use crate::telemetry::Telemetry;

/// A directory that nobody has looked at for so long may miss a right that was taken away, and a
/// database may have lost its connections.
const STOPPED_AFTER: Duration = Duration::from_secs(5);
/// The longest request body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The service.
#[derive(Debug)]
pub struct Admin {
    bound: Mutex<Option<Bound>>,
    shared: Arc<Shared>,
}

/// What the handlers look at.
#[derive(Debug)]
struct Shared {
    current: Arc<Current>,
    telemetry: Arc<Telemetry>,
    pulse: Arc<Pulse>,
    problem: Arc<Problem>,
    board: Arc<Board>,
}

impl Admin {
    /// On a bound socket.
    #[must_use]
    pub fn new(
        bound: Bound,
        current: Arc<Current>,
        telemetry: Arc<Telemetry>,
        pulse: Arc<Pulse>,
        problem: Arc<Problem>,
        board: Arc<Board>,
    ) -> Self {
        let shared = Shared {
            current,
            telemetry,
            pulse,
            problem,
            board,
        };
        Self {
            bound: Mutex::new(Some(bound)),
            shared: Arc::new(shared),
        }
    }

    fn router(&self) -> Router {
        let guarded = Router::new()
            .route("/metrics", get(metrics))
            .route("/explain", post(explain_request))
            .route("/decisions/{id}", get(decisions::handle))
            .route("/config", get(config))
            .route("/invalidate", post(invalidate::handle))
            .route("/revocations", post(revocations::handle))
            .route("/links", post(links::handle))
            .route_layer(axum::middleware::from_fn_with_state(
                Arc::clone(&self.shared),
                guard::require_token,
            ));
        Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/.well-known/jwks.json", get(jwks))
            .merge(guarded)
            .layer(axum::middleware::from_fn_with_state(
                Arc::clone(&self.shared),
                guard::refuse_browsers,
            ))
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
            .with_state(Arc::clone(&self.shared))
    }
}

#[async_trait]
impl BackgroundService for Admin {
    async fn start(&self, shutdown: ShutdownWatch) {
        let Some(bound) = self.bound.lock().take() else {
            return;
        };
        let listener = match tokio::net::TcpListener::from_std(bound.into_listener()) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the admin listener cannot be served");
                return;
            }
        };
        serve::serve(listener, self.router(), shutdown).await;
    }
}

async fn livez() -> &'static str {
    "alive\n"
}

/// Ready means: a request can be decided and has somewhere to go.
async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let current = shared.current.load();
    let mut ready = current.upstreams.is_ready();
    let mut notes = current.upstreams.problems();
    if !ready {
        notes.push("no instance of the active upstream group can be reached".to_owned());
    }
    for keys in current.remote_keys() {
        ready &= keys.is_usable();
        notes.extend(keys.state());
    }
    // Every other instance asks the same issuer: no reason to send the traffic elsewhere.
    notes.extend(current.pipeline.authenticator.introspection_notes());
    if shared.pulse.age() > STOPPED_AFTER {
        ready = false;
        let what = match current.store.postgres() {
            Some(_) => "after the database",
            None => "at the directory",
        };
        let age = shared.pulse.age().as_secs();
        notes.push(format!("nobody has looked {what} for {age} s"));
    }
    if let Some(store) = current.store.postgres() {
        ready &= store.has_answered();
        notes.extend(database_note(store).map(str::to_owned));
        ready &= shared.board.count(Severity::Broken) == 0;
        notes.extend(shared.board.notes());
        notes.extend(caching_note(&current.facts).map(str::to_owned));
        ready &= !current.facts.kept().is_some_and(|kept| kept.is_starting());
        notes.extend(sharing_note(&current.facts).map(str::to_owned));
    }
    let directory = directory_problem(&current.store);
    // Without the reasons: this is open to everybody, and they may hold data. The log has them.
    notes.extend(
        directory.map(|_| "the directory file is bad: its last good reading counts".to_owned()),
    );
    let problem = shared.problem.text();
    notes.extend(problem.map(|_| "the configuration is bad: the last good one counts".to_owned()));
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({ "ready": ready, "notes": notes }))).into_response()
}

/// Once the database has answered, an outage of it is no reason to send the traffic elsewhere: every
/// other instance asks the same one.
fn database_note(store: &PostgresStore) -> Option<&'static str> {
    if !store.has_answered() {
        Some("the database has not answered yet")
    } else if store.is_failing() {
        Some("the database does not answer: what is asked of it is refused")
    } else {
        None
    }
}

/// What is wrong with what instances share. None of it is a reason to send the traffic elsewhere.
fn sharing_note(facts: &Facts) -> Option<&'static str> {
    let kept = facts.kept()?;
    let l2 = kept.l2()?;
    if !l2.is_closed() || l2.connected() == 0 {
        Some("Redis does not answer: memory and the database serve")
    } else if kept.coherence().read().is_some() && kept.coherence().shared().is_none() {
        Some("the change log is being read: what is in Redis is not used yet")
    } else {
        None
    }
}

/// Without the reasons, which may name tables: `/config` has them.
fn caching_note(facts: &Facts) -> Option<&'static str> {
    let coherence = facts.kept()?.coherence();
    match coherence.read() {
        None => Some(
            "caching is off: every decision asks the database (why: caching_off_because in /config; mend: sidegate doctor)",
        ),
        Some(reading) if !reading.is_live(BootTime::now()) => Some(
            "the change feed is late: every decision asks the database (why: the log, under `the change feed`)",
        ),
        Some(_) if coherence.register().rows().is_none() => Some(
            "service keys and revocations are not in memory: each request asks the database for its own (why: the log, under `reading credentials`)",
        ),
        Some(_) => None,
    }
}

fn directory_problem(store: &Store) -> Option<String> {
    match store {
        Store::File(store) => store.problem(),
        Store::Postgres(_) => None,
        #[cfg(test)]
        Store::Faulty(_) => None,
    }
}

/// The configuration that counts, without secrets, and why a newer one does not.
async fn config(State(shared): State<Arc<Shared>>) -> Response {
    let current = shared.current.load();
    Json(json!({
        "generation": current.number,
        "hash": current.hash,
        "problem": shared.problem.text(),
        "directory_problem": directory_problem(&current.store),
        "database_problem": current.store.postgres().and_then(database_note),
        "database_findings": shared.board.findings(),
        "caching_off_because": current.facts.kept().map(|kept| kept.coherence().closed_because()),
        "key_problems": current.remote_keys().filter_map(|keys| keys.problem()).collect::<Vec<_>>(),
        "introspection_problems": current.pipeline.authenticator.introspection_problems().collect::<Vec<_>>(),
        "insecure": current.settings.insecure,
        "notes": current.notes(),
        "config": current.settings.redacted,
    }))
    .into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (content_type, scrape(&shared).text()).into_response()
}

/// Reads every metric.
fn scrape(shared: &Shared) -> Scrape {
    let current = shared.current.load();
    let mut scrape = Scrape::default();
    let store = current.store.postgres();
    shared
        .telemetry
        .metrics
        .gather(&mut scrape, store.is_some());
    shared.telemetry.access_log.gather(&mut scrape);
    shared.telemetry.decisions.gather(&mut scrape);
    if let Some(requests) = &current.requests {
        requests.gather(&mut scrape);
    }
    if let Some(store) = store {
        store.database().gather(&mut scrape);
    }
    if let Some(kept) = current.facts.kept() {
        cache::gather(kept, store.is_some(), &mut scrape);
        gauges::gather(kept.coherence(), store.is_some(), &mut scrape);
    }
    current.pipeline.authenticator.gather(&mut scrape);
    if let Some(links) = &current.pipeline.links {
        links.gather(&mut scrape);
    }
    if let Some(media) = &current.media {
        media.gather(&mut scrape);
    }
    if let Some(tracing) = &current.tracing {
        tracing.gather(&mut scrape);
    }
    scrape
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    match shared.current.load().identity.signer() {
        Some(signer) => {
            let headers = [
                (header::CONTENT_TYPE, "application/jwk-set+json"),
                (header::CACHE_CONTROL, "max-age=60"),
            ];
            (headers, signer.jwks().to_string()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn explain_request(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let bad = |message: String| {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": message }))).into_response()
    };
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return bad(error.to_string()),
    };
    match explain::explain(&shared.current.load().pipeline, &request).await {
        Ok(explanation) => Json(explanation).into_response(),
        Err(error) => bad(error.to_string()),
    }
}
