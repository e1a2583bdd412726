//! Issuers: whose tokens are accepted, and with which algorithms and claims.
//!
//! Promise: no issuer without an audience, except by an `insecure_…` option; none without an algorithm and
//! a key, except where it is asked about its tokens and needs none. Whether a key file holds usable keys is
//! not checked here.

use std::collections::BTreeSet;
use std::time::Duration;

use super::introspection::introspection;
use super::key;
use super::report::Report;
use super::source;
use super::value::{Bounds, HOUR, all};
use crate::locate::YamlPath;
use crate::raw::{self, AlgorithmName};
use crate::settings::{Algorithm, ClaimSettings, IntrospectionFallback, IssuerSettings};

pub(crate) fn issuers(
    written: Vec<raw::Issuer>,
    none_is_fine: bool,
    report: &mut Report,
) -> Option<Vec<IssuerSettings>> {
    let at = YamlPath::default().key("issuers");
    if written.is_empty() && !none_is_fine {
        return report.refuse(
            &at,
            "expected at least one issuer, or `insecure_no_issuers: true`",
        );
    }
    let mut seen = BTreeSet::new();
    let mut tried = Vec::with_capacity(written.len());
    for (index, raw) in written.into_iter().enumerate() {
        let path = at.index(index);
        if !seen.insert(raw.issuer.clone()) {
            report.problem(
                &path.key("issuer"),
                "expected an issuer that is not listed above",
            );
        }
        tried.push(issuer(raw, &path, report));
    }
    all(tried)
}

fn issuer(raw: raw::Issuer, at: &YamlPath, report: &mut Report) -> Option<IssuerSettings> {
    let any_audience = report.insecure(at, "insecure_any_audience", raw.insecure_any_audience);
    let issuer = report.text(&at.key("issuer"), raw.issuer);
    let path = at.key("audiences");
    let audiences = if raw.audiences.is_empty() && !any_audience {
        report.refuse(
            &path,
            "expected at least one audience, or `insecure_any_audience: true` on this issuer",
        )
    } else {
        report.texts(&path, raw.audiences)
    };
    let introspection = match raw.introspection {
        Some(raw) => introspection(raw, &at.key("introspection"), report).map(Some),
        None => Some(None),
    };
    let keyless = match &introspection {
        Some(Some(asked)) => asked.fallback == IntrospectionFallback::Deny,
        // What is wrong with it is said already.
        None => true,
        Some(None) => false,
    };
    let algorithms: BTreeSet<_> = raw.algorithms.into_iter().map(algorithm).collect();
    let keys = if keyless && algorithms.is_empty() && raw.keys.is_empty() {
        Some(Vec::new())
    } else {
        if algorithms.is_empty() {
            report.problem(&at.key("algorithms"), "expected at least one algorithm");
        }
        key::keys(raw.keys, &algorithms, at, report)
    };
    let sources = source::sources(raw.sources, at, report);
    let leeway = report.duration(&at.key("leeway"), raw.leeway.as_ref(), &LEEWAY);
    let path = at.key("max_lifetime");
    let max_lifetime = report.duration(&path, raw.max_lifetime.as_ref(), &MAX_LIFETIME);
    let token_types = report.texts(&at.key("token_types"), raw.token_types);
    let claims = claims(raw.claims, &at.key("claims"), report);
    Some(IssuerSettings {
        issuer: issuer?,
        audiences: audiences?,
        algorithms,
        keys: keys?,
        introspection: introspection?,
        sources: sources?,
        forward: raw.forward.is_none_or(|forward| forward.0),
        leeway: leeway?,
        max_lifetime: max_lifetime?,
        token_types: token_types?,
        claims: claims?,
    })
}

fn claims(raw: raw::Claims, at: &YamlPath, report: &mut Report) -> Option<ClaimSettings> {
    let subject = raw.subject.unwrap_or_else(|| "sub".to_owned());
    let subject = claim(&subject, &at.key("subject"), report);
    let roles = match raw.roles {
        Some(roles) => claim(&roles, &at.key("roles"), report).map(Some),
        None => Some(None),
    };
    let session = raw.session.unwrap_or_else(|| "sid".to_owned());
    let session = claim(&session, &at.key("session"), report);
    Some(ClaimSettings {
        subject: subject?,
        roles: roles?,
        session: session?,
    })
}

fn claim(written: &str, path: &YamlPath, report: &mut Report) -> Option<Vec<String>> {
    let segments: Vec<String> = written.split('.').map(str::to_owned).collect();
    if segments.iter().any(String::is_empty) {
        return report.refuse(
            path,
            "expected a claim such as `sub` or a path such as `app_metadata.roles`, no part empty",
        );
    }
    Some(segments)
}

fn algorithm(name: AlgorithmName) -> Algorithm {
    match name {
        AlgorithmName::Rs256 => Algorithm::Rs256,
        AlgorithmName::Rs384 => Algorithm::Rs384,
        AlgorithmName::Rs512 => Algorithm::Rs512,
        AlgorithmName::Ps256 => Algorithm::Ps256,
        AlgorithmName::Es256 => Algorithm::Es256,
        AlgorithmName::Es384 => Algorithm::Es384,
        AlgorithmName::EdDsa => Algorithm::EdDsa,
        AlgorithmName::Hs256 => Algorithm::Hs256,
    }
}

const LEEWAY: Bounds = Bounds {
    default: Duration::from_secs(30),
    min: Duration::ZERO,
    max: Duration::from_secs(300),
    says: "0s to 5m",
};

const MAX_LIFETIME: Bounds = Bounds {
    default: HOUR.saturating_mul(24),
    min: Duration::from_secs(1),
    max: HOUR.saturating_mul(24 * 365),
    says: "1s to 365d",
};
