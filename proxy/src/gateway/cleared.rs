//! From a clearance to a request that may go on.
//!
//! Promise: what the application is told is written before anything is sent; a request whose identity
//! cannot be written, or that nobody would end with its right, is refused.

use std::sync::Arc;

use http::Version;
use pingora::http::RequestHeader;
use uuid::Uuid;

use super::{RequestContext, Verdict};
use crate::authz::Permit;
use crate::clearance::{Clearance, Cleared};
use crate::head::Head;
use crate::rejection::Rejection;

/// Builds what the application is told; a request whose identity cannot be written is refused.
pub(super) fn clear(
    head: &RequestHeader,
    ctx: &mut RequestContext,
    clearance: Clearance,
) -> Result<(), Rejection> {
    let mut buffer = Uuid::encode_buffer();
    let decision_id = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
    let pipeline = &ctx.generation.pipeline;
    let (policy, now) = (pipeline.authorizer.policy(), pipeline.clock.now());
    let identity = &ctx.generation.identity;
    let headers = identity.headers(&clearance, policy, &head.method, decision_id, now);
    let headers = headers.map_err(|error| {
        tracing::error!(%error, decision_id = %ctx.decision_id, "cannot write identity");
        Rejection::Internal
    })?;
    let route = clearance.permit().map(Permit::route);
    ctx.websocket = head.version == Version::HTTP_11
        && route.is_some_and(|route| route.websocket)
        && Head::new(&head.method, head.raw_path(), &head.headers)
            .is_ok_and(|head| head.is_websocket());
    let cleared = Arc::new(Cleared { clearance, headers });
    ctx.hand_over(&cleared)?;
    ctx.verdict = Verdict::Cleared(cleared);
    Ok(())
}
