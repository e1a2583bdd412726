//! Cross-origin requests from browsers (Fetch standard, "CORS protocol").
//!
//! Promise: a preflight never carries identity and is only looked at on a known route; our own
//! answers can be read by the configured origins and by nobody else. What the application answers
//! is the application's.

use std::collections::BTreeSet;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sidegate_config::{CorsSettings, Preflight as PreflightSetting};

use crate::head::Head;
use crate::rejection::Rejection;

/// The configured answer to browsers.
#[derive(Debug)]
pub struct Cors {
    preflight: PreflightSetting,
    origins: BTreeSet<String>,
    allow_credentials: bool,
    allow_headers: Vec<HeaderName>,
    max_age: u64,
}

/// A preflight (Fetch standard, "CORS-preflight request").
#[derive(Debug)]
pub struct Preflight<'r> {
    origin: &'r str,
    method: Method,
}

impl Preflight<'_> {
    /// The method of the request that is to follow.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }
}

impl Cors {
    /// From settings.
    #[must_use]
    pub fn new(settings: &CorsSettings) -> Self {
        Self {
            preflight: settings.preflight,
            origins: settings.origins.clone(),
            allow_credentials: settings.allow_credentials,
            allow_headers: settings.allow_headers.clone(),
            max_age: settings.max_age.as_secs(),
        }
    }

    /// The preflight that a request is, if it is one: `OPTIONS` with exactly one `Origin` and
    /// exactly one `Access-Control-Request-Method`.
    #[must_use]
    pub fn preflight<'r>(&self, head: &Head<'r>) -> Option<Preflight<'r>> {
        if head.method() != Method::OPTIONS {
            return None;
        }
        let origin = head.only(&ORIGIN)?.to_str().ok()?;
        let method = head.only(&ACCESS_CONTROL_REQUEST_METHOD)?;
        Some(Preflight {
            origin,
            method: Method::from_bytes(method.as_bytes()).ok()?,
        })
    }

    /// Whether the application answers a preflight.
    ///
    /// # Errors
    /// When we do, one way or the other.
    pub fn decide(&self, preflight: &Preflight<'_>) -> Result<(), Rejection> {
        match self.preflight {
            PreflightSetting::Forward => Ok(()),
            PreflightSetting::Answer if self.origins.contains(preflight.origin) => {
                Err(Rejection::PreflightAnswered {
                    method: preflight.method.clone(),
                    headers: self.allow_headers.clone(),
                })
            }
            PreflightSetting::Answer | PreflightSetting::Deny => Err(Rejection::PreflightDenied),
        }
    }

    /// The headers that let an allowed origin read our answer to a request that is not forwarded.
    #[must_use]
    pub fn headers(
        &self,
        request: &HeaderMap,
        rejection: &Rejection,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = self.readable(request);
        let allowed = headers
            .iter()
            .any(|(name, _)| *name == ACCESS_CONTROL_ALLOW_ORIGIN);
        if allowed {
            headers.extend(self.granted(rejection));
        }
        headers
    }

    /// The headers that let an allowed origin read one of our own answers.
    #[must_use]
    pub fn readable(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        if self.origins.is_empty() {
            return Vec::new();
        }
        let mut headers = vec![(VARY, HeaderValue::from_static("Origin"))];
        let mut origins = request.get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return headers;
        };
        if !origin
            .to_str()
            .is_ok_and(|origin| self.origins.contains(origin))
        {
            return headers;
        }
        headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        if self.allow_credentials {
            headers.push((
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            ));
        }
        headers
    }

    /// What an answered preflight grants.
    fn granted(&self, rejection: &Rejection) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        if let Rejection::PreflightAnswered {
            method,
            headers: allowed,
        } = rejection
        {
            let names: Vec<&str> = allowed.iter().map(HeaderName::as_str).collect();
            let values = [
                (
                    ACCESS_CONTROL_ALLOW_METHODS,
                    HeaderValue::try_from(method.as_str()),
                ),
                (
                    ACCESS_CONTROL_ALLOW_HEADERS,
                    HeaderValue::try_from(names.join(", ")),
                ),
            ];
            headers.extend(
                values
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.ok()?))),
            );
            headers.push((ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age)));
        }
        headers
    }
}
