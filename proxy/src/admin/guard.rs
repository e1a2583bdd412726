//! Who may talk to the admin listener.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Shared;

/// Refuses whoever does not present the configured token.
pub(super) async fn require_token(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(token) = &shared.current.load().settings.admin.token {
        let presented = bearer(request.headers()).unwrap_or_default();
        if verify_slices_are_equal(presented, token.expose()).is_err() {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"sidegate admin\"")];
            return (
                StatusCode::UNAUTHORIZED,
                challenge,
                "expected the admin token\n",
            )
                .into_response();
        }
    }
    next.run(request).await
}

/// Refuses what a web page can send.
pub(super) async fn refuse_browsers(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let rebound =
        shared.current.load().settings.admin.token.is_none() && !names_an_address(headers);
    if headers.contains_key(header::ORIGIN) || rebound {
        let why = "expected an address in Host (or an admin token), and no Origin\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    value.as_bytes().strip_prefix(b"Bearer ")
}

/// Whether `Host` is an address or `localhost`: a name that an attacker owns can be made to point
/// to loopback, an address cannot.
fn names_an_address(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok()
}
