//! Where a request's credential is.
//!
//! Promise: exactly one is returned, or none is. A second credential anywhere that credentials may
//! be, and a doubled header, are refused. A cookie counts for unsafe methods and WebSocket only
//! with an allowed `Origin` (a browser sends cookies for any site). The query is never looked at.

use std::collections::BTreeSet;

use http::header::{AUTHORIZATION, COOKIE, ORIGIN, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use sidegate_config::{CredentialSource, Settings};

use super::is_safe;
use crate::head::Head;

/// A place where a credential may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A header of its own.
    Header(HeaderName),
    /// A cookie of this name.
    Cookie(String),
    /// An entry of `Sec-WebSocket-Protocol` with this prefix.
    WebSocketProtocol(String),
}

/// Why a request has no usable credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CredentialError {
    /// There is none.
    #[error("no credential")]
    Missing,
    /// There is more than one.
    #[error("more than one credential")]
    Doubled,
    /// `Authorization` with another scheme, or bytes that no token has.
    #[error("the credential is not a bearer token")]
    NotBearer,
    /// A cookie with an unsafe method or a WebSocket, and no allowed origin.
    #[error("a cookie needs an allowed Origin here")]
    OriginNotAllowed,
}

impl CredentialError {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::Missing,
        Self::Doubled,
        Self::NotBearer,
        Self::OriginNotAllowed,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Doubled => "doubled",
            Self::NotBearer => "not_bearer",
            Self::OriginNotAllowed => "origin_not_allowed",
        }
    }
}

/// A token and where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credential<'r> {
    pub(super) token: &'r str,
    pub(super) carrier: Carrier,
}

/// Every place to look, of all issuers.
#[derive(Debug)]
pub(super) struct Carriers {
    all: Vec<(Carrier, bool)>,
    origins: BTreeSet<String>,
}

impl From<&CredentialSource> for Carrier {
    fn from(source: &CredentialSource) -> Self {
        match source {
            CredentialSource::Bearer => Self::Bearer,
            CredentialSource::Header(name) => Self::Header(name.clone()),
            CredentialSource::Cookie(name) => Self::Cookie(name.clone()),
            CredentialSource::WebSocketProtocol(prefix) => Self::WebSocketProtocol(prefix.clone()),
        }
    }
}

impl Carrier {
    /// The header it is in.
    #[must_use]
    pub fn header(&self) -> HeaderName {
        match self {
            Self::Bearer => AUTHORIZATION,
            Self::Header(name) => name.clone(),
            Self::Cookie(_) => COOKIE,
            Self::WebSocketProtocol(_) => SEC_WEBSOCKET_PROTOCOL,
        }
    }

    /// What is left of this carrier's header without the credential: the values of other cookies
    /// or protocols, or nothing.
    #[must_use]
    pub fn without(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let separator = match self {
            Self::Bearer | Self::Header(_) => return None,
            Self::Cookie(_) => "; ",
            Self::WebSocketProtocol(_) => ", ",
        };
        let is_credential = |part: &str| match self {
            Self::Bearer | Self::Header(_) => true,
            Self::Cookie(name) => cookie(part).0 == name,
            Self::WebSocketProtocol(prefix) => part.starts_with(prefix.as_str()),
        };
        let kept: Vec<_> = value
            .to_str()
            .ok()?
            .split(separator.trim_end())
            .map(str::trim)
            .filter(|part| !part.is_empty() && !is_credential(part))
            .collect();
        (!kept.is_empty()).then(|| HeaderValue::try_from(kept.join(separator)).ok())?
    }

    /// Every credential of this carrier in a request.
    fn find<'r>(&self, headers: &'r HeaderMap, found: &mut Vec<Result<&'r str, CredentialError>>) {
        for value in headers.get_all(self.header()) {
            let Ok(text) = value.to_str() else {
                // Not text: no token, but what an application reads there nobody knows.
                found.push(Err(CredentialError::NotBearer));
                continue;
            };
            match self {
                Self::Bearer => found.push(bearer(text)),
                Self::Header(_) => found.push(Ok(text.trim())),
                Self::Cookie(name) => found.extend(
                    text.split(';')
                        .map(cookie)
                        .filter(|(key, _)| key == name)
                        .map(|(_, value)| Ok(value)),
                ),
                Self::WebSocketProtocol(prefix) => found.extend(
                    text.split(',')
                        .filter_map(|part| part.trim().strip_prefix(prefix.as_str()))
                        .map(Ok),
                ),
            }
        }
    }
}

impl Carriers {
    pub(super) fn new(settings: &Settings) -> Self {
        let issuers = settings.issuers.iter();
        let issuers = issuers.map(|issuer| (&issuer.sources, issuer.forward));
        let keys = settings.service_keys.iter();
        let keys = keys.map(|keys| (&keys.sources, keys.forward));
        let mut all: Vec<(Carrier, bool)> = Vec::new();
        for (sources, forwards) in issuers.chain(keys) {
            for carrier in sources.iter().map(Carrier::from) {
                match all.iter_mut().find(|(known, _)| *known == carrier) {
                    Some((_, forward)) => *forward |= forwards,
                    None => all.push((carrier, forwards)),
                }
            }
        }
        Self {
            all,
            origins: settings.cors.origins.clone(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Carrier, bool)> {
        self.all
            .iter()
            .map(|(carrier, forward)| (carrier, *forward))
    }

    pub(super) fn extract<'r>(&self, head: &Head<'r>) -> Result<Credential<'r>, CredentialError> {
        let headers = head.headers();
        let mut found = Vec::new();
        let mut place = None;
        for (carrier, _) in &self.all {
            let before = found.len();
            carrier.find(headers, &mut found);
            if found.len() > before {
                place = Some(carrier);
            }
        }
        // Basic and the like beside a token of another carrier is still a second credential.
        let looks_at_authorization = self
            .all
            .iter()
            .any(|(carrier, _)| *carrier == Carrier::Bearer);
        if !looks_at_authorization && headers.contains_key(AUTHORIZATION) && !found.is_empty() {
            return Err(CredentialError::Doubled);
        }
        let token = match found.as_slice() {
            [] => return Err(CredentialError::Missing),
            [one] => (*one)?,
            _ => return Err(CredentialError::Doubled),
        };
        let carrier = place.ok_or(CredentialError::Missing)?.clone();
        if matches!(carrier, Carrier::Cookie(_)) && !self.cookie_counts(head) {
            return Err(CredentialError::OriginNotAllowed);
        }
        Ok(Credential { token, carrier })
    }

