//! What the application is told about the subject.
//!
//! Promise: an assertion has an issuer, an audience and a short life. Whether its key is a usable
//! PEM is not checked here: the proxy parses it when it starts.

use std::time::Duration;

use super::report::Report;
use super::value::{Bounds, MINUTE};
use crate::locate::YamlPath;
use crate::raw::{self, AssertionAlgorithmName, BindName};
use crate::settings::{AssertionAlgorithm, AssertionSettings, Bind, IdentitySettings};

pub(crate) fn identity(raw: raw::Identity, report: &mut Report) -> Option<IdentitySettings> {
    let path = YamlPath::default().key("identity").key("assertion");
    let assertion = assertion(raw.assertion, &path, report)?;
    Some(IdentitySettings { assertion })
}

fn assertion(raw: raw::Assertion, at: &YamlPath, report: &mut Report) -> Option<AssertionSettings> {
    let algorithm = match raw.algorithm {
        Some(AssertionAlgorithmName::EdDsa) | None => AssertionAlgorithm::EdDsa,
        Some(AssertionAlgorithmName::Es256) => AssertionAlgorithm::Es256,
    };
    let bind = match raw.bind {
        Some(BindName::Subject) | None => Bind::Subject,
        Some(BindName::Request) => Bind::Request,
    };
    let key = match raw.key {
        Some(written) => report.secret(&at.key("key"), written).map(Some),
        None => Some(None),
    };
    let issuer = raw.issuer.unwrap_or_else(|| "sidegate".to_owned());
    let issuer = report.text(&at.key("issuer"), issuer);
    let audience = raw.audience.unwrap_or_else(|| "app".to_owned());
    let audience = report.text(&at.key("audience"), audience);
    let lifetime = report.duration(&at.key("lifetime"), raw.lifetime.as_ref(), &LIFETIME);
    Some(AssertionSettings {
        enabled: raw.enabled.is_none_or(|enabled| enabled.0),
        algorithm,
        key: key?,
        issuer: issuer?,
        audience: audience?,
        lifetime: lifetime?,
        bind,
    })
}

/// Two seconds leave room for rounding; above a minute a stolen assertion is worth something.
const LIFETIME: Bounds = Bounds {
    default: MINUTE,
    min: Duration::from_secs(2),
    max: MINUTE,
    says: "2s to 60s",
};
