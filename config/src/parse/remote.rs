//! Key sets behind a URL.
//!
//! Promise: keys come over TLS or from this machine, and the URL says all that is fetched: no user
//! information, no fragment. A refused URL is not repeated in the message, because it may hold a
//! password. Nothing is fetched here, and the host is not looked up.

use std::time::Duration;

use super::report::Report;
use super::url::guarded;
use super::value::{Bounds, HOUR, MINUTE};
use crate::locate::YamlPath;
use crate::raw::DurationText;
use crate::settings::{RemoteKeyKind, RemoteKeySettings};

/// The keys of an entry that only a remote set has.
pub(crate) struct Options {
    pub(crate) refresh_interval: Option<DurationText>,
    pub(crate) max_age: Option<DurationText>,
    pub(crate) timeout: Option<DurationText>,
}

impl Options {
    /// Refuses whatever was written of them, for a key that is not remote.
    pub(crate) fn refuse(&self, at: &YamlPath, report: &mut Report) {
        for (key, written) in [
            ("refresh_interval", &self.refresh_interval),
            ("max_age", &self.max_age),
            ("timeout", &self.timeout),
        ] {
            if written.is_some() {
                let message =
                    format!("expected `{key}` only with `jwks_uri` or `openid_discovery`");
                report.problem(&at.key(key), message);
            }
        }
    }
}

pub(crate) fn remote(
    kind: RemoteKeyKind,
    written: &str,
    options: &Options,
    at: &YamlPath,
    report: &mut Report,
) -> Option<RemoteKeySettings> {
    let (key, tried) = match kind {
        RemoteKeyKind::KeySet => ("jwks_uri", key_set(written)),
        RemoteKeyKind::Discovery => ("openid_discovery", discovery(written)),
    };
    let url = match tried {
        Ok(url) => Some(url),
        Err(message) => report.refuse(&at.key(key), message),
    };
    let written = options.refresh_interval.as_ref();
    let refresh_interval = report.duration(&at.key("refresh_interval"), written, &REFRESH);
    let path = at.key("max_age");
    let max_age = report.duration(&path, options.max_age.as_ref(), &MAX_AGE);
    if let (Some(refresh_interval), Some(max_age)) = (refresh_interval, max_age)
        && max_age < refresh_interval
    {
        report.problem(&path, "expected at least `refresh_interval`");
    }
    let timeout = report.duration(&at.key("timeout"), options.timeout.as_ref(), &TIMEOUT);
    Some(RemoteKeySettings {
        url: url?,
        kind,
        refresh_interval: refresh_interval?,
        max_age: max_age?,
        timeout: timeout?,
    })
}

fn key_set(text: &str) -> Result<String, &'static str> {
    guarded(text, URL_EXPECTED, PLAIN)?;
    Ok(text.to_owned())
}

/// The document's own URL (OpenID Connect Discovery 1.0 §4: any `/` at the end is removed first).
fn discovery(text: &str) -> Result<String, &'static str> {
    let written = key_set(text)?;
    if written.contains('?') {
        return Err("expected a URL without query");
    }
    let base = written.trim_end_matches('/');
    if base.ends_with(WELL_KNOWN) {
        return Ok(base.to_owned());
    }
    Ok(format!("{base}{WELL_KNOWN}"))
}

const URL_EXPECTED: &str = "expected a URL such as `https://id.example/.well-known/jwks.json`";

const PLAIN: &str = "expected `https://…`: over plain http anybody on the way can replace the keys (http is \
                     for a loopback address or `localhost`)";

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A revoked key is gone this much later; providers let a set be cached for minutes.
const REFRESH: Bounds = Bounds {
    default: MINUTE.saturating_mul(5),
    min: Duration::from_secs(10),
    max: HOUR.saturating_mul(24),
    says: "10s to 24h",
};

/// A provider that is down for a night must not stop everybody.
const MAX_AGE: Bounds = Bounds {
    default: HOUR.saturating_mul(24),
    min: MINUTE,
    max: HOUR.saturating_mul(24 * 30),
    says: "1m to 30d",
};

const TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(5),
    min: Duration::from_millis(100),
    max: MINUTE,
    says: "100ms to 60s",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for url in [
            "https://id.example/jwks.json",
            "https://id.example:8443/keys?tenant=1",
            "http://127.0.0.1:9000/jwks.json",
            "http://127.8.8.8/keys",
            "http://[::1]:9000/keys",
            "http://LocalHost/keys",
        ] {
            assert_eq!(key_set(url).as_deref(), Ok(url));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for url in [
            "",
            "id.example/jwks.json",
            "/jwks.json",
            "file:///jwks.json",
            "https://",
            "https:///jwks.json",
            "https://id.example:0/",
            "https://id.example:65536/",
            "https://id.example/#keys",
            "https://user:pass@id.example/",
            "https://@id.example/",
            "http://id.example/",
            "http://10.0.0.1/",
            "http://127.0.0.1.id.example/",
            "http://localhost.id.example/",
            "http://127.1/",
            "http://0.0.0.0/",
            "http://localhost@id.example/",
            "http://localhost\\@id.example/",
            "http://id.example\\@localhost/",
            "http://id.example#@localhost/",
            "http://id.example?@localhost/",
        ] {
            assert!(key_set(url).is_err(), "{url}");
            assert!(discovery(url).is_err(), "{url}");
        }
    }

    #[test]
    fn discovery_leads_to_the_document() {
        let document = "https://id.example/t/.well-known/openid-configuration";
        for written in [
            "https://id.example/t",
            "https://id.example/t/",
            "https://id.example/t//",
            document,
        ] {
            assert_eq!(discovery(written).as_deref(), Ok(document), "{written}");
        }
        let host = discovery("https://id.example").unwrap();
        assert_eq!(host, "https://id.example/.well-known/openid-configuration");
        assert!(discovery("https://id.example/?x").is_err());
        assert!(key_set("https://id.example/?x").is_ok());
    }
}
