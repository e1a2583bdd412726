//! How a request ended: the line in the log, and what a failure looks like from outside.

use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType};
use sidegate_policy::Id;

use super::RequestContext;
use crate::outcome::Code;

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

/// What a client sees of a failure; `None` where it is gone.
pub(super) fn failure_status(error: &Error) -> Option<StatusCode> {
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
