//! A client of a running Sidegate's admin listener, for commands of the binary.
//!
//! Promise: an answer comes whole, within [`TIMEOUT`] and [`MAX_BYTES`], from the address that the
//! configuration or `--admin` names and from no other: no redirect is followed, and no proxy of the
//! environment is asked. Why there is none is said with what to do about it; what a stranger may have
//! written there cannot steer a terminal.
//!
//! Does not: hide the token from whoever can listen on the way to an `http` address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;
use sidegate_config::AdminSettings;

/// How long a question may take, from the connection to the answer's last byte.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How much of a refusal's body is repeated, in characters.
const MAX_REASON: usize = 300;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not where an admin listener can be.
    #[error("expected http://ADDRESS:PORT, without a user, a path or a query")]
    Url,
    /// Each start takes another port.
    #[error(
        "admin.listen: port 0 is another one at each start: say which it is with --admin http://ADDRESS:PORT \
         (the log's line `listening` has it)"
    )]
    Port,
    /// Neither a configuration nor an address.
    #[error("expected --config FILE or --admin URL: which Sidegate?")]
    Nowhere,
    /// `admin.token` cannot be sent.
    #[error("admin.token: expected characters that a header can hold")]
    Token,
    /// This process cannot ask anybody.
    #[error("no client of the admin listener: {0}")]
    Client(String),
    /// Nobody listens there.
    #[error(
        "{url} cannot be reached: {why}. A Sidegate must be running, with its `admin.listen` there"
    )]
    Unreachable {
        /// Where.
        url: Url,
        /// What the system said.
        why: String,
    },
    /// Too slow.
    #[error("{0} has not answered within {limit} s", limit = TIMEOUT.as_secs())]
    TimedOut(Url),
    /// 401.
    #[error(
        "{0} refuses the token: it must be the running Sidegate's `admin.token`, which is read from --config FILE"
    )]
    Unauthorized(Url),
    /// Anything else but 200.
    #[error("{url} answers {status}: {reason}")]
    Status {
        /// What was asked.
        url: Url,
        /// With which status.
        status: StatusCode,
        /// What its body says.
        reason: String,
    },
    /// The answer is too long.
    #[error("{0}: the answer is longer than 16 MiB")]
    TooLong(Url),
    /// The answer is not what a Sidegate says.
    #[error("{0}: the answer is no {1}: is it a Sidegate's admin listener?")]
    Malformed(Url, &'static str),
}

/// Where an admin listener is: `--admin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUrl(Url);

impl FromStr for AdminUrl {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let url = Url::parse(text).map_err(|_no_url| ClientError::Url)?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        is_plain.then_some(Self(url)).ok_or(ClientError::Url)
    }
}

impl AdminUrl {
    /// Where a listener with these settings is to be found from this machine: one that listens on every
    /// address, on loopback.
    ///
    /// # Errors
    /// When its port is not known before it starts.
    pub fn of(settings: &AdminSettings) -> Result<Self, ClientError> {
        let listen = settings.listen;
        if listen.port() == 0 {
            return Err(ClientError::Port);
        }
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        format!("http://{}", SocketAddr::new(ip, listen.port())).parse()
    }

    fn names_a_host(&self) -> bool {
        self.0.domain().is_some_and(|name| name != "localhost")
    }
}

/// Asks one admin listener.
#[derive(Debug)]
pub struct AdminClient {
    client: Client,
    url: AdminUrl,
    authorization: Option<HeaderValue>,
}

impl AdminClient {
    /// Of the listener at `url`, or else of the configuration's; with the configuration's token. Nothing is
    /// connected to.
    ///
    /// # Errors
    /// When it is not said where it is, or the token cannot be sent.
    pub fn new(
        settings: Option<&AdminSettings>,
        url: Option<&AdminUrl>,
    ) -> Result<Self, ClientError> {
        let url = match (url, settings) {
            (Some(url), _) => url.clone(),
            (None, Some(settings)) => AdminUrl::of(settings)?,
            (None, None) => return Err(ClientError::Nowhere),
        };
        let token = settings.and_then(|settings| settings.token.as_ref());
        let authorization = token.map(|token| {
            let mut value = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat())
                .map_err(|_holds_it| ClientError::Token)?;
            value.set_sensitive(true);
            Ok::<_, ClientError>(value)
        });
        let client = Client::builder()
            .redirect(Policy::none())
            // Whoever runs a proxy could read the token.
            .no_proxy()
            .user_agent("sidegate")
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| ClientError::Client(root(&error)))?;
        Ok(Self {
            client,
            url,
            authorization: authorization.transpose()?,
        })
    }

    /// Whom it asks.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.0.as_str()
    }

    /// What `GET path` answers. `path` begins with `/`.
    ///
    /// # Errors
    /// When there is no answer with status 200 that is text.
    pub async fn get(&self, path: &str) -> Result<String, ClientError> {
        let url = self.at(path)?;
        let body = self.ask(self.client.get(url.clone()), &url).await?;
        String::from_utf8(body).map_err(|_other| ClientError::Malformed(url, "text"))
    }

    /// What `GET path` answers, as JSON.
    ///
    /// # Errors
    /// When there is no answer with status 200 that is JSON.
    pub async fn get_json(&self, path: &str) -> Result<Value, ClientError> {
        let url = self.at(path)?;
        let body = self.ask(self.client.get(url.clone()), &url).await?;
        serde_json::from_slice(&body).map_err(|_other| ClientError::Malformed(url, "JSON"))
    }

    /// What `POST path` answers to this body, as JSON.
    ///
    /// # Errors
    /// When there is no answer with status 200 that is JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let url = self.at(path)?;
        let request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let body = self.ask(request, &url).await?;
        serde_json::from_slice(&body).map_err(|_other| ClientError::Malformed(url, "JSON"))
    }

    fn at(&self, path: &str) -> Result<Url, ClientError> {
        self.url.0.join(path).map_err(|_no_path| ClientError::Url)
    }

    async fn ask(&self, mut request: RequestBuilder, url: &Url) -> Result<Vec<u8>, ClientError> {
        match &self.authorization {
            Some(value) => request = request.header(AUTHORIZATION, value.clone()),
            // A listener without a token refuses names, so that no web page can reach it under one of its
            // own. This is no web page.
            None if self.url.names_a_host() => request = request.header(HOST, "localhost"),
            None => {}
        }
        let mut answer = request.send().await.map_err(|error| trouble(&error, url))?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| trouble(&error, url))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(ClientError::TooLong(url.clone()));
            }
        }
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::UNAUTHORIZED => Err(ClientError::Unauthorized(url.clone())),
            status => Err(ClientError::Status {
                url: url.clone(),
                status,
                reason: reason(&body),
            }),
        }
    }
}

fn trouble(error: &reqwest::Error, url: &Url) -> ClientError {
    if error.is_timeout() {
        return ClientError::TimedOut(url.clone());
    }
    ClientError::Unreachable {
        url: url.clone(),
        why: root(error),
    }
}

/// The last cause: the others only say that a request could not be sent.
fn root(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    causes.last().map_or_else(String::new, ToString::to_string)
}

/// What a refusal says: the `error` of JSON, or else its text, in one line.
fn reason(body: &[u8]) -> String {
    let json = serde_json::from_slice::<Value>(body).ok();
    let error = json
        .as_ref()
        .and_then(|json| json.get("error"))
        .and_then(Value::as_str)
        .map(str::to_owned);
    let text = error.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let shown = |one: char| if one.is_control() { ' ' } else { one };
    let line: String = text.trim().chars().take(MAX_REASON).map(shown).collect();
    if line.is_empty() {
        "without a reason".to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests;
