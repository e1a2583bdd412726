//! How a request ended: the line in the log, and what a failure looks like from outside.

use http::StatusCode;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType};
use sidegate_config::Rule;
use sidegate_policy::Id;
use uuid::Uuid;

use super::{RequestContext, Verdict};
use crate::authn::PresentedKey;
use crate::outcome::Code;
use crate::rejection::Rejection;
use crate::respond::Answer;

/// One line per request: ids, reasons and the client, never a path, a query or a header.
pub(super) fn log(session: &Session, ctx: &RequestContext, code: Code) {
    let decision_id = ctx.decision_id;
    let route = ctx.route.as_ref().map(|route| &*route.id);
    let subject = ctx.subject.as_ref().map(Id::as_str);
    let key = ctx.key.as_deref().and_then(PresentedKey::id);
    let reason = code.name();
    let status = session
        .response_written()
        .map(|answer| answer.status.as_u16());
    let outcome = code.outcome();
    let degraded = ctx.degraded();
    if outcome == "allow" && degraded.is_none() {
        tracing::debug!(%decision_id, route, subject, key, reason, status, "allowed");
        return;
    }
    let client = client_of(session, ctx);
    let detail = ctx.detail.as_deref();
    match outcome {
        "allow" if degraded == Some("introspection") => {
            tracing::info!(%decision_id, route, subject, key, reason, status, client, degraded, "allowed by key alone");
        }
        "allow" => {
            tracing::info!(%decision_id, route, subject, key, reason, status, client, degraded, "allowed on stale facts");
        }
        "deny" => {
            tracing::info!(%decision_id, route, subject, key, reason, detail, status, client, "denied");
        }
        _ => {
            tracing::warn!(%decision_id, route, subject, key, reason, detail, status, client, "not decided");
        }
    }
}

/// One line per rule that would have refused a request, were rules not only reported.
pub(super) fn log_reported(session: &Session, ctx: &RequestContext, rule: Rule) {
    let route = ctx.route.as_ref().map(|route| &*route.id);
    let (decision_id, rule) = (ctx.decision_id, rule.name());
    let client = client_of(session, ctx);
    tracing::info!(%decision_id, route, rule, client, "would be refused");
}

/// Who sent it, as far as limits on clients can tell.
fn client_of(session: &Session, ctx: &RequestContext) -> Option<String> {
    let trusted = &ctx.generation.pipeline.trusted_proxies;
    let client = trusted.client(super::peer_of(session)?, &session.req_header().headers)?;
    Some(client.to_string())
}

/// Answers a request that is refused.
pub(super) async fn refuse(
    session: &mut Session,
    ctx: &mut RequestContext,
    rejection: &Rejection,
) -> pingora::Result<()> {
    ctx.verdict = Verdict::Rejected(rejection.code());
    ctx.detail = Some(rejection.to_string());
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
    ctx: &mut RequestContext,
) -> FailToProxy {
    if let Some(code) = body_fault(error)
        && ctx.cleared().is_some()
    {
        ctx.verdict = Verdict::Rejected(code);
    }
    let status = failure_status(error);
    let (source, kind) = (error.esource().as_str(), error.etype().as_str());
    let (instance, decision_id) = (ctx.tried.last(), ctx.decision_id);
    match (status, &ctx.verdict) {
        // The client's own fault has one line, which says that it was denied.
        (Some(_), Verdict::Rejected(_)) => {}
        (Some(status), Verdict::Cleared(_) | Verdict::Pending) => tracing::warn!(
            %decision_id, ?instance, source, error = kind, status = status.as_u16(), "not answered"
        ),
        (None, _) => tracing::debug!(%decision_id, source, error = kind, "the client is gone"),
    }
    if let Some(status) = status
        && session
            .response_written()
            .is_none_or(|written| written.status.is_informational())
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
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(StatusCode::REQUEST_TIMEOUT),
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

/// What is wrong with a body that a cleared request announced; `None` where the client is gone, or it is
/// not the client's fault.
fn body_fault(error: &Error) -> Option<Code> {
    match (error.esource(), error.etype()) {
        (
            ErrorSource::Downstream,
            ErrorType::WriteError
            | ErrorType::WriteTimedout
            | ErrorType::ReadError
            | ErrorType::ConnectionClosed
            | ErrorType::HTTPStatus(_),
        ) => None,
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Code::BodyTimedOut),
        (ErrorSource::Downstream, _) => Some(Code::MalformedBody),
        (ErrorSource::Upstream | ErrorSource::Internal | ErrorSource::Unset, _) => None,
    }
}
