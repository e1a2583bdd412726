//! What the application is told: every spelling of our headers is stripped, then ours are set.
//!
//! Promise: whatever a client sends, the application sees each of our headers at most once and
//! with our value; without a decided subject it sees none of them but the decision id. The
//! rewrite may run again on a retry and does the same again. Headers by which a client could make
//! the application act on another target or method than the one that was decided on are removed.
//!
//! Does not: touch hop-by-hop headers (Pingora's request policy does, before this).

mod assertion;

pub use assertion::{AssertionError, Signer};

use std::fmt::Write as _;

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use pingora::http::RequestHeader;
use std::net::IpAddr;

use crate::authn::{Authenticator, Carrier};
use crate::authz::{Grant, Subject};
use crate::clearance::Clearance;
use sidegate_policy::{Policy, UnixMicros};

/// The subject's id.
pub const SUBJECT: HeaderName = HeaderName::from_static("x-sidegate-subject");
/// `user` or `service`.
pub const SUBJECT_TYPE: HeaderName = HeaderName::from_static("x-sidegate-subject-type");
/// The subject's own roles, comma separated.
pub const ROLES: HeaderName = HeaderName::from_static("x-sidegate-roles");
/// The subject's roles on the authorized resource, comma separated.
pub const RESOURCE_ROLES: HeaderName = HeaderName::from_static("x-sidegate-resource-roles");
/// The decision's id; the one header that is also set on answers.
pub const DECISION_ID: HeaderName = HeaderName::from_static("x-sidegate-decision-id");
/// The signed assertion.
pub const ASSERTION: HeaderName = HeaderName::from_static("x-sidegate-assertion");
/// `<action> <kind>:<id>`, only where a rule was decided for that resource.
pub const AUTHORIZED: HeaderName = HeaderName::from_static("x-sidegate-authorized");

/// Every header of ours begins like this, once folded.
const PREFIX: &str = "x-sidegate";
/// The longest value that is set, in bytes.
const MAX_VALUE_BYTES: usize = 4096;

/// Headers that some applications obey instead of the request line. What was decided on is what
/// is forwarded, so nobody may send them, not even a trusted proxy.
const OVERRIDES: [&str; 9] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-method",
];
/// Statements about the client that only a trusted proxy may make. A `-` at the end is a prefix.
const STATEMENTS: [&str; 10] = [
    "x-forwarded-",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "x-original-",
    "x-envoy-",
    "x-client-cert-",
    "proxy",
];

/// Writes identity into requests. Built once.
#[derive(Debug)]
pub struct Identity {
    signer: Option<Signer>,
    carriers: Vec<(Carrier, bool)>,
    /// The carriers' headers, and their names folded.
    credentials: Vec<(HeaderName, String)>,
    trusted_proxies: Vec<IpNet>,
}

/// The headers of one request, built once and set on every try.
#[derive(Debug, Default)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

/// Why a request's identity cannot be written. Nothing is forwarded then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A value would be longer than a header may be.
    #[error("an identity header would be longer than 4 KiB")]
    TooLong,
    /// The assertion cannot be signed.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
}

impl Identity {
    /// From the configured signer, credentials and proxies.
    #[must_use]
    pub fn new(
        signer: Option<Signer>,
        authenticator: &Authenticator,
        trusted_proxies: Vec<IpNet>,
    ) -> Self {
        let carriers = authenticator
            .carriers()
            .map(|(carrier, forward)| (carrier.clone(), forward));
        let credentials = authenticator
            .headers()
            .map(|name| (name.clone(), fold(name.as_str())));
        Self {
            signer,
            carriers: carriers.collect(),
            credentials: credentials.collect(),
            trusted_proxies,
        }
    }

    /// The signer, whose public key the admin listener shows.
    #[must_use]
    pub const fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// The headers for a clearance.
    ///
    /// # Errors
    /// When a value is too long or cannot be signed.
    pub fn headers(
        &self,
        clearance: &Clearance,
        policy: &Policy,
        method: &Method,
        decision_id: &str,
        now: UnixMicros,
    ) -> Result<Headers, IdentityError> {
        let mut headers = Headers::default();
        headers.push(DECISION_ID, decision_id.to_owned())?;
        let Some(permit) = clearance.permit() else {
            return Ok(headers);
        };
        let Some(subject) = permit.subject() else {
            return Ok(headers);
        };
        headers.push(SUBJECT, encode(subject.principal.subject.as_str(), false))?;
        headers.push(SUBJECT_TYPE, subject.principal.kind.name().to_owned())?;
        headers.push_list(ROLES, subject.roles.iter().map(|role| &**role))?;
        let mut bound = assertion::Bound {
            method,
            target: permit.target(),
            authorized: None,
        };
        if let Grant::Decided {
            resource, decision, ..
        } = permit.grant()
        {
            let id = resource
                .id
                .as_ref()
                .map(|id| encode(id.as_str(), false))
                .unwrap_or_default();
            let (action, kind) = (
                policy.action_name(resource.action),
                policy.kind_name(resource.kind),
            );
            let authorized = format!("{action} {kind}:{id}");
            bound.authorized = Some(authorized.clone());
            headers.push(AUTHORIZED, authorized)?;
            let mut roles: Vec<&str> = decision
                .checks()
                .all()
                .iter()
                .filter_map(|(_, finding)| finding.role())
                .map(|role| policy.role_name(role))
                .collect();
            roles.sort_unstable();
            roles.dedup();
            headers.push_list(RESOURCE_ROLES, roles.into_iter())?;
        }
        if let Some(signer) = &self.signer {
            headers
                .0
                .push((ASSERTION, signer.assertion(subject, &bound, now)?));
        }
        Ok(headers)
    }

