//! Sidegate's signed statement about who asks, verified.
//!
//! Promises: a subject only from an assertion that Sidegate's published key has signed for this application, of
//! the right type, and whose end has not come. Keys are fetched when the first is needed, and again when one is
//! unknown, at most once a second. A verified assertion is remembered by its bytes until its end: Sidegate signs once
//! for many requests of a subject. How many are remembered is bounded.
//!
//! Does not: accept one that is bound to a request (`bind: request`), or say why one is not good: the application
//! then makes its own steps.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use parking_lot::RwLock;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use crate::app::caller::single;
use crate::connection::Connection;
use crate::target::Target;

/// What assertions are verified with.
pub(super) struct Assertions {
    place: Target,
    keys: RwLock<Arc<Keys>>,
    /// When they were fetched, and the right to do so.
    fetched: Mutex<Option<Instant>>,
    verified: Cache<Box<str>, Verified>,
}

/// By key id.
type Keys = HashMap<String, DecodingKey>;

/// Until when it says who asks, in seconds of the era.
#[derive(Debug, Clone, Copy)]
struct Verified {
    subject: Uuid,
    end: u64,
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
    sub_type: String,
    exp: u64,
    /// Bound to a request.
    htm: Option<Value>,
}

impl Assertions {
    pub(super) fn new(place: Target) -> Self {
        Self {
            place,
            keys: RwLock::default(),
            fetched: Mutex::new(None),
            verified: Cache::new(REMEMBERED),
        }
    }

    /// Of whom the request's assertion speaks.
    pub(super) async fn subject(&self, headers: &HeaderMap) -> Option<Uuid> {
        let text = single(headers, "x-sidegate-assertion")?;
        let verified = match self.verified.get(text) {
            Some(verified) => verified,
            None => self.verify(text).await?,
        };
        (now() < verified.end).then_some(verified.subject)
    }

    async fn verify(&self, text: &str) -> Option<Verified> {
        let head = decode_header(text).ok()?;
        if head.typ.as_deref() != Some(TYPE) || !ALGORITHMS.contains(&head.alg) {
            return None;
        }
        let key = self.key(head.kid.as_deref()?).await?;
        let mut rules = Validation::new(head.alg);
        rules.leeway = 0;
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = decode::<Claims>(text, &key, &rules).ok()?.claims;
        if claims.htm.is_some() || claims.sub_type != "user" {
            return None;
        }
        let verified = Verified {
            subject: claims.sub,
            end: claims.exp,
        };
        self.verified.insert(text.into(), verified);
        Some(verified)
    }

    async fn key(&self, kid: &str) -> Option<DecodingKey> {
        let known = |keys: &Keys| keys.get(kid).cloned();
        if let Some(key) = known(&self.keys.read()) {
            return Some(key);
        }
        let mut fetched = self.fetched.lock().await;
        // Somebody else may have fetched it meanwhile.
        if let Some(key) = known(&self.keys.read()) {
            return Some(key);
        }
        if fetched.is_some_and(|then| then.elapsed() < PAUSE) {
            return None;
        }
        *fetched = Some(Instant::now());
        let keys = timeout(PATIENCE, fetch(&self.place)).await.ok()??;
        let key = known(&keys);
        *self.keys.write() = Arc::new(keys);
        key
    }
}

async fn fetch(place: &Target) -> Option<Keys> {
    let request = Request::get(place.path().as_str())
        .header(header::HOST, place.host())
        .body(Empty::new())
        .ok()?;
    let mut connection = Connection::new(place.origin().clone());
    let answer = connection.begin(&request).await.ok()?;
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    let set: JwkSet = serde_json::from_slice(&body.ok()?.to_bytes()).ok()?;
    let keys = set.keys.iter().filter_map(|key| {
        let id = key.common.key_id.clone()?;
        Some((id, DecodingKey::from_jwk(key).ok()?))
    });
    Some(keys.collect())
}

fn now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "assertions are about the time of day, and nothing else here is"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Of Sidegate's assertions, and of no other token.
const TYPE: &str = "authz-assertion+jwt";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::EdDSA, Algorithm::ES256];
/// As Sidegate is shipped.
const ISSUER: &str = "sidegate";
const AUDIENCE: &str = "app";
/// Two for each of 10,000 users.
const REMEMBERED: usize = 20_000;
const PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST: usize = 64 * 1024;
