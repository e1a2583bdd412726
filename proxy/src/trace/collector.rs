//! The collector: one message of spans, posted (OTLP/HTTP 1.x, protobuf,
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
//!
//! Promise: sending has an end; past no redirect and through no proxy; an answer is read up to 64 KiB, and
//! nothing of it but a number of spans is taken. No error repeats a header or the answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use sidegate_config::TracingSettings;

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// A connection that was idle for longer is not used again: its other end may be closing it.
const IDLE: Duration = Duration::from_secs(10);

/// Why spans cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// There is no client for HTTP.
    #[error("no client: {0}")]
    Client(#[from] reqwest::Error),
    /// Its URL or a header is not what was checked.
    #[error("its endpoint or a header cannot be used")]
    Unusable,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExportError {
    /// Nothing was answered.
    #[error("the collector cannot be reached, or does not answer")]
    Unavailable,
    /// Nothing was answered in time.
    #[error("the collector does not answer in time")]
    TimedOut,
    /// It wants the same later (429, 502, 503, 504).
    #[error("the collector cannot take spans now: it answers {0}")]
    Busy(u16),
    /// It does not want it.
    #[error("the collector refuses spans: it answers {0}")]
    Refused(u16),
}

impl ExportError {
    /// Whether the same message may be taken later.
    pub(super) const fn is_temporary(self) -> bool {
        match self {
            Self::Unavailable | Self::TimedOut | Self::Busy(_) => true,
            Self::Refused(_) => false,
        }
    }
}

/// The client of one collector.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client,
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
}

impl Collector {
    /// Connects to nothing.
    pub(super) fn new(settings: &TracingSettings) -> Result<Self, TracingError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        for (name, value) in &settings.headers {
            let value = HeaderValue::from_bytes(value.expose());
            let mut value = value.map_err(|_no_value| TracingError::Unusable)?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        let client = Client::builder()
            .redirect(Policy::none())
            // Whoever runs a proxy would learn the headers of an http URL.
            .no_proxy()
            .user_agent("sidegate")
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self {
            client,
            url: Url::parse(&settings.endpoint).map_err(|_no_url| TracingError::Unusable)?,
            headers,
            timeout: settings.timeout,
        })
    }

    /// Sends a message; how many of its spans were rejected.
    pub(super) async fn send(&self, message: Bytes) -> Result<usize, ExportError> {
        let question = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .timeout(self.timeout)
            .body(message);
        let answer = question.send().await.map_err(|error| {
            if error.is_timeout() {
                ExportError::TimedOut
            } else {
                ExportError::Unavailable
            }
        })?;
        match answer.status().as_u16() {
            200..=299 => Ok(rejected(answer).await),
            status @ (429 | 502..=504) => Err(ExportError::Busy(status)),
            status => Err(ExportError::Refused(status)),
        }
    }
}

/// What a collector did not take of what it took. One that says nothing has rejected nothing.
async fn rejected(mut answer: Response) -> usize {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BYTES {
            return 0;
        }
    }
    let said = ExportTraceServiceResponse::decode(body.as_slice()).unwrap_or_default();
    let rejected = said.partial_success.map_or(0, |part| part.rejected_spans);
    usize::try_from(rejected).unwrap_or_default()
}
