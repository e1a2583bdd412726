//! Introspection: where an issuer is asked, by whom, and what holds while it cannot be.
//!
//! Promise: a token and our secret go out over TLS or stay on this machine; what happens without an
//! answer was chosen; an opaque token, which does not say whose it is, can be only one issuer's. Nothing is
//! connected to.

use std::time::Duration;

use super::breaker::{Standard, breaker};
use super::report::Report;
use super::url::guarded;
use super::value::{Bounds, MILLISECOND, MINUTE, PLACEHOLDER, is_placeholder};
use crate::locate::YamlPath;
use crate::raw::{self, FallbackName};
use crate::settings::{
    IntrospectionFallback, IntrospectionSettings, IssuerSettings, LimitSettings,
};

pub(crate) fn introspection(
    raw: raw::Introspection,
    at: &YamlPath,
    report: &mut Report,
) -> Option<IntrospectionSettings> {
    let url = match guarded(&raw.url, URL_EXPECTED, PLAIN) {
        Ok(()) => Some(raw.url),
        Err(message) => report.refuse(&at.key("url"), message),
    };
    let client_id = report.text(&at.key("client_id"), raw.client_id);
    let path = at.key("client_secret");
    let client_secret = match report.secret(&path, raw.client_secret) {
        Some(secret) if is_placeholder(&secret) => report.refuse(&path, PLACEHOLDER),
        other => other,
    };
    let timeout = report.duration(&at.key("timeout"), raw.timeout.as_ref(), &TIMEOUT);
    let ttl = report.duration(&at.key("ttl"), raw.ttl.as_ref(), &TTL);
    let breaker = breaker(&at.key("breaker"), &raw.breaker, &BREAKER, report);
    let max_in_flight = raw.max_in_flight.map_or(64, |number| number.0);
    let max_in_flight = report.integer(&at.key("max_in_flight"), max_in_flight, 1, 1000);
    Some(IntrospectionSettings {
        url: url?,
        client_id: client_id?,
        client_secret: client_secret?,
        timeout: timeout?,
        ttl: ttl?,
        fallback: match raw.fallback {
            FallbackName::Local => IntrospectionFallback::Local,
            FallbackName::Deny => IntrospectionFallback::Deny,
        },
        breaker: breaker?,
        max_in_flight: max_in_flight?,
    })
}

/// Refuses two issuers that could both be meant by an opaque token, and questions that would end with the
/// whole decision.
pub(crate) fn between(
    issuers: Option<&[IssuerSettings]>,
    limits: Option<&LimitSettings>,
    report: &mut Report,
) {
    let (Some(issuers), Some(limits)) = (issuers, limits) else {
        return;
    };
    let decision = limits.decision_timeout;
    let at = YamlPath::default().key("issuers");
    let mut taken = Vec::new();
    for (index, issuer) in issuers.iter().enumerate() {
        let Some(introspection) = &issuer.introspection else {
            continue;
        };
        let at = at.index(index);
        for (place, source) in issuer.sources.iter().enumerate() {
            if taken.contains(&source) {
                let message = "expected a source that no other issuer with `introspection` has: an \
                               opaque token does not say whose it is";
                report.problem(&at.key("sources").index(place), message);
            }
            taken.push(source);
        }
        if introspection.timeout.saturating_mul(2) > decision {
            let message = "expected at most half of `limits.decision_timeout`: the fallback and the \
                           decision need time, too";
            report.problem(&at.key("introspection").key("timeout"), message);
        }
    }
}

const URL_EXPECTED: &str = "expected a URL such as `https://id.example/oauth2/introspect`";

const PLAIN: &str = "expected `https://…`: over plain http anybody on the way can read tokens and say which \
                     are good (http is for a loopback address or `localhost`)";

const BREAKER: Standard = Standard {
    failures: 3,
    open: Duration::from_secs(45),
};

const TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: MILLISECOND.saturating_mul(10),
    max: Duration::from_secs(10),
    says: "10ms to 10s",
};

/// It is the bound on a revoked token, so it is short.
const TTL: Bounds = Bounds {
    default: Duration::from_secs(10),
    min: Duration::ZERO,
    max: MINUTE.saturating_mul(5),
    says: "0s to 5m",
};