    /// Strips, then sets. The only function that writes identity into an upstream request.
    ///
    /// # Errors
    /// When a header cannot be written; the request must not be forwarded then.
    pub fn rewrite(
        &self,
        request: &mut RequestHeader,
        headers: &Headers,
        subject: Option<&Subject>,
        peer: Option<IpAddr>,
    ) -> pingora::Result<()> {
        let trusted = peer.is_some_and(|peer| self.trusts(peer));
        self.strip(request, trusted);
        self.strip_credentials(request, subject)?;
        if let Some(peer) = peer {
            forwarded(request, peer)?;
        }
        for (name, value) in &headers.0 {
            request.insert_header(name.clone(), value.clone())?;
        }
        Ok(())
    }

    /// Whether a peer's statements about the client are believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|network| network.contains(&peer))
    }

    /// Removes our own headers, what `trusted` does not cover, and other spellings of the headers
    /// in which credentials travel: nobody verifies what is in them.
    ///
    /// A trusted proxy vouches for the names that it knows. It passes on its client's other
    /// spellings of them, which nobody may send.
    fn strip(&self, request: &mut RequestHeader, trusted: bool) {
        let strips = |name: &HeaderName| {
            let folded = fold(name.as_str());
            let vouched = trusted && name.as_str() == folded;
            is_ours(&folded)
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

    /// Removes the credentials that the application may not see: those of an issuer whose tokens
    /// are not forwarded and, where nobody verified anything, those of carriers that no issuer
    /// forwards.
    fn strip_credentials(
        &self,
        request: &mut RequestHeader,
        subject: Option<&Subject>,
    ) -> pingora::Result<()> {
        let verified = subject.and_then(|subject| subject.principal.carrier.as_ref());
        for (carrier, forward) in &self.carriers {
            let keep = match verified {
                Some((used, forward)) if used == carrier => *forward,
                Some(_) | None => *forward,
            };
            if keep {
                continue;
            }
            let name = carrier.header();
            let kept: Vec<_> = request
                .headers
                .get_all(&name)
                .iter()
                .filter_map(|value| carrier.without(value))
                .collect();
            request.remove_header(&name);
            for value in kept {
                request.append_header(name.clone(), value)?;
            }
        }
        Ok(())
    }
}

impl Headers {
    fn push(&mut self, name: HeaderName, value: String) -> Result<(), IdentityError> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(IdentityError::TooLong);
        }
        let value = HeaderValue::try_from(value).map_err(|_not_ascii| IdentityError::TooLong)?;
        self.0.push((name, value));
        Ok(())
    }

    fn push_list<'a>(
        &mut self,
        name: HeaderName,
        items: impl Iterator<Item = &'a str>,
    ) -> Result<(), IdentityError> {
        let list = items
            .map(|item| encode(item, true))
            .collect::<Vec<_>>()
            .join(",");
        if list.is_empty() {
            Ok(())
        } else {
            self.push(name, list)
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

/// A header's name as a CGI-like application may see it: without case, every run of other
/// characters one `-`, without a leading `http-` (attacks.md B, R1).
fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            folded.push(character.to_ascii_lowercase());
        } else if !folded.ends_with('-') && !folded.is_empty() {
            folded.push('-');
        }
    }
    while let Some(rest) = folded.strip_prefix("http-") {
        folded = rest.to_owned();
    }
    folded.trim_end_matches('-').to_owned()
}

/// Percent-encodes what a header value, or an item of a list, cannot hold: also white space at its
/// ends, which its reader cuts off (RFC 9110 section 5.5), so that `root ` would become `root`.
fn encode(text: &str, in_list: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        if matches!(byte, b'%' | b'"')
            || (byte == b' ' && (at == 0 || at == last))
            || (in_list && byte == b',')
            || !(0x20..=0x7e).contains(&byte)
        {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        } else {
            encoded.push(char::from(byte));
        }
    }
    encoded
}

/// Adds this hop to what trusted proxies said (or to nothing).
fn forwarded(request: &mut RequestHeader, peer: IpAddr) -> pingora::Result<()> {
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

#[cfg(test)]
mod tests;
