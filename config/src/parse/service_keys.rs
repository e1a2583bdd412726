//! Service keys: their pepper, and where they may be found.
//!
//! Promise: a key is looked for where nothing else is, but for `bearer`, where its form tells it from a token.

use http::HeaderName;

use super::report::Report;
use super::source;
use super::value::{PLACEHOLDER, is_placeholder};
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::{CredentialSource, IssuerSettings, ServiceKeySettings, StoreSettings};

/// Bytes of a key of HMAC-SHA-256 (RFC 2104 §3: shorter ones are weaker than the hash).
const LEAST_PEPPER: usize = 32;

/// `Some(None)`: there are none.
pub(crate) fn service_keys(
    raw: Option<raw::ServiceKeys>,
    report: &mut Report,
) -> Option<Option<ServiceKeySettings>> {
    let Some(raw) = raw else {
        return Some(None);
    };
    let at = YamlPath::default().key("service_keys");
    let path = at.key("pepper");
    let pepper = report.secret(&path, raw.pepper).and_then(|pepper| {
        if pepper.expose().len() < LEAST_PEPPER {
            report.refuse(&path, "expected at least 32 bytes")
        } else if is_placeholder(&pepper) {
            report.refuse(&path, PLACEHOLDER)
        } else {
            Some(pepper)
        }
    });
    let sources = match raw.sources {
        None => Some(vec![CredentialSource::Header(HeaderName::from_static(
            "x-api-key",
        ))]),
        written => source::sources(written, &at, report),
    };
    for (index, found) in sources.iter().flatten().enumerate() {
        match found {
            CredentialSource::Bearer | CredentialSource::Header(_) => {}
            CredentialSource::Cookie(_) | CredentialSource::WebSocketProtocol(_) => report.problem(
                &at.key("sources").index(index),
                "expected `bearer` or `header: X-Api-Key`: programs send no cookies",
            ),
        }
    }
    Some(Some(ServiceKeySettings {
        pepper: pepper?,
        sources: sources?,
        forward: raw.forward.0,
    }))
}

/// Refuses keys where nobody keeps any, and headers in which an issuer's tokens are.
pub(crate) fn fit(
    keys: Option<&ServiceKeySettings>,
    issuers: Option<&[IssuerSettings]>,
    store: Option<&StoreSettings>,
    report: &mut Report,
) {
    let (Some(keys), Some(issuers), Some(store)) = (keys, issuers, store) else {
        return;
    };
    let at = YamlPath::default().key("service_keys");
    if matches!(store, StoreSettings::File { .. }) {
        let message = "expected only with `store.postgres`: a directory file holds no keys";
        report.problem(&at, message);
    }
    let taken = |source: &CredentialSource| {
        let mut of_issuers = issuers.iter().flat_map(|issuer| &issuer.sources);
        *source != CredentialSource::Bearer && of_issuers.any(|other| other == source)
    };
    for (index, _) in keys.sources.iter().enumerate().filter(|(_, it)| taken(it)) {
        let message = "expected a header in which no issuer's tokens are";
        report.problem(&at.key("sources").index(index), message);
    }
}
