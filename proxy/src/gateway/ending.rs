//! How a request ended: the line in the log, and what a failure looks like from outside.

use http::StatusCode;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType};
use sidegate_config::Rule;
use sidegate_policy::Id;
use uuid::Uuid;

use super::{RequestContext, Verdict};
use crate::access_log::{AccessLog, Line};
use crate::authn::PresentedKey;
use crate::facts::Tier;
use crate::outcome::Code;
use crate::rejection::Rejection;
use crate::respond::Answer;
use crate::trace::KnownMethod;

/// The line of one request in the access log, if it gets one.
pub(super) fn log(session: &Session, ctx: &RequestContext, code: Code, access_log: &AccessLog) {
    let settings = &ctx.generation.settings.telemetry.access_log;
    let degraded = ctx.degraded();
    let status = session.response_written().map(|answer| answer.status);
    let is_answered = status.is_some_and(|status| !status.is_server_error());
    let is_remarkable = degraded.is_some() || ctx.ended.is_some() || !is_answered;
    if !AccessLog::takes(settings, ctx.decision_id, code, is_remarkable) {
        return;
    }
    let pipeline = &ctx.generation.pipeline;
    let policy = pipeline.authorizer.policy();
    let (resource, basis) = (ctx.resource.as_ref(), ctx.basis.as_ref());
    let begun = ctx.timeline.begun();
    let true_at = basis.and_then(|basis| Some(basis.moment?.true_at()));
    let line = Line {
        detail: ctx.detail.as_deref(),
        status: status.map(|status| status.as_u16()),
        method: Some(KnownMethod::from(&session.req_header().method).name()),
        route: ctx.route.as_deref().map(|route| &*route.id),
        subject: ctx.subject.as_ref().map(Id::as_str),
        key: ctx.key.as_deref().and_then(PresentedKey::id),
        action: resource.map(|resource| policy.action_name(resource.action)),
        kind: resource.map(|resource| policy.kind_name(resource.kind)),
        resource: resource.and_then(|resource| resource.id.as_ref().map(Id::as_str)),
        client: ctx.client.map(|client| client.to_string()),
        tier: basis.and_then(|basis| basis.tier).map(Tier::name),
        facts_age_ms: true_at.map(|true_at| begun.since(true_at).into()),
        degraded,
        ended: ctx.ended.map(Code::name),
        upstream: ctx.tried.last().copied(),
        bytes_received: Some(session.as_downstream().body_bytes_read()),
        bytes_sent: Some(session.as_downstream().body_bytes_sent()),
        trace_id: ctx.trace.map(|trace| trace.trace_id().to_string()),
        generation: Some(ctx.generation.number),
        ..Line::new(ctx.decision_id, code, pipeline.clock.now()).timed(&ctx.timeline)
    };
    access_log.write(settings, &line);
}

/// One line per rule that would have refused a request, were rules not only reported.
pub(super) fn log_reported(ctx: &RequestContext, rule: Rule) {
    let route = ctx.route.as_ref().map(|route| &*route.id);
    let (decision_id, rule) = (ctx.decision_id, rule.name());
    let client = ctx.client.map(|client| client.to_string());
    tracing::info!(%decision_id, route, rule, client, "would be refused");
}

/// Answers a request that is refused.
pub(super) async fn refuse(
    session: &mut Session,
    ctx: &mut RequestContext,
    rejection: &Rejection,
) -> pingora::Result<()> {
    ctx.verdict = Verdict::Rejected(rejection.code());
    ctx.detail = Some(rejection.to_string());
    if let (Rejection::Authn(error), Some(requests)) = (rejection, &ctx.generation.requests) {
        requests.authentication_failed(*error);
    }
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
    if !ctx.tried.is_empty() {
        ctx.timeline.stop();
    }
    if let Some(code) = body_fault(error)
        && ctx.cleared().is_some()
    {
        refuse_body(session, ctx, code);
    }
    let status = failure_status(error);
    let (source, kind) = (error.esource().as_str(), error.etype().as_str());
    let (instance, decision_id) = (ctx.tried.last(), ctx.decision_id);
    match (status, &ctx.verdict) {
        // The client's own fault has one line, which says that it was denied.
        (Some(_), Verdict::Rejected(_)) => {}
        (Some(status), Verdict::Cleared(_) | Verdict::Pending) => {
            // Its line in the access log, which it always gets, says the same.
            tracing::debug!(
                %decision_id, ?instance, source, error = kind, status = status.as_u16(), "not answered"
            );
            ctx.detail = Some(format!("not answered: {kind} ({source})"));
        }
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

/// The body of a cleared request is refused. Where the client has its answer already, the request was allowed,
/// and ended by us.
pub(super) fn refuse_body(session: &Session, ctx: &mut RequestContext, code: Code) {
    let answer = session.response_written();
    if answer.is_some_and(|answer| !answer.status.is_informational()) {
        ctx.ended = Some(code);
    } else {
        ctx.verdict = Verdict::Rejected(code);
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
