//! The bytes that a request to be explained would arrive as.
//!
//! Promise: they are judged as the proxy judges what it receives. Only what a request to be explained can
//! say is in them: no line ends, and no limits of a configuration but its defaults.

use http::HeaderMap;
use sidegate_config::Rules;

use super::Request;
use crate::intake::IntakeError;
use crate::intake::lines::{Bounds, check};

/// As `limits` has them by default.
const BOUNDS: Bounds = Bounds {
    bytes: 32 * 1024,
    headers: 100,
};

/// The rules that the bytes break, or why they are refused.
pub(super) fn read(request: &Request, headers: &HeaderMap) -> Result<Rules, IntakeError> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    Ok(check(&head, BOUNDS)?)
}

/// A target as Pingora hands it on.
pub(super) fn without_fragment(target: &str) -> &[u8] {
    target.split('#').next().unwrap_or_default().as_bytes()
}
