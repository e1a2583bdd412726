//! The head of a request, as far as a decision may look at it.
//!
//! Promise: a [`Head`] has exactly one `Host`, framing that has one meaning, and a `Connection`
//! header that removes nothing which the decision or the application relies on. Which rules of
//! strictness its meaning breaks is noted. Does not: look at its bytes ([`crate::intake`]), its target
//! ([`crate::target`]) or at credentials ([`crate::authn`]).
//!
//! Most of it was refused by its bytes already ([`crate::intake`]); here it is refused whoever asks, also
//! where there were no bytes.

mod framing;

use std::net::Ipv6Addr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sidegate_config::{Rule, Rules};

use crate::spelling::fold;

/// A request's head, borrowed from whoever read it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'r> {
    method: &'r Method,
    target: &'r [u8],
    headers: &'r HeaderMap,
    broken: Rules,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HeadError {
    /// Not one of the methods that a route can have.
    #[error("the method is not one that a route can have")]
    UnknownMethod,
    /// No `Host`, or more than one.
    #[error("the request needs exactly one Host (RFC 9112 section 3.2)")]
    HostCount,
    /// A `Host` that is no host, or has user information.
    #[error("Host is malformed")]
    MalformedHost,
    /// More than one `Content-Length`, or one with `Transfer-Encoding`, or an encoding other than
    /// exactly `chunked`, or another spelling of either name.
    #[error("the length of the body could be read in two ways (RFC 9112 section 6.3)")]
    AmbiguousLength,
    /// `Connection` names a header to be removed, or holds more than a few options.
    #[error("Connection names a header, or too many options")]
    ConnectionNamesHeader,
    /// `Expect` asks for something other than `100-continue` (RFC 9110 section 10.1.1).
    #[error("Expect asks for something unknown")]
    UnknownExpectation,
}

impl<'r> Head<'r> {
    /// Checks a head.
    ///
    /// # Errors
    /// When two parsers could disagree about the request.
    pub fn new(
        method: &'r Method,
        target: &'r [u8],
        headers: &'r HeaderMap,
    ) -> Result<Self, HeadError> {
        if !is_known(method) {
            return Err(HeadError::UnknownMethod);
        }
        let host = only(headers, &HOST).ok_or(HeadError::HostCount)?;
        if !is_host(
            host.to_str()
                .map_err(|_not_ascii| HeadError::MalformedHost)?,
        ) {
            return Err(HeadError::MalformedHost);
        }
        if headers.contains_key(EXPECT) && !is(headers, &EXPECT, "100-continue") {
            return Err(HeadError::UnknownExpectation);
        }
        framing::check_length(headers)?;
        framing::check_connection(headers)?;
        Ok(Self {
            method,
            target,
            headers,
            broken: broken(method, headers),
        })
    }

    /// The rules of strictness that it breaks.
    #[must_use]
    pub const fn broken(&self) -> Rules {
        self.broken
    }

    /// The length of the body, where it is known beforehand.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        let length = self.only(&CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    /// Whether it announces a body.
    #[must_use]
    pub fn has_body(&self) -> bool {
        has_body(self.headers)
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'r Method {
        self.method
    }

    /// The target's bytes.
    #[must_use]
    pub const fn target(&self) -> &'r [u8] {
        self.target
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &'r HeaderMap {
        self.headers
    }

    /// Whether it is a WebSocket handshake (RFC 6455 section 4.1), whole: Pingora looks at
    /// `Upgrade` alone.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        let options = self
            .headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut options = options.flat_map(|value| value.split(',')).map(str::trim);
        self.method == Method::GET
            && !self.has_body()
            && is(self.headers, &UPGRADE, "websocket")
            && is(self.headers, &SEC_WEBSOCKET_VERSION, "13")
            && self.only(&SEC_WEBSOCKET_KEY).is_some()
            && options.any(|option| option.eq_ignore_ascii_case("upgrade"))
    }

    /// The value of a header that is there exactly once.
    #[must_use]
    pub fn only(&self, name: &HeaderName) -> Option<&'r HeaderValue> {
        only(self.headers, name)
    }

    /// The same, where no other spelling of the name is there either: an application may read
    /// `X_Project_Id` where the decision read `X-Project-Id`.
    #[must_use]
    pub fn only_spelling(&self, name: &HeaderName) -> Option<&'r HeaderValue> {
        let folded = fold(name.as_str());
        let alias = |known: &HeaderName| known != name && fold(known.as_str()) == folded;
        if self.headers.keys().any(alias) {
            None
        } else {
            self.only(name)
        }
    }
}

fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn is_known(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ]
    .contains(method)
}

fn broken(method: &Method, headers: &HeaderMap) -> Rules {
    let mut broken = Rules::NONE;
    if headers.contains_key(TRAILER) {
        broken.insert(Rule::Trailers);
    }
    if has_unexpected_body(method, headers) {
        broken.insert(Rule::UnexpectedBody);
    }
    broken
}

