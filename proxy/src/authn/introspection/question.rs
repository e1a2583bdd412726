//! One question to an introspection endpoint (RFC 7662 section 2).
//!
//! Promise: it is asked over https (http only on loopback), without any proxy and past no redirect, within
//! the time-out; the answer counts only with 200, as one strict JSON object of at most 64 KiB that says
//! `active: true` or `active: false`. No error repeats the token, our secret or the answer.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::{Map, Value};
use sidegate_config::IntrospectionSettings;

use crate::authn::json;
use crate::authn::remote::permitted;

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// A connection that was idle for longer is not used again: its other end may be closing it.
const IDLE: Duration = Duration::from_secs(10);

/// Where the questions go, and who we are there.
#[derive(Debug)]
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    authorization: HeaderValue,
    timeout: Duration,
}

/// What an issuer says about a token.
#[derive(Debug)]
pub(super) enum Said {
    /// It is good, and this is what it claims.
    Active(Map<String, Value>),
    /// It is not, or it is none of the issuer's.
    Inactive,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It cannot be reached, or does not answer in time.
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    /// It does not know us: 401 or 403 (RFC 7662 section 2.3).
    #[error("it refuses `client_id` or `client_secret` ({0})")]
    Client(u16),
    /// It answers something else than 200.
    #[error("it answers {0}")]
    Status(u16),
    /// It does not understand this very question, which depends on what a client has sent.
    #[error("it does not understand a question about some token ({0})")]
    Question(u16),
    /// The answer is too long.
    #[error("its answer is longer than 64 KiB")]
    TooLong,
    /// The answer is none.
    #[error("its answer is no JSON object with `active`")]
    Malformed,
}

impl Trouble {
    /// Whether it speaks against the issuer. What one client's token leads to does not: it must not take
    /// the issuer from all others.
    pub(super) const fn is_failure(&self) -> bool {
        !matches!(self, Self::Question(_))
    }
}

impl Endpoint {
    /// Of an issuer. Nothing is connected to.
    pub(super) fn new(settings: &IntrospectionSettings) -> Result<Self, String> {
        let url = permitted(&settings.url).map_err(|error| error.to_string())?;
        let client = Client::builder()
            .redirect(Policy::none())
            // Whoever runs a proxy could read tokens, and say which are good.
            .no_proxy()
            .user_agent("sidegate")
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(settings.max_in_flight)
            .build()
            .map_err(|error| error.without_url().to_string())?;
        Ok(Self {
            client,
            url,
            authorization: basic(settings)?,
            timeout: settings.timeout,
        })
    }

    /// Asks about a token.
    pub(super) async fn ask(&self, token: &str) -> Result<Said, Trouble> {
        let request = self
            .client
            .post(self.url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form(token))
            .timeout(self.timeout);
        let mut answer = request.send().await.map_err(reqwest::Error::without_url)?;
        judge(answer.status())?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(Trouble::TooLong);
            }
        }
        read(&body)
    }
}

fn form(token: &str) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("token", token);
    form.append_pair("token_type_hint", "access_token");
    form.finish()
}

/// HTTP Basic with both parts form-encoded (RFC 6749 section 2.3.1).
fn basic(settings: &IntrospectionSettings) -> Result<HeaderValue, String> {
    let mut credentials = byte_serialize(settings.client_id.as_bytes()).collect::<String>();
    credentials.push(':');
    credentials.extend(byte_serialize(settings.client_secret.expose()));
    let value = format!("Basic {}", STANDARD.encode(credentials));
    let mut value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

const fn judge(status: StatusCode) -> Result<(), Trouble> {
    match status.as_u16() {
        200 => Ok(()),
        code @ (401 | 403) => Err(Trouble::Client(code)),
        code @ (400 | 413 | 414 | 422) => Err(Trouble::Question(code)),
        code => Err(Trouble::Status(code)),
    }
}

fn read(body: &[u8]) -> Result<Said, Trouble> {
    let answer = json::object(body).ok_or(Trouble::Malformed)?;
    match answer.get("active") {
        Some(Value::Bool(true)) => Ok(Said::Active(answer)),
        Some(Value::Bool(false)) => Ok(Said::Inactive),
        Some(_) | None => Err(Trouble::Malformed),
    }
}
