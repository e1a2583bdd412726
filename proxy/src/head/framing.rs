//! Where a request's body ends, and what `Connection` may say.
//!
//! Promise: one length, written in one way, under one name; and no header that the decision or the
//! application relies on is named for removal.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{HeadError, is, only};
use crate::spelling::fold;

/// `Connection` options that name no header of the client's (RFC 9110 section 7.6.1). Any other
/// option would make the proxy drop a header after it was decided on.
const CONNECTION_OPTIONS: [&str; 6] = [
    "close",
    "keep-alive",
    "upgrade",
    "te",
    "http2-settings",
    "proxy-connection",
];

/// The most options that `Connection` may hold: Pingora refuses more, after the decision.
const MAX_CONNECTION_OPTIONS: usize = 8;
pub(super) fn check_length(headers: &HeaderMap) -> Result<(), HeadError> {
    if headers.keys().any(is_other_length) {
        return Err(HeadError::AmbiguousLength);
    }
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let encodings = headers.get_all(TRANSFER_ENCODING).iter().count();
    match (lengths, encodings) {
        (0, 0) => Ok(()),
        (1, 0) if only(headers, &CONTENT_LENGTH).is_some_and(is_length) => Ok(()),
        (0, 1) if is(headers, &TRANSFER_ENCODING, "chunked") => Ok(()),
        _ => Err(HeadError::AmbiguousLength),
    }
}

/// Whether a CGI-like application would take a header for one of the two lengths. Only what has the
/// words in it is folded: that allocates.
fn is_other_length(name: &HeaderName) -> bool {
    let has = |words: [&str; 2]| words.iter().all(|word| name.as_str().contains(word));
    ![CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
        && (has(["content", "length"]) || has(["transfer", "encoding"]))
        && ["content-length", "transfer-encoding"].contains(&&*fold(name.as_str()))
}

/// Digits, as one writes a number: Pingora passes `5, 5` and `05` on as they came.
fn is_length(value: &HeaderValue) -> bool {
    let digits = value.as_bytes();
    matches!(digits.len(), 1..=18)
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'))
}

pub(super) fn check_connection(headers: &HeaderMap) -> Result<(), HeadError> {
    let mut count = 0;
    for value in headers.get_all(CONNECTION) {
        let Ok(options) = value.to_str() else {
            return Err(HeadError::ConnectionNamesHeader);
        };
        for option in options
            .split(',')
            .map(str::trim)
            .filter(|option| !option.is_empty())
        {
            count += 1;
            let known = CONNECTION_OPTIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(option));
            if !known || count > MAX_CONNECTION_OPTIONS {
                return Err(HeadError::ConnectionNamesHeader);
            }
        }
    }
    Ok(())
}
