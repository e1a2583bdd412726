//! Pingora's phases, translated to the stages of the straight line. No decision is made here.
//!
//! Promise: `request_filter` lets a request pass only with a [`Clearance`] in its context, and
//! `upstream_peer` and `upstream_request_filter` each refuse to go on without one (two locks).
//! What is sent is the target that was decided on. A refusal is a normal outcome: it is written
//! here and never an `Err`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use uuid::Uuid;

use crate::clearance::Clearance;
use crate::identity::{self, DECISION_ID, Headers, Identity};
use crate::metrics::Metrics;
use crate::outcome::Code;
use crate::pipeline::Pipeline;
use crate::rejection::Rejection;
use crate::respond::Answer;
use crate::upstream::Upstream;

/// The proxy.
#[derive(Debug)]
pub struct Gateway {
    /// What decides.
    pub pipeline: Arc<Pipeline>,
    /// What the application is told.
    pub identity: Arc<Identity>,
    /// The application.
    pub upstream: Arc<Upstream>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How long an idle client connection is kept.
    pub keepalive: Duration,
    /// How long an unread body is drained.
    pub drain: Duration,
}

/// What is known about one request.
#[derive(Debug)]
pub struct RequestContext {
    decision_id: Uuid,
    verdict: Verdict,
}

/// Where a request stands. Anything but `Cleared` is not forwarded.
#[derive(Debug)]
enum Verdict {
    /// Not decided. A request that ends like this ended before its decision.
    Pending,
    /// Forwarded, with these headers.
    Cleared(Box<(Clearance, Headers)>),
    /// Refused.
    Rejected(Code),
}

impl RequestContext {
    const fn cleared(&self) -> Option<&(Clearance, Headers)> {
        match &self.verdict {
            Verdict::Cleared(cleared) => Some(cleared),
            Verdict::Pending | Verdict::Rejected(_) => None,
        }
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext {
            decision_id: Uuid::new_v4(),
            verdict: Verdict::Pending,
        }
    }

    /// None: the default adds a compression module whose context is boxed for every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        _ctx: &mut RequestContext,
    ) -> Result<()> {
        // On every request: after the first, Pingora's own default is "for ever", and that would
        // cover a half-sent header too (attacks.md F4). `Connection: close` still closes.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(self.keepalive.as_secs()));
        }
        session.set_total_drain_timeout(Some(self.drain));
        Ok(())
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        let head = session.req_header();
        let admitted = self
            .pipeline
            .admit(&head.method, head.raw_path(), &head.headers)
            .await;
        let rejection = match admitted.and_then(|clearance| self.clear(head, ctx, clearance)) {
            Ok(()) => return Ok(false),
            Err(rejection) => rejection,
        };
        ctx.verdict = Verdict::Rejected(rejection.code());
        let headers = self
            .pipeline
            .cors
            .headers(&session.req_header().headers, &rejection);
        let mut buffer = Uuid::encode_buffer();
        let decision_id = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
        Answer::refusal(&rejection, headers, decision_id)
            .write(session)
            .await?;
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<Box<HttpPeer>> {
        let (clearance, _) = ctx.cleared().ok_or_else(not_cleared)?;
        let peer = self.upstream.peer(clearance);
        peer.map(Box::new).ok_or_else(|| {
            Error::explain(ErrorType::ConnectError, "upstream not resolved").into_up()
        })
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        let (clearance, headers) = ctx.cleared().ok_or_else(not_cleared)?;
        request.set_raw_path(clearance.target().as_str().as_bytes())?;
        let subject = clearance.permit().and_then(|permit| permit.subject());
        self.identity
            .rewrite(request, headers, subject, peer_of(session))
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        for name in identity::strip_answer(&response.headers) {
            response.remove_header(&name);
        }
        let mut buffer = Uuid::encode_buffer();
        let decision_id: &str = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
        response.insert_header(DECISION_ID, decision_id)?;
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut RequestContext,
    ) -> FailToProxy {
        let status = failure_status(error);
        if let Some(status) = status
            && session.response_written().is_none()
        {
            // The body may be half read: the connection cannot be used again.
            session.set_keepalive(None);
            let mut buffer = Uuid::encode_buffer();
            let decision_id = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
            let answer = Answer {
                status,
                headers: Vec::new(),
                decision_id,
            };
            if let Err(error) = answer.write(session).await {
                tracing::debug!(error = %error.etype().as_str(), "the client is gone");
            }
        }
        FailToProxy {
            error_code: status.map_or(0, |status| status.as_u16()),
            can_reuse_downstream: false,
        }
    }

    async fn logging(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        ctx: &mut RequestContext,
    ) {
        match &ctx.verdict {
            Verdict::Cleared(cleared) => self.metrics.request(cleared.0.code()),
            Verdict::Rejected(code) => self.metrics.request(*code),
            // The client left before a verdict, or a phase failed: counted, never an allow.
            Verdict::Pending => self.metrics.request(Code::Internal),
        }
        let answered = session
            .response_written()
            .is_some_and(|answer| answer.status.as_u16() < 500);
        if error.is_some_and(|error| *error.esource() == ErrorSource::Upstream) && !answered {
            self.metrics.upstream_error();
        }
    }

    /// Pingora's default holds the whole target, which may hold secrets in its query.
    fn request_summary(&self, _session: &Session, ctx: &RequestContext) -> String {
        format!("decision {}", ctx.decision_id)
    }
}

impl Gateway {
    /// Builds what the application is told; a request whose identity cannot be written is refused.
    fn clear(
        &self,
        head: &RequestHeader,
        ctx: &mut RequestContext,
        clearance: Clearance,
    ) -> std::result::Result<(), Rejection> {
        let mut buffer = Uuid::encode_buffer();
        let decision_id = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
        let policy = self.pipeline.authorizer.policy();
        let now = self.pipeline.clock.now();
        let headers = self
            .identity
            .headers(&clearance, policy, &head.method, decision_id, now)
            .map_err(|error| {
                tracing::error!(%error, decision_id = %ctx.decision_id, "cannot write identity");
                Rejection::Internal
            })?;
        ctx.verdict = Verdict::Cleared(Box::new((clearance, headers)));
        Ok(())
    }
}

fn not_cleared() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "no clearance")
}

/// The client's address; `None` on a Unix socket.
fn peer_of(session: &Session) -> Option<IpAddr> {
    match session.client_addr()? {
        SocketAddr::Inet(address) => Some(address.ip()),
        SocketAddr::Unix(_) => None,
    }
}

/// What a client sees of a failure; `None` where it is gone.
fn failure_status(error: &Error) -> Option<StatusCode> {
    match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(code)) => StatusCode::from_u16(*code).ok(),
        (
            ErrorSource::Upstream,
            ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout,
        ) => Some(StatusCode::GATEWAY_TIMEOUT),
        (ErrorSource::Upstream, _) => Some(StatusCode::BAD_GATEWAY),
        (
            ErrorSource::Downstream,
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed,
        ) => None,
        (ErrorSource::Downstream, _) => Some(StatusCode::BAD_REQUEST),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Some(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