    fn cookie_counts(&self, head: &Head<'_>) -> bool {
        if is_safe(head.method()) && !head.headers().contains_key(UPGRADE) {
            return true;
        }
        let origin = head.only(&ORIGIN).and_then(|origin| origin.to_str().ok());
        origin.is_some_and(|origin| self.origins.contains(origin))
    }
}

/// `Bearer` and one token (RFC 6750 section 2.1; the scheme has no case, RFC 9110 section 11.1).
fn bearer(value: &str) -> Result<&str, CredentialError> {
    let (scheme, token) = value.split_once(' ').ok_or(CredentialError::NotBearer)?;
    let token = token.trim_matches(' ');
    let is_token = !token.is_empty()
        && token
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',');
    if scheme.eq_ignore_ascii_case("bearer") && is_token {
        Ok(token)
    } else {
        Err(CredentialError::NotBearer)
    }
}

fn cookie(part: &str) -> (&str, &str) {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    (name.trim(), value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn extract(
        method: &Method,
        headers: &[(&'static str, &'static str)],
    ) -> Result<(String, Carrier), CredentialError> {
        let carriers = Carriers {
            all: vec![
                (Carrier::Bearer, true),
                (Carrier::Header(HeaderName::from_static("x-token")), true),
                (Carrier::Cookie("session".into()), true),
                (Carrier::WebSocketProtocol("bearer.".into()), true),
            ],
            origins: BTreeSet::from(["https://app.example".to_owned()]),
        };
        let mut map = HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static("a"))]);
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let head = Head::new(method, b"/", &map).unwrap();
        carriers
            .extract(&head)
            .map(|credential| (credential.token.to_owned(), credential.carrier))
    }

    #[test]
    fn one_credential_is_found_wherever_it_may_be() {
        for (headers, carrier) in [
            (("authorization", "Bearer tok"), Carrier::Bearer),
            (("authorization", "bEARER  tok "), Carrier::Bearer),
            (
                ("x-token", "tok"),
                Carrier::Header(HeaderName::from_static("x-token")),
            ),
            (
                ("cookie", "a=b; session=tok; c=d"),
                Carrier::Cookie("session".into()),
            ),
            (
                ("sec-websocket-protocol", "chat, bearer.tok"),
                Carrier::WebSocketProtocol("bearer.".into()),
            ),
        ] {
            assert_eq!(
                extract(&Method::GET, &[headers]),
                Ok(("tok".to_owned(), carrier)),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn none_two_or_another_scheme_are_refused() {
        use CredentialError::*;
        assert_eq!(extract(&Method::GET, &[]), Err(Missing));
        assert_eq!(
            extract(&Method::GET, &[("cookie", "other=tok")]),
            Err(Missing)
        );
        for scheme in [
            "Basic dXNlcg==",
            "Bearer",
            "Bearer a b",
            "Bearer a,Bearer b",
            "tok",
        ] {
            assert_eq!(
                extract(&Method::GET, &[("authorization", scheme)]),
                Err(NotBearer),
                "{scheme}"
            );
        }
        for second in [
            ("authorization", "Bearer tok"),
            ("authorization", "Basic dXNlcg=="),
            ("x-token", "tok"),
            ("cookie", "session=tok"),
            ("sec-websocket-protocol", "bearer.tok"),
        ] {
            let headers = [("authorization", "Bearer tok"), second];
            assert_eq!(extract(&Method::GET, &headers), Err(Doubled), "{second:?}");
        }
        assert_eq!(
            extract(&Method::GET, &[("cookie", "session=a; session=b")]),
            Err(Doubled)
        );
    }

    #[test]
    fn a_cookie_needs_an_allowed_origin_to_change_anything() {
        let cookie = ("cookie", "session=tok");
        let refused = Err(CredentialError::OriginNotAllowed);
        assert!(extract(&Method::GET, &[cookie]).is_ok());
        assert_eq!(extract(&Method::POST, &[cookie]), refused);
        assert_eq!(
            extract(&Method::POST, &[cookie, ("origin", "https://evil.example")]),
            refused
        );
        assert_eq!(
            extract(&Method::GET, &[cookie, ("upgrade", "websocket")]),
            refused
        );
        assert!(extract(&Method::POST, &[cookie, ("origin", "https://app.example")]).is_ok());
    }

    #[test]
    fn a_credential_can_be_taken_out_of_its_header() {
        let cookie = Carrier::Cookie("session".into());
        let without = |text| cookie.without(&HeaderValue::from_static(text));
        assert_eq!(without("a=b; session=tok; c=d").unwrap(), "a=b; c=d");
        assert_eq!(without("session=tok"), None);
        assert_eq!(
            Carrier::Bearer.without(&HeaderValue::from_static("Bearer tok")),
            None
        );
    }
}
