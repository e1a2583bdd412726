//! What is permitted and is an object of the storage: the client is sent there.
//!
//! Promise: without a permit nobody learns where an object is, and whatever is wrong with the storage, the
//! application answers instead.

use http::HeaderValue;
use pingora::proxy::Session;
use uuid::Uuid;

use super::RequestContext;
use crate::respond::Answer;

/// Where the storage has what a cleared request asks for; `None`: the application answers.
pub(super) async fn location(ctx: &RequestContext) -> Option<HeaderValue> {
    let media = ctx.generation.media.as_ref()?;
    let cleared = ctx.cleared()?;
    let permit = cleared.clearance.permit()?;
    let policy = ctx.generation.pipeline.authorizer.policy();
    media.location(permit, policy).await
}

/// Sends the client there.
pub(super) async fn redirect(
    session: &mut Session,
    ctx: &RequestContext,
    location: HeaderValue,
) -> pingora::Result<()> {
    let cors = &ctx.generation.pipeline.cors;
    let headers = cors.readable(&session.req_header().headers);
    let mut buffer = Uuid::encode_buffer();
    let decision_id = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
    let answer = Answer::elsewhere(location, headers, decision_id);
    answer.write(session).await
}
