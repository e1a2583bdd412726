//! Our own answers: problem+json (RFC 9457) that tells a stranger nothing but the decision's id; and, to a
//! permitted request, where the storage has what it asks for.
//!
//! Promise: a refusal keeps the client's connection, unless it is not certain where the request ended
//! ([`Rejection::ends_connection`]); then it is closed, and a client that is still sending may see a reset
//! before the answer. Otherwise the unread body of a refused request is drained for
//! `limits.drain_timeout`, and the connection is closed if it does not end by then or if the client waits
//! for leave to send it. Pingora's own `respond_error` closes the connection and is not used.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::identity::DECISION_ID;
use crate::rejection::Rejection;

/// An answer of ours.
#[derive(Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// What to send beside the fixed headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The decision's id.
    pub decision_id: &'a str,
}

impl<'a> Answer<'a> {
    /// The answer to a refused request.
    #[must_use]
    pub fn refusal(
        rejection: &Rejection,
        mut headers: Vec<(HeaderName, HeaderValue)>,
        decision_id: &'a str,
    ) -> Self {
        let fixed = [
            (WWW_AUTHENTICATE, rejection.challenge()),
            (RETRY_AFTER, rejection.retry_after()),
        ];
        for (name, value) in fixed {
            headers.extend(value.map(|value| (name, HeaderValue::from_static(value))));
        }
        Self {
            status: rejection.status(),
            headers,
            decision_id,
        }
    }

    /// The answer to a permitted request whose object is elsewhere. The place is a secret, for this client.
    #[must_use]
    pub fn elsewhere(
        location: HeaderValue,
        mut headers: Vec<(HeaderName, HeaderValue)>,
        decision_id: &'a str,
    ) -> Self {
        let private = HeaderValue::from_static("private, no-store");
        headers.extend([(LOCATION, location), (CACHE_CONTROL, private)]);
        Self {
            status: StatusCode::FOUND,
            headers,
            decision_id,
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn write(self, session: &mut Session) -> pingora::Result<()> {
        let body = match self.status {
            StatusCode::NO_CONTENT | StatusCode::FOUND => Bytes::new(),
            status => problem(status, self.decision_id),
        };
        let is_head = session.req_header().method == Method::HEAD;
        let mut header = ResponseHeader::build(self.status, Some(8 + self.headers.len()))?;
        if !body.is_empty() {
            header.insert_header(CONTENT_TYPE, "application/problem+json")?;
        }
        if self.status != StatusCode::NO_CONTENT {
            header.insert_header(CONTENT_LENGTH, body.len())?;
        }
        header.insert_header(CACHE_CONTROL, "no-store")?;
        header.insert_header(DECISION_ID, self.decision_id)?;
        for (name, value) in self.headers {
            header.insert_header(name, value)?;
        }
        let bare = is_head || body.is_empty();
        // Pingora's default is to close on an answer before the body's end. A client that is still
        // sending would then see a reset and not the answer. One that expects a 100 may never send
        // the body, and what it sends next must not be taken for it.
        let waits = session.req_header().headers.contains_key(EXPECT);
        session.set_close_on_response_before_downstream_finish(waits);
        session
            .write_response_header(Box::new(header), bare)
            .await?;
        if !bare {
            session.write_response_body(Some(body), true).await?;
        }
        Ok(())
    }
}

/// The body of a refusal.
pub(crate) fn problem(status: StatusCode, decision_id: &str) -> Bytes {
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "decision_id": decision_id,
    });
    Bytes::from(problem.to_string())
}
