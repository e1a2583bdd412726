//! A request's trace: its place in it, what the application is told, what is noted at its end.
//!
//! Promise: without `telemetry.tracing` each of these looks at one field and does nothing; a note is made of
//! a sampled request alone, and holds nothing of its head but its method.

use std::sync::Arc;

use pingora::Error;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use super::{RequestContext, peer_of};
use crate::outcome::Code;
use crate::trace::{self, Finished};

/// Its place in its trace, from its head on.
pub(super) fn begin(session: &Session, ctx: &mut RequestContext) {
    let generation = &ctx.generation;
    let proxies = &generation.pipeline.trusted_proxies;
    let is_trusted = || peer_of(session).is_some_and(|peer| proxies.trusts(peer));
    let headers = &session.req_header().headers;
    ctx.trace = trace::begin(generation.tracing.as_deref(), headers, is_trusted);
}

/// What the application is told about it.
pub(super) fn tell(ctx: &RequestContext, request: &mut RequestHeader) -> pingora::Result<()> {
    trace::tell(ctx.trace.as_ref(), request)
}

/// The application has answered.
pub(super) fn answered(ctx: &mut RequestContext, response: &ResponseHeader) {
    if let Some(trace) = &mut ctx.trace {
        trace.answer(response.status);
    }
}

/// It is over.
pub(super) fn record(session: &Session, error: Option<&Error>, ctx: &RequestContext, code: Code) {
    let sampled = ctx.trace.filter(|trace| trace.is_sampled());
    let (Some(trace), Some(tracing)) = (sampled, &ctx.generation.tracing) else {
        return;
    };
    let head = session.req_header();
    tracing.record(Finished {
        trace,
        timeline: ctx.timeline,
        decision_id: ctx.decision_id,
        code,
        method: (&head.method).into(),
        route: ctx.route.as_ref().map(Arc::clone),
        tier: ctx.basis.as_ref().and_then(|basis| basis.tier),
        degraded: ctx.degraded(),
        status: session.response_written().map(|answer| answer.status),
        client: ctx.client,
        instance: ctx.tried.last().copied(),
        tries: ctx.tried.len(),
        failure: error.map(|error| error.etype().as_str()),
    });
}
