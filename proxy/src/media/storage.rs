//! The storage's signer, over HTTP: `POST …/object/sign/BUCKET/OBJECT` (Supabase Storage).
//!
//! Promise: a question has an end, an answer is bounded in size, no redirect is followed and no proxy
//! asked, and a URL counts only on the storage's own origin: whatever the storage says, no client is sent
//! elsewhere. What it says is in no log.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::json;
use sidegate_config::StorageSettings;

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// The longest URL that a client is sent to, in bytes.
const MAX_LOCATION: usize = 4096;
/// Idle connections that are kept.
const IDLE: usize = 8;

/// Why the storage cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// There is no client for HTTP.
    #[error("no client: {0}")]
    Client(#[from] reqwest::Error),
    /// Its URL or its token is not what was checked.
    #[error("its URL or token cannot be used")]
    Unusable,
}

/// Why a question brought no URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StorageError {
    /// It cannot be reached, or fails.
    #[error("the storage does not answer")]
    Unavailable,
    /// It does not answer in time.
    #[error("the storage does not answer in time")]
    TimedOut,
    /// It refuses us, or is asked too often.
    #[error("the storage refuses to sign")]
    Refused,
    /// It has no such object, or does not sign it.
    #[error("the storage has no such object")]
    Missing,
    /// Its answer is too long, no answer of a signer, or leads elsewhere.
    #[error("the storage's answer cannot be used")]
    Malformed,
}

impl StorageError {
    /// Whether it speaks against the storage. That an object is not there (yet) does not.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Unavailable | Self::TimedOut | Self::Refused | Self::Malformed => true,
            Self::Missing => false,
        }
    }
}

/// The client of one storage.
#[derive(Debug)]
pub(super) struct Storage {
    client: Client,
    base: Url,
    token: HeaderValue,
    body: Vec<u8>,
    timeout: Duration,
}

/// What a signer answers.
#[derive(Deserialize)]
struct Signed {
    #[serde(rename = "signedURL")]
    signed_url: String,
}

impl Storage {
    pub(super) fn new(settings: &StorageSettings) -> Result<Self, MediaError> {
        let client = Client::builder()
            .redirect(Policy::none())
            // Whoever runs a proxy would learn the token of an http URL.
            .no_proxy()
            .pool_max_idle_per_host(IDLE)
            .user_agent("sidegate")
            .build()?;
        let bearer = [b"Bearer ", settings.token.expose()].concat();
        let mut token =
            HeaderValue::from_bytes(&bearer).map_err(|_no_value| MediaError::Unusable)?;
        token.set_sensitive(true);
        Ok(Self {
            client,
            base: Url::parse(&settings.url).map_err(|_no_url| MediaError::Unusable)?,
            token,
            body: json!({ "expiresIn": settings.expires_in.as_secs() })
                .to_string()
                .into_bytes(),
            timeout: settings.timeout,
        })
    }

    /// Where a bucket's object is, for `expires_in` from now on.
    pub(super) async fn sign(&self, object: &str) -> Result<HeaderValue, StorageError> {
        let path = format!("/object/sign/{object}");
        let url = below(&self.base, &path).ok_or(StorageError::Missing)?;
        // Nothing in it was resolved or written anew on the way.
        if !url.path().ends_with(&path) {
            return Err(StorageError::Missing);
        }
        let question = self
            .client
            .post(url)
            .timeout(self.timeout)
            .header(AUTHORIZATION, self.token.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(self.body.clone());
        let mut answer = question.send().await.map_err(|error| trouble(&error))?;
        judge(answer.status())?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| trouble(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(StorageError::Malformed);
            }
        }
        location(&self.base, &body).ok_or(StorageError::Malformed)
    }
}

fn judge(status: StatusCode) -> Result<(), StorageError> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::TOO_MANY_REQUESTS => Err(StorageError::Refused),
        StatusCode::REQUEST_TIMEOUT => Err(StorageError::TimedOut),
        status if status.is_client_error() => Err(StorageError::Missing),
        status if status.is_server_error() => Err(StorageError::Unavailable),
        _ => Err(StorageError::Malformed),
    }
}

fn trouble(error: &reqwest::Error) -> StorageError {
    if error.is_timeout() {
        StorageError::TimedOut
    } else {
        StorageError::Unavailable
    }
}

/// Where an answer leads, if that is on the storage's own origin.
fn location(base: &Url, body: &[u8]) -> Option<HeaderValue> {
    let signed: Signed = serde_json::from_slice(body).ok()?;
    let written = signed.signed_url.as_str();
    let url = if written.starts_with('/') {
        below(base, written)?
    } else {
        Url::parse(written).ok()?
    };
    let is_own = url.origin() == base.origin()
        && url.username().is_empty()
        && url.password().is_none()
        && url.as_str().len() <= MAX_LOCATION;
    let mut location = HeaderValue::try_from(url.as_str())
        .ok()
        .filter(|_| is_own)?;
    location.set_sensitive(true);
    Some(location)
}

/// A path and query after the storage's own path.
fn below(base: &Url, path: &str) -> Option<Url> {
    let base = base.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_counts_on_the_storages_own_origin_alone() {
        let base = Url::parse("https://s.example/storage/v1").unwrap();
        let lead = |written: &str| {
            let body = json!({ "signedURL": written }).to_string();
            location(&base, body.as_bytes()).map(|found| found.to_str().unwrap().to_owned())
        };
        let good = "https://s.example/storage/v1/object/sign/b/a.png?token=t";
        assert_eq!(lead("/object/sign/b/a.png?token=t").as_deref(), Some(good));
        assert_eq!(lead(good).as_deref(), Some(good));
        assert!(lead("https://s.example:443/x").is_some());
        for elsewhere in [
            "",
            "object/sign/b/a.png",
            "https://evil.example/a.png",
            "http://s.example/a.png",
            "https://s.example:8443/a.png",
            "https://s.example.evil.example/a.png",
            "https://me@s.example/a.png",
            "@evil.example/a.png",
            ".evil.example/a.png",
            "javascript:alert(1)",
            "data:text/html,x",
            &format!("/{}", "a".repeat(MAX_LOCATION)),
        ] {
            assert_eq!(lead(elsewhere), None, "{elsewhere}");
        }
        // Two slashes are a path of the storage's here, and no other host.
        let found = lead("//evil.example/a.png").unwrap();
        assert!(found.starts_with("https://s.example/"), "{found}");
        for body in ["", "{}", "[]", r#"{"signedURL": 1}"#] {
            assert_eq!(location(&base, body.as_bytes()), None, "{body}");
        }
    }
}
