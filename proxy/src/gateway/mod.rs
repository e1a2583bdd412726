//! Pingora's phases, translated to the stages of the straight line. No decision is made here.
//!
//! Promise: `request_filter` lets a request pass only with a [`crate::clearance::Clearance`] in its context, and
//! `upstream_peer` and `upstream_request_filter` each refuse to go on without one (two locks).
//! What is sent is the target that was decided on. A refusal is a normal outcome: it is written
//! here and never an `Err`.

mod body;
mod cleared;
mod context;
mod ending;
mod recorded;
mod storage;
mod traced;

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use sidegate_config::Rules;
use uuid::Uuid;

use crate::generation::Current;
use crate::head;
use crate::identity::{self, DECISION_ID, DEGRADED};
use crate::link;
use crate::observation::{Basis, Stage, Timeline};
use crate::outcome::Code;
use crate::pipeline::{Request, Sight};
use crate::stream::Handed;
use crate::telemetry::Telemetry;

pub use context::RequestContext;
use context::Verdict;

/// The proxy.
#[derive(Debug)]
pub struct Gateway {
    current: Arc<Current>,
    telemetry: Arc<Telemetry>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext::new(self.current.load())
    }

    /// None: the default adds a compression module whose context is boxed for every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    /// Pingora's way from a connection to a request's context, also on its first request: the rules
    /// that [`crate::intake`] has found broken, and where the request is held from when it is cleared.
    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        ctx: &mut RequestContext,
        known: Box<dyn Any + Send + Sync>,
    ) {
        if let Ok(handed) = known.downcast::<Handed>() {
            ctx.broken = handed.broken;
            ctx.handover = Some(handed.handover);
        }
    }

    async fn early_request_filter(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        // The context is made before the head of a further request comes.
        ctx.timeline = Timeline::begin();
        traced::begin(session, ctx);
        let limits = &ctx.generation.settings.limits;
        // On every request: after the first, Pingora's own default is "for ever" (attacks.md F4).
        // `Connection: close` still closes.
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
        let proxies = &generation.pipeline.trusted_proxies;
        ctx.client = peer_of(session).and_then(|peer| proxies.client(peer, &head.headers));
        let request = Request {
            method: &head.method,
            target: head.raw_path(),
            headers: &head.headers,
            peer: peer_of(session),
            broken: ctx.broken,
        };
        let mut reported = Rules::NONE;
        let see = |sight: Sight<'_>| match sight {
            Sight::Route(route) => {
                ctx.timeline.end(Stage::Route);
                ctx.route = Some(Arc::clone(route));
            }
            Sight::Principal(principal) => ctx.identified(principal),
            Sight::Reported(rules) => reported = rules,
            Sight::Link(_) => ctx.by_link = true,
            Sight::Resource(resource) => ctx.resource = Some(resource.clone()),
            Sight::Evidence(evidence) => ctx.basis = Some(Basis::of(&evidence)),
            Sight::Target(_) => {}
        };
        let pipeline = &generation.pipeline;
        let admitted = pipeline.admit(request, see).await;
        if admitted.is_ok() && ctx.subject.is_some() {
            ctx.timeline.end(Stage::Authorize);
        }
        self.report(ctx, reported);
        let rejection = match admitted.and_then(|clearance| cleared::clear(head, ctx, clearance)) {
            Ok(()) => {
                ctx.timeline.end(Stage::Identity);
                if let Some(location) = storage::location(ctx).await {
                    ctx.timeline.end(Stage::Upstream);
                    storage::redirect(session, ctx, location).await?;
                    return Ok(true);
                }
                if !ctx.websocket {
                    let (settings, route) = (&generation.settings, ctx.route.as_deref());
                    let (limits, strictness) = (&settings.limits, settings.strictness);
                    ctx.body = Some(body::Bounded::new(route, limits, strictness));
                }
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
        ctx.timeline.stop();
        ending::refuse(session, ctx, &rejection).await?;
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<Box<HttpPeer>> {
        let clearance = &ctx.cleared().ok_or_else(ending::not_cleared)?.clearance;
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
        let another = ctx.cleared().is_some_and(|cleared| {
            let upstreams = &ctx.generation.upstreams;
            upstreams.has_untried(&cleared.clearance, &ctx.tried)
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
        let cleared = ctx.cleared().ok_or_else(ending::not_cleared)?;
        let (clearance, headers) = (&cleared.clearance, &cleared.headers);
        request.set_raw_path(clearance.target().as_str().as_bytes())?;
        let subject = clearance.permit().and_then(|permit| permit.subject());
        let identity = &ctx.generation.identity;
        identity.rewrite(request, headers, subject, peer_of(session))?;
        traced::tell(ctx, request)?;
        let asked = session.req_header();
        if head::has_unexpected_body(&asked.method, &asked.headers) {
            // An application that does not read it must not take it for another request.
            request.insert_header(CONNECTION, "close")?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        piece: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        let (Some(body), Some(piece)) = (&mut ctx.body, piece) else {
            return Ok(());
        };
        match body.take(piece.len(), end_of_stream) {
            body::Piece::Passes => Ok(()),
            body::Piece::Reported(rule) => {
                self.report(ctx, Rules::from_iter([rule]));
                Ok(())
            }
            body::Piece::Refused(code, status) => {
                ending::refuse_body(session, ctx, code);
                Err(body::refused(status))
            }
        }
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        ctx.timeline.end(Stage::Upstream);
        traced::answered(ctx, response);
        if response.status == StatusCode::SWITCHING_PROTOCOLS && !ctx.websocket {
            let unasked = "an upgrade that nobody asked for";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, unasked).into_up());
        }
        for name in identity::strip_answer(&response.headers) {
            response.remove_header(&name);
        }
        if ctx.by_link {
            link::keep_private(response)?;
        }
        let mut buffer = Uuid::encode_buffer();
        let decision_id: &str = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
        response.insert_header(DECISION_ID, decision_id)?;
        if let Some(degraded) = ctx.degraded() {
            response.insert_header(DEGRADED, degraded)?;
        }
        let status = response.status;
        ctx.is_answered_upstream =
            !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS;
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut RequestContext,
    ) -> FailToProxy {
        ending::fail(session, error, ctx).await
    }

    async fn logging(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        ctx: &mut RequestContext,
    ) {
        // In this order: whoever tells about it needs to know that it is over, and when.
        ctx.let_go();
        ctx.end();
        let code = match &ctx.verdict {
            Verdict::Cleared(cleared) => cleared.clearance.code(),
            Verdict::Rejected(code) => *code,
            Verdict::Pending => Code::Abandoned,
        };
        ctx.count(code, session.response_written().map(|answer| answer.status));
        ending::log(session, ctx, code, &self.telemetry.access_log);
        traced::record(session, error, ctx, code);
        let answered = session.response_written().is_some_and(|answer| {
            !answer.status.is_informational() && answer.status.as_u16() < 500
        });
        if error.is_some_and(|error| *error.esource() == ErrorSource::Upstream) && !answered {
            self.telemetry.metrics.upstream_error();
        }
        // Last: it takes what is known of the request.
        recorded::keep(&self.telemetry.decisions, session, ctx, code);
    }

    /// Pingora's default holds the whole target, which may hold secrets in its query.
    fn request_summary(&self, _session: &Session, ctx: &RequestContext) -> String {
        format!("decision {}", ctx.decision_id)
    }
}

impl Gateway {
    /// A proxy for whatever generation counts.
    #[must_use]
    pub const fn new(current: Arc<Current>, telemetry: Arc<Telemetry>) -> Self {
        Self { current, telemetry }
    }

    /// Counts and logs what a request would have been refused for.
    fn report(&self, ctx: &RequestContext, rules: Rules) {
        for rule in rules.iter() {
            self.telemetry.metrics.reported(rule);
            ending::log_reported(ctx, rule);
        }
    }
}

/// The client's address; `None` on a Unix socket.
fn peer_of(session: &Session) -> Option<IpAddr> {
    match session.client_addr()? {
        SocketAddr::Inet(address) => Some(address.ip()),
        SocketAddr::Unix(_) => None,
    }
}
