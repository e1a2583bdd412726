//! The head of a request, as far as a decision may look at it.
//!
//! Promise: a [`Head`] has exactly one `Host`, framing that has one meaning, and a `Connection`
//! header that removes nothing which the decision or the application relies on. Does not: look at
//! the target ([`crate::target`]) or at credentials ([`crate::authn`]).
//!
//! What Pingora already refuses or repairs is not repeated here: duplicate `Host`, CONNECT,
//! `Content-Length` that is no number or differs from another, non-final `chunked` (attacks.md F9).

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

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

/// A request's head, borrowed from whoever read it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'r> {
    method: &'r Method,
    target: &'r [u8],
    headers: &'r HeaderMap,
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
    /// exactly `chunked`.
    #[error("the length of the body could be read in two ways (RFC 9112 section 6.3)")]
    AmbiguousLength,
    /// `Connection` names a header to be removed.
    #[error("Connection names a header")]
    ConnectionNamesHeader,
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
        let authority =
            Authority::try_from(host.as_bytes()).map_err(|_no_host| HeadError::MalformedHost)?;
        if authority.host().is_empty() || authority.as_str().contains(['@', ',', ';', '"']) {
            return Err(HeadError::MalformedHost);
        }
        check_length(headers)?;
        check_connection(headers)?;
        Ok(Self {
            method,
            target,
            headers,
        })
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

fn check_length(headers: &HeaderMap) -> Result<(), HeadError> {
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let encodings = headers.get_all(TRANSFER_ENCODING).iter().count();
    let chunked = || {
        only(headers, &TRANSFER_ENCODING)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"))
    };
    match (lengths, encodings) {
        (0 | 1, 0) => Ok(()),
        (0, 1) if chunked() => Ok(()),
        _ => Err(HeadError::AmbiguousLength),
    }
}

fn check_connection(headers: &HeaderMap) -> Result<(), HeadError> {
    for value in headers.get_all(CONNECTION) {
        let Ok(options) = value.to_str() else {
            return Err(HeadError::ConnectionNamesHeader);
        };
        for option in options
            .split(',')
            .map(str::trim)
            .filter(|option| !option.is_empty())
        {
            if !CONNECTION_OPTIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(option))
            {
                return Err(HeadError::ConnectionNamesHeader);
            }
        }
    }
    Ok(())
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
    }

    #[test]
    fn heads_with_two_meanings_are_refused() {
        use HeadError::*;
        assert_eq!(check(&[]), Err(HostCount));
        assert_eq!(check(&[("host", "a"), ("host", "b")]), Err(HostCount));
        for host in ["", "a b", "a,b", "u@a", "a/b", ":80"] {
            assert_eq!(check(&[("host", host)]), Err(MalformedHost), "{host:?}");
        }
        for lengths in [
            [("content-length", "5"), ("content-length", "5")],
            [("content-length", "5"), ("transfer-encoding", "chunked")],
            [("transfer-encoding", "gzip, chunked"), ("te", "x")],
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
        let map = HeaderMap::from_iter([(HOST, HeaderValue::from_static("a"))]);
        let method = Method::from_bytes(b"BREW").unwrap();
        assert_eq!(Head::new(&method, b"/", &map).err(), Some(UnknownMethod));
    }
}
