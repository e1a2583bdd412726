//! What reads bytes that a stranger wrote, as plain functions for fuzzers.
//!
//! Promise: each takes any bytes, and says which of its promises was broken, if one was; it neither
//! panics nor hangs. The property tests below run them over arbitrary bytes and over good inputs with a
//! few bytes changed; a fuzzer that is guided by coverage can call the same functions.

use std::collections::BTreeMap;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pingora::http::RequestHeader;
use sidegate_config::{ConfigError, Problem, Settings};

use crate::authn::{self, Authenticator};
use crate::cache;
use crate::client::TrustedProxies;
use crate::head::Head;
use crate::identity::{Headers, Identity};
use crate::intake::lines::{self, Bounds, Search};
use crate::spelling::fold;
use crate::target::Target;

/// A promise that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(&'static str);

/// A request target: what is canonical stays as it is, and no decoded path climbs.
///
/// # Errors
/// When it does not.
pub fn target(bytes: &[u8]) -> Result<(), Violation> {
    let Ok(target) = Target::parse(bytes) else {
        return Ok(());
    };
    let again = Target::parse(target.as_str().as_bytes());
    holds(again.as_ref() == Ok(&target), "a canonical target changes")?;
    let path = crate::target::decode_segment(target.path()).into_owned();
    let climbs = path.split(['/', '\\']).any(|part| part == "..");
    holds(
        !climbs && !path.contains("//"),
        "a path can be resolved elsewhere",
    )?;
    let plain = target.without_parameters();
    let again = Target::parse(plain.as_str().as_bytes());
    holds(
        again.as_ref() == Ok(&plain),
        "a path without parameters is not canonical",
    )
}

/// A request's head: what passes ends where it was found to end, and one byte less does not pass.
///
/// # Errors
/// When it does not.
pub fn head(bytes: &[u8]) -> Result<(), Violation> {
    let bounds = Bounds {
        bytes: 32 * 1024,
        headers: 100,
    };
    let Ok(Some(length)) = Search::default().find(bytes, bounds) else {
        return Ok(());
    };
    let whole = bytes.get(..length).unwrap_or_default();
    holds(
        length <= bytes.len() && whole.ends_with(b"\n"),
        "a head ends in a line",
    )?;
    if lines::check(whole, bounds).is_ok() {
        let shorter = whole.split_last().map(|(_, rest)| rest).unwrap_or_default();
        holds(
            lines::check(shorter, bounds).is_err(),
            "a part of a head is one",
        )?;
    }
    Ok(())
}

/// A header's name: whatever folds to one of ours does not reach the application.
///
/// # Errors
/// When it does.
pub fn folding(identity: &Identity, bytes: &[u8]) -> Result<(), Violation> {
    let Ok(name) = HeaderName::from_bytes(bytes) else {
        return Ok(());
    };
    let folded = fold(name.as_str());
    holds(fold(&folded) == folded, "a folded name changes")?;
    let broken = |_| Violation("a request cannot be built");
    let mut request = RequestHeader::build("GET", b"/", None).map_err(broken)?;
    request.insert_header(name, "forged").map_err(broken)?;
    let rewritten = identity.rewrite(&mut request, &Headers::default(), None, None);
    rewritten.map_err(broken)?;
    let passes = request.headers.values().any(|value| value == "forged");
    let ours = folded == "x-sidegate" || folded.starts_with("x-sidegate-");
    holds(!(passes && ours), "a client speaks as Sidegate")
}

/// A credential: nobody signed it, so there is no principal.
///
/// # Errors
/// When there is one.
pub fn credential(authenticator: &Authenticator, bytes: &[u8]) -> Result<(), Violation> {
    let value = [b"Bearer ", bytes].concat();
    let (Ok(value), Ok(host)) = (HeaderValue::from_bytes(&value), HeaderValue::from_str("a"))
    else {
        return Ok(());
    };
    let mut headers = HeaderMap::new();
    headers.insert(http::header::HOST, host);
    headers.insert(http::header::AUTHORIZATION, value);
    let (method, now) = (Method::GET, sidegate_policy::UnixMicros(0));
    let Ok(head) = Head::new(&method, b"/", &headers) else {
        return Ok(());
    };
    let authenticated =
        futures_util::FutureExt::now_or_never(authenticator.authenticate(&head, now));
    holds(
        authenticated.is_some_and(|authenticated| authenticated.is_err()),
        "an unsigned credential makes a principal",
    )
}

/// The header of a token: one that would change how it is verified is refused.
///
/// # Errors
/// When it is not.
pub fn token_header(bytes: &[u8]) -> Result<(), Violation> {
    let Some(members) = authn::header_members(bytes) else {
        return Ok(());
    };
    let forbidden = ["crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"];
    let found = members
        .iter()
        .any(|member| forbidden.contains(&member.as_str()));
    holds(!found, "a token chooses how it is verified")
}

/// What is under a name in Redis: without a seal it is nothing.
///
/// # Errors
/// When it is something.
pub fn shared_answer(bytes: &[u8]) -> Result<(), Violation> {
    holds(
        cache::is_refused_unsealed(bytes),
        "an unsealed answer counts",
    )
}

/// A configuration: it is settings, or every problem has a place in it and says what was expected.
///
/// # Errors
/// When one does not.
pub fn configuration(bytes: &[u8]) -> Result<(), Violation> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Ok(());
    };
    let parsed: Result<Settings, _> =
        sidegate_config::parse(text, Path::new("/fuzz.yaml"), &BTreeMap::new());
    let named = match parsed {
        Ok(_) | Err(ConfigError::Read { .. }) => true,
        Err(ConfigError::Invalid { problems, .. }) => {
            // A document of nothing has no places.
            let is_clear = |problem: &Problem| {
                let named = problem.line.is_some() || !problem.path.is_empty();
                problem.message.contains("expected") && (named || text.trim().is_empty())
            };
            !problems.is_empty() && problems.iter().all(is_clear)
        }
    };
    holds(named, "a problem without a place")
}

/// Which client `X-Forwarded-For` names: a trusted proxy has the last word, and a stranger none.
///
/// # Errors
/// When somebody else has it.
pub fn forwarded_for(bytes: &[u8]) -> Result<(), Violation> {
    let line = [bytes, b", 198.51.100.9"].concat();
    let Ok(value) = HeaderValue::from_bytes(&line) else {
        return Ok(());
    };
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), value)]);
    let (proxy, stranger) = ([10, 0, 0, 1].into(), [192, 0, 2, 1].into());
    let trusted = TrustedProxies::new(vec![ipnet::IpNet::from(proxy)]);
    let nobody = TrustedProxies::new(Vec::new());
    let said = nobody.client(stranger, &headers);
    let plain = nobody.client(stranger, &HeaderMap::new());
    holds(said == plain, "a stranger chooses who it is")?;
    let last = nobody.client([198, 51, 100, 9].into(), &HeaderMap::new());
    holds(
        trusted.client(proxy, &headers) == last,
        "what stands before a trusted proxy's word counts",
    )
}

const fn holds(promise: bool, otherwise: &'static str) -> Result<(), Violation> {
    if promise {
        Ok(())
    } else {
        Err(Violation(otherwise))
    }
}

#[cfg(test)]
mod tests;
