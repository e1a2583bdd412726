//! Pingora's phases, translated to the stages of the straight line. No decision is made here.
//!
//! Promise: `request_filter` lets a request pass only with a [`Clearance`] in its context, and
//! `upstream_peer` and `upstream_request_filter` each refuse to go on without one (two locks).
//! What is sent is the target that was decided on. A refusal is a normal outcome: it is written
//! here and never an `Err`.

mod cleared;
mod ending;

use std::net::{self, IpAddr};
use std::sync::Arc;

use async_trait::async_trait;
use http::header::EXPECT;
use http::{Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use sidegate_policy::Id;
use uuid::Uuid;

use crate::authz::Permit;
use crate::clearance::Clearance;
use crate::generation::{Current, Generation};
use crate::identity::{self, DECISION_ID, DEGRADED, Headers};
use crate::metrics::Metrics;
use crate::outcome::Code;
use crate::pipeline::Sight;
use crate::respond::Answer;
use crate::route::Route;

/// The proxy.
#[derive(Debug)]
pub struct Gateway {
    current: Arc<Current>,
    metrics: Arc<Metrics>,
}

/// What is known about one request.
#[derive(Debug)]
pub struct RequestContext {
    /// The generation that the request belongs to, from beginning to end.
    generation: Arc<Generation>,
    decision_id: Uuid,
    verdict: Verdict,
    /// Which rule applied and who asked, for the log.
    route: Option<Arc<Route>>,
    subject: Option<Id>,
    /// Instances that were tried.
    tried: Vec<net::SocketAddr>,
    websocket: bool,
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

    /// Whether it was allowed on facts older than the bound.
    fn is_stale(&self) -> bool {
        let permit = self.cleared().and_then(|(clearance, _)| clearance.permit());
        permit.is_some_and(Permit::is_stale)
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext {
            generation: self.current.load(),
            decision_id: Uuid::new_v4(),
            verdict: Verdict::Pending,
            route: None,
            subject: None,
            tried: Vec::new(),
            websocket: false,
        }
    }

    /// None: the default adds a compression module whose context is boxed for every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        let limits = &ctx.generation.settings.limits;
        // On every request: after the first, Pingora's own default is "for ever", and that would
        // cover a half-sent header too (attacks.md F4). `Connection: close` still closes.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(limits.keepalive_timeout.as_secs()));
        }
        session.set_total_drain_timeout(Some(limits.drain_timeout));
        session.set_read_timeout(Some(limits.read_timeout));
        session.set_write_timeout(Some(limits.write_timeout));
        Ok(())
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        let head = session.req_header();
        let generation = Arc::clone(&ctx.generation);
        let see = |sight: Sight<'_>| match sight {
            Sight::Route(route) => ctx.route = Some(Arc::clone(route)),
            Sight::Principal(principal) => ctx.subject = Some(principal.subject.clone()),
            Sight::Target(_) | Sight::Resource(_) | Sight::Evidence(_) => {}
        };
        let pipeline = &generation.pipeline;
        let admitted = pipeline
            .admit(&head.method, head.raw_path(), &head.headers, see)
            .await;
        let rejection = match admitted.and_then(|clearance| cleared::clear(head, ctx, clearance)) {
            Ok(()) => {
                if ctx.websocket {
                    let silence = generation.upstreams.websocket_idle_timeout();
                    session.set_read_timeout(Some(silence));
                }
                // An HTTP/1.0 client may take the 100 for its answer (RFC 9110 section 10.1.1).
                let head = session.req_header();
                if head.version == Version::HTTP_11 && head.headers.contains_key(EXPECT) {
                    session.write_continue_response().await?;
                }
                return Ok(false);
            }
            Err(rejection) => rejection,
        };
        ctx.verdict = Verdict::Rejected(rejection.code());
        let headers = pipeline
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
        let (clearance, _) = ctx.cleared().ok_or_else(ending::not_cleared)?;
        let peer = ctx
            .generation
            .upstreams
            .peer(clearance, ctx.websocket, &ctx.tried);
        let (address, peer) = peer.ok_or_else(ending::no_instance)?;
        ctx.tried.push(address);
        Ok(Box::new(peer))
    }

    /// Nothing was sent: another instance, if there is one, may be asked.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut RequestContext,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let another = ctx.cleared().is_some_and(|(clearance, _)| {
            ctx.generation.upstreams.has_untried(clearance, &ctx.tried)
        });
        error.set_retry(another);
        error
    }

    /// Pingora's own rule sends every idempotent request again, a `DELETE` with its body too. Only
    /// what changes nothing is sent twice, and only where the application had closed a connection.
    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        _ctx: &mut RequestContext,
        client_reused: bool,
    ) -> Box<Error> {
        let method = &session.req_header().method;
        let changes_nothing = [Method::GET, Method::HEAD].contains(method);
        if changes_nothing && session.as_mut().is_body_empty() {
            error.retry.decide_reuse(client_reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        let (clearance, headers) = ctx.cleared().ok_or_else(ending::not_cleared)?;
        request.set_raw_path(clearance.target().as_str().as_bytes())?;
        let subject = clearance.permit().and_then(|permit| permit.subject());
        ctx.generation
            .identity
            .rewrite(request, headers, subject, peer_of(session))
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS && !ctx.websocket {
            let unasked = "an upgrade that nobody asked for";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, unasked).into_up());
        }
        for name in identity::strip_answer(&response.headers) {
            response.remove_header(&name);
        }
        let mut buffer = Uuid::encode_buffer();
        let decision_id: &str = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
        response.insert_header(DECISION_ID, decision_id)?;
        if ctx.is_stale() {
            response.insert_header(DEGRADED, "stale")?;
        }
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut RequestContext,
    ) -> FailToProxy {
        let status = ending::failure_status(error);
        let (source, kind) = (error.esource().as_str(), error.etype().as_str());
        let (instance, decision_id) = (ctx.tried.last(), ctx.decision_id);
        match status {
            Some(status) => tracing::warn!(
                %decision_id, ?instance, source, error = kind, status = status.as_u16(), "not answered"
            ),
            None => tracing::debug!(%decision_id, source, error = kind, "the client is gone"),
        }
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
        let code = match &ctx.verdict {
            Verdict::Cleared(cleared) => cleared.0.code(),
            Verdict::Rejected(code) => *code,
            Verdict::Pending => Code::Abandoned,
        };
        self.metrics.request(code);
        ending::log(
            ctx,
            code,
            session
                .response_written()
                .map(|answer| answer.status.as_u16()),
        );
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
    /// A proxy for whatever generation counts.
    #[must_use]
    pub const fn new(current: Arc<Current>, metrics: Arc<Metrics>) -> Self {
        Self { current, metrics }
    }
}

/// The client's address; `None` on a Unix socket.
fn peer_of(session: &Session) -> Option<IpAddr> {
    match session.client_addr()? {
        SocketAddr::Inet(address) => Some(address.ip()),
        SocketAddr::Unix(_) => None,
    }
}
