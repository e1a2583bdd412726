//! How a request ended: the line in the log, and what a failure looks like from outside.

use http::StatusCode;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType};
use sidegate_config::Rule;
use sidegate_policy::Id;
use uuid::Uuid;

use super::{RequestContext, Verdict};
use crate::outcome::Code;
use crate::rejection::Rejection;
use crate::respond::Answer;

/// One line per request: ids and reasons, never a path, a query or a header.
pub(super) fn log(ctx: &RequestContext, code: Code, status: Option<u16>) {
    let decision_id = ctx.decision_id;
    let route = ctx.route.as_ref().map(|route| &*route.id);
    let subject = ctx.subject.as_ref().map(Id::as_str);
    let reason = code.name();
    match code.outcome() {
        "allow" if ctx.is_stale() => {
            tracing::info!(%decision_id, route, subject, reason, status, "allowed on stale facts");
        }
        "allow" => tracing::debug!(%decision_id, route, subject, reason, status, "allowed"),
        "deny" => tracing::info!(%decision_id, route, subject, reason, status, "denied"),
        _ => tracing::warn!(%decision_id, route, subject, reason, status, "not decided"),
    }
}

/// One line per rule that would have refused a request, were rules not only reported.
pub(super) fn log_reported(ctx: &RequestContext, rule: Rule) {
    let route = ctx.route.as_ref().map(|route| &*route.id);
    let (decision_id, rule) = (ctx.decision_id, rule.name());
    tracing::warn!(%decision_id, route, rule, "would be refused");
}

/// Answers a request that is refused.
pub(super) async fn refuse(
    session: &mut Session,
    ctx: &mut RequestContext,
    rejection: &Rejection,
) -> pingora::Result<()> {
    ctx.verdict = Verdict::Rejected(rejection.code());
    if rejection.ends_connection() {
        session.set_keepalive(None);
    }
    let cors = &ctx.generation.pipeline.cors;
    let headers = cors.headers(&session.req_header().headers, rejection);
    let mut buffer = Uuid::encode_buffer();
    let decision_id = ctx.decision_id.hyphenated().encode_lower(&mut buffer);
    let answer = Answer::refusal(rejection, headers, decision_id);
    answer.write(session).await
}

/// Answers a request that failed after it was cleared, where nothing was answered yet.
pub(super) async fn fail(
    session: &mut Session,
    error: &Error,
    ctx: &RequestContext,
) -> FailToProxy {
    let status = failure_status(error);
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

pub(super) fn not_cleared() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "no clearance")
}

pub(super) fn no_instance() -> Box<Error> {
    Error::explain(
        ErrorType::ConnectError,
        "no instance of the application to connect to",
    )
    .into_up()
}
