//! Which headers of a client never reach the application, and what is said of the client instead.
//!
//! Promise: no spelling of a header slips through that an application would take for it (names
//! with other characters than letters, digits and `-` are removed altogether); a trusted
//! proxy may speak about the client, nobody may speak as Sidegate or name another target or method
//! than the one that was decided on.

use std::net::IpAddr;

use http::header::HOST;
use http::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;

use crate::client::TrustedProxies;
use crate::spelling::fold;

/// Every header of ours begins like this, once folded.
const PREFIX: &str = "x-sidegate";
/// Headers that some applications obey instead of the request line (or of their own settings:
/// `Proxy`, CVE-2016-5385). What was decided on is what is forwarded, so nobody may send them, not
/// even a trusted proxy.
const OVERRIDES: [&str; 15] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-method",
    "proxy",
    "script-name",
    "path-info",
    "x-script-name",
    "x-sendfile-type",
    "x-accel-mapping",
];
/// Statements about the client that only a trusted proxy may make. A `-` at the end is a prefix.
const STATEMENTS: [&str; 13] = [
    "x-forwarded-",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "x-original-",
    "x-envoy-",
    "x-client-cert-",
    "x-forwarded",
    "client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
];

/// Removes what a client may not say.
#[derive(Debug)]
pub(super) struct Stripper {
    /// The headers in which credentials travel, and their names folded.
    credentials: Vec<(HeaderName, String)>,
    trusted_proxies: TrustedProxies,
}

impl Stripper {
    pub(super) fn new(
        credentials: impl Iterator<Item = HeaderName>,
        trusted_proxies: TrustedProxies,
    ) -> Self {
        let credentials = credentials
            .map(|name| (name.clone(), fold(name.as_str())))
            .collect();
        Self {
            credentials,
            trusted_proxies,
        }
    }

    /// Removes our own headers, what `trusted` does not cover, and other spellings of the headers
    /// in which credentials travel: nobody verifies what is in them.
    ///
    /// A trusted proxy vouches for the names that it knows. It passes on its client's other
    /// spellings of them, which nobody may send.
    pub(super) fn strip(&self, request: &mut RequestHeader, peer: Option<IpAddr>) {
        let trusted = peer.is_some_and(|peer| self.trusted_proxies.trusts(peer));
        let strips = |name: &HeaderName| {
            let folded = fold(name.as_str());
            let vouched = trusted && name.as_str() == folded;
            is_odd(name)
                || is_ours(&folded)
                || OVERRIDES.contains(&&*folded)
                || (!vouched && is_statement(&folded))
                || (self.credentials.iter().any(|(_, known)| *known == folded)
                    && !self.credentials.iter().any(|(known, _)| known == name))
        };
        let keys = request.headers.keys();
        let names: Vec<HeaderName> = keys.filter(|name| strips(name)).cloned().collect();
        for name in names {
            request.remove_header(&name);
        }
    }
}

/// Removes our own headers from an answer of the application.
pub fn strip_answer(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .keys()
        .filter(|name| is_ours(&fold(name.as_str())))
        .cloned()
        .collect()
}

/// Whether a name is one that some applications take for another: `Content_Length` for
/// `Content-Length`, `SCRIPT_NAME` for the variable of that name. nginx drops these by default too.
fn is_odd(name: &HeaderName) -> bool {
    !name
        .as_str()
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_ours(folded: &str) -> bool {
    folded
        .strip_prefix(PREFIX)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn is_statement(folded: &str) -> bool {
    STATEMENTS
        .iter()
        .any(|known| *known == folded || (known.ends_with('-') && folded.starts_with(known)))
}

/// Adds this hop to what trusted proxies said (or to nothing).
pub(super) fn forwarded(request: &mut RequestHeader, peer: IpAddr) -> pingora::Result<()> {
    const FOR: &str = "x-forwarded-for";
    const PROTO: &str = "x-forwarded-proto";
    const FORWARDED_HOST: &str = "x-forwarded-host";
    let mut hops: Vec<String> = request
        .headers
        .get_all(FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    hops.push(peer.to_canonical().to_string());
    request.insert_header(FOR, hops.join(", "))?;
    if !request.headers.contains_key(PROTO) {
        request.insert_header(PROTO, "http")?;
    }
    if !request.headers.contains_key(FORWARDED_HOST)
        && let Some(host) = request.headers.get(HOST).cloned()
    {
        request.insert_header(FORWARDED_HOST, host)?;
    }
    Ok(())
}
