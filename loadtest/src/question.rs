//! What one arrival asks, with which headers, and what is to be answered.
//!
//! Promises: a header that was accepted can be sent with a request that has no body.
//!
//! Does not: know when or how often it is asked.

use std::str::FromStr;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use thiserror::Error;

/// What one arrival asks, where every one asks something else.
#[derive(Debug, Clone)]
pub struct Question {
    /// Path and query.
    pub target: Uri,
    /// In addition to those of all requests.
    pub headers: Vec<Header>,
    /// What is to be answered.
    pub expected: Expected,
}

/// What is to be answered to a request; anything else is counted as unexpected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever the server likes.
    Anything,
    /// 200 to 299.
    Success,
    /// 400 to 499; whoever is let in is counted apart.
    Refusal,
    /// 200 to 299, or 400 to 499: the right is given or taken away just now.
    Verdict,
}

/// Not one of the expectations that can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected one of success, refusal, anything")]
pub struct NoSuchExpectation;

/// A request header from `Name: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
}

/// Why a text is not a [`Header`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// No `Name: value`, or with characters that are not allowed there.
    #[error("not of the form 'Name: value'")]
    Syntax,
    /// A length, while requests have no body.
    #[error("requests have no body, so a header cannot announce one")]
    Framing,
}

impl Expected {
    /// Whether this is what was to be answered.
    pub(crate) fn is(self, status: StatusCode) -> bool {
        match self {
            Self::Anything => true,
            Self::Success => status.is_success(),
            Self::Refusal => status.is_client_error(),
            Self::Verdict => status.is_success() || status.is_client_error(),
        }
    }
}

impl FromStr for Expected {
    type Err = NoSuchExpectation;

    fn from_str(text: &str) -> Result<Self, NoSuchExpectation> {
        match text {
            "success" => Ok(Self::Success),
            "refusal" => Ok(Self::Refusal),
            "anything" => Ok(Self::Anything),
            _ => Err(NoSuchExpectation),
        }
    }
}

impl Header {
    /// One that is known to be right.
    #[must_use]
    pub fn new(name: HeaderName, value: HeaderValue) -> Self {
        Self { name, value }
    }
}

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let (name, value) = text.split_once(':').ok_or(HeaderError::Syntax)?;
        let name = HeaderName::from_str(name).or(Err(HeaderError::Syntax))?;
        let value = HeaderValue::from_str(value.trim()).or(Err(HeaderError::Syntax))?;
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
            return Err(HeaderError::Framing);
        }
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_parsed_or_refused() {
        let header: Header = "Authorization: Bearer a:b".parse().expect("a header");
        assert_eq!(
            (header.name.as_str(), &header.value),
            ("authorization", &HeaderValue::from_static("Bearer a:b"))
        );
        for (text, error) in [
            ("no colon", HeaderError::Syntax),
            ("a b: c", HeaderError::Syntax),
            ("a: b\r\nc: d", HeaderError::Syntax),
            ("Content-Length: 5", HeaderError::Framing),
            ("transfer-encoding: chunked", HeaderError::Framing),
        ] {
            assert_eq!(text.parse::<Header>(), Err(error), "{text}");
        }
    }
}
