//! What the application is told: every spelling of our headers is stripped, then ours are set.
//!
//! Promise: whatever a client sends, the application sees each of our headers at most once and
//! with our value; without a decided subject it sees none of them but the decision id. The
//! rewrite may run again on a retry and does the same again. Headers by which a client could make
//! the application act on another target or method than the one that was decided on are removed.
//!
//! Does not: touch hop-by-hop headers (Pingora's request policy does, before this).

mod assertion;
mod strip;

pub use assertion::{AssertionError, Signer};
pub use strip::strip_answer;

use std::fmt::Write as _;
use std::sync::Arc;

use http::header::EXPECT;
use http::{HeaderName, HeaderValue, Method};
use pingora::http::RequestHeader;
use std::net::IpAddr;

use crate::authn::{Authenticator, Carrier, KEY_PREFIX};
use crate::authz::{Grant, Subject};
use crate::clearance::Clearance;
use crate::client::TrustedProxies;
use sidegate_policy::{Policy, UnixMicros};
use strip::Stripper;

/// The subject's id.
pub const SUBJECT: HeaderName = HeaderName::from_static("x-sidegate-subject");
/// `user` or `service`.
pub const SUBJECT_TYPE: HeaderName = HeaderName::from_static("x-sidegate-subject-type");
/// The subject's own roles, comma separated.
pub const ROLES: HeaderName = HeaderName::from_static("x-sidegate-roles");
/// The subject's roles on the authorized resource, comma separated.
pub const RESOURCE_ROLES: HeaderName = HeaderName::from_static("x-sidegate-resource-roles");
/// On an answer, what the decision was made without. `stale`: on facts older than the bound, because the
/// store could not be asked. `introspection`: by the token's key alone, because its issuer could not be.
pub const DEGRADED: HeaderName = HeaderName::from_static("x-sidegate-degraded");
/// The decision's id; also on every answer.
pub const DECISION_ID: HeaderName = HeaderName::from_static("x-sidegate-decision-id");
/// The signed assertion.
pub const ASSERTION: HeaderName = HeaderName::from_static("x-sidegate-assertion");
/// `<action> <kind>:<id>`, only where a rule was decided for that resource.
pub const AUTHORIZED: HeaderName = HeaderName::from_static("x-sidegate-authorized");

/// The longest value that is set, in bytes.
const MAX_VALUE_BYTES: usize = 4096;

/// Writes identity into requests. Built once.
#[derive(Debug)]
pub struct Identity {
    signer: Option<Arc<Signer>>,
    carriers: Vec<(Carrier, bool)>,
    /// Whether service keys are not for the application, also where nobody has looked at them.
    hides_keys: bool,
    stripper: Stripper,
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
        signer: Option<Arc<Signer>>,
        authenticator: &Authenticator,
        trusted_proxies: TrustedProxies,
    ) -> Self {
        let carriers = authenticator
            .carriers()
            .map(|(carrier, forward)| (carrier.clone(), forward));
        Self {
            signer,
            carriers: carriers.collect(),
            hides_keys: authenticator.hides_keys(),
            stripper: Stripper::new(authenticator.headers(), trusted_proxies),
        }
    }

    /// The signer, whose public key the admin listener shows.
    #[must_use]
    pub const fn signer(&self) -> Option<&Arc<Signer>> {
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
                .into_iter()
                .flat_map(|checks| checks.all())
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
        self.stripper.strip(request, peer);
        self.strip_credentials(request, subject)?;
        // Answered by us, once the request was cleared: the application's final answer must not
        // race with a body that the client was already told to send.
        request.remove_header(&EXPECT);
        if let Some(peer) = peer {
            strip::forwarded(request, peer)?;
        }
        for (name, value) in &headers.0 {
            request.insert_header(name.clone(), value.clone())?;
        }
        Ok(())
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
        for (carrier, unverified_forward) in &self.carriers {
            let (keep, is_verified) = match verified {
                Some((used, verified_forward)) if used == carrier => (*verified_forward, true),
                Some(_) | None => (*unverified_forward, false),
            };
            let name = carrier.header();
            let is_key = |value| !is_verified && self.hides_keys && is_service_key(value);
            if keep && !request.headers.get_all(&name).iter().any(is_key) {
                continue;
            }
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

/// Whether a header's value is, or has behind its scheme, a key that Sidegate has made.
fn is_service_key(value: &HeaderValue) -> bool {
    let text = value.as_bytes();
    let key = KEY_PREFIX.as_bytes();
    let last = text.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    text.starts_with(key) || last.starts_with(key)
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

#[cfg(test)]
mod tests;