/// Whether a request has a body that some applications do not read, who would take it for the next request.
#[must_use]
pub fn has_unexpected_body(method: &Method, headers: &HeaderMap) -> bool {
    let bodiless = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS];
    bodiless.contains(method) && has_body(headers)
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), with the characters that names in use have.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let host = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.bytes().all(is_name) && host.bytes().any(|byte| byte.is_ascii_alphanumeric()),
    };
    host && port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    })
}

/// Whether a header is there exactly once, with this value in any case.
fn is(headers: &HeaderMap, name: &HeaderName, value: &str) -> bool {
    only(headers, name).is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)]) -> Result<(), HeadError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            );
        }
        Head::new(&Method::GET, b"/", &map).map(|_| ())
    }

    #[test]
    fn ordinary_heads_are_accepted() {
        for host in [
            "a.example",
            "a.example:8080",
            "127.0.0.1",
            "[::1]:80",
            "LOCALHOST",
        ] {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
        let upgrade = [
            ("host", "a"),
            ("connection", "keep-alive, Upgrade"),
            ("te", "trailers"),
        ];
        assert_eq!(check(&upgrade), Ok(()));
        assert_eq!(
            check(&[("host", "a"), ("transfer-encoding", "Chunked")]),
            Ok(())
        );
        assert_eq!(check(&[("host", "a"), ("content-length", "5")]), Ok(()));
        for name in [
            "x-content-length",
            "content-transfer-encoding",
            "uncompressed_length",
        ] {
            assert_eq!(check(&[("host", "a"), (name, "5")]), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_a_strict_application_would_not_send_is_noted() {
        let broken = |method: &Method, name: &str, value: &str| {
            let mut map = HeaderMap::from_iter([(HOST, HeaderValue::from_static("a"))]);
            map.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
            let head = Head::new(method, b"/", &map).unwrap();
            head.broken().iter().collect::<Vec<_>>()
        };
        let body = [("content-length", "1"), ("transfer-encoding", "chunked")];
        for (name, value) in body {
            let unexpected = vec![Rule::UnexpectedBody];
            for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
                assert_eq!(broken(&method, name, value), unexpected, "{method} {name}");
            }
            assert_eq!(broken(&Method::POST, name, value), [], "{name}");
        }
        assert_eq!(broken(&Method::DELETE, "content-length", "0"), []);
        assert_eq!(broken(&Method::POST, "trailer", "x"), [Rule::Trailers]);
    }

    #[test]
    fn heads_with_two_meanings_are_refused() {
        use HeadError::*;
        assert_eq!(check(&[]), Err(HostCount));
        assert_eq!(check(&[("host", "a"), ("host", "b")]), Err(HostCount));
        for host in [
            "", "a b", "a,b", "u@a", "a/b", ":80", "a:", "a:x", "a:99999", "..", "[a]", "a!b",
            "[::1",
        ] {
            assert_eq!(check(&[("host", host)]), Err(MalformedHost), "{host:?}");
        }
        for lengths in [
            [("content-length", "5"), ("content-length", "5")],
            [("content-length", "5"), ("transfer-encoding", "chunked")],
            [("transfer-encoding", "gzip, chunked"), ("te", "x")],
            [("transfer_encoding", "chunked"), ("content-length", "5")],
            [("content_length", "5"), ("transfer-encoding", "chunked")],
            [("http-transfer.encoding", "chunked"), ("te", "x")],
            [("content-length_", "5"), ("te", "x")],
            [
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
        ] {
            let headers = [("host", "a"), lengths[0], lengths[1]];
            assert_eq!(check(&headers), Err(AmbiguousLength), "{lengths:?}");
        }
        for option in ["x-user-id", "close, authorization", "\"close\""] {
            assert_eq!(
                check(&[("host", "a"), ("connection", option)]),
                Err(ConnectionNamesHeader),
                "{option}"
            );
        }
        for length in ["5, 5", "05", "+5", "5 ", "", "99999999999999999999"] {
            let headers = [("host", "a"), ("content-length", length)];
            assert_eq!(check(&headers), Err(AmbiguousLength), "{length:?}");
        }
        for expect in ["x", "100-continue, x"] {
            assert_eq!(
                check(&[("host", "a"), ("expect", expect)]),
                Err(UnknownExpectation)
            );
        }
        assert_eq!(check(&[("host", "a"), ("expect", "100-Continue")]), Ok(()));
        let map = HeaderMap::from_iter([(HOST, HeaderValue::from_static("a"))]);
        let method = Method::from_bytes(b"BREW").unwrap();
        assert_eq!(Head::new(&method, b"/", &map).err(), Some(UnknownMethod));
    }
}
