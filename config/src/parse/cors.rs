//! Cross-origin requests.
//!
//! Promise: an origin is spelled exactly as a browser spells it, so that comparing bytes is
//! enough; one that could never match is refused instead of being silently useless.

use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::report::Report;
use super::value::{Bounds, HOUR, all};
use crate::locate::YamlPath;
use crate::raw::{self, PreflightName};
use crate::settings::{CorsSettings, Preflight};

pub(crate) fn cors(raw: raw::Cors, report: &mut Report) -> Option<CorsSettings> {
    let at = YamlPath::default().key("cors");
    let preflight = match raw.preflight {
        Some(PreflightName::Forward) | None => Preflight::Forward,
        Some(PreflightName::Answer) => Preflight::Answer,
        Some(PreflightName::Deny) => Preflight::Deny,
    };
    if preflight == Preflight::Answer && raw.origins.is_empty() {
        let message = "expected at least one origin, which `preflight: answer` needs";
        report.problem(&at.key("origins"), message);
    }
    let path = at.key("origins");
    let entries = raw.origins.into_iter().enumerate();
    let origins = entries.map(|(index, origin)| match refusal(&origin) {
        None => Some(origin),
        Some(message) => report.refuse(&path.index(index), message),
    });
    let origins = all(origins.collect());
    let allow_headers = match raw.allow_headers {
        Some(written) => headers(&written, &at.key("allow_headers"), report),
        None => Some(vec![AUTHORIZATION, CONTENT_TYPE]),
    };
    let max_age = report.duration(&at.key("max_age"), raw.max_age.as_ref(), &MAX_AGE);
    Some(CorsSettings {
        preflight,
        origins: origins?,
        allow_credentials: raw.allow_credentials.0,
        allow_headers: allow_headers?,
        max_age: max_age?,
    })
}

fn headers(written: &[String], at: &YamlPath, report: &mut Report) -> Option<Vec<HeaderName>> {
    let mut tried = Vec::with_capacity(written.len());
    for (index, name) in written.iter().enumerate() {
        tried.push(match HeaderName::from_bytes(name.as_bytes()) {
            // In this header a browser takes `*` for everything.
            Ok(header) if name != "*" => Some(header),
            Ok(_) | Err(_) => report.refuse(&at.index(index), "expected a header's name"),
        });
    }
    all(tried)
}

/// Why this is not an origin as a browser serializes it (HTML standard, "ASCII serialization of
/// an origin").
fn refusal(origin: &str) -> Option<&'static str> {
    let (rest, default_port) = if let Some(rest) = origin.strip_prefix("https://") {
        (rest, "443")
    } else if let Some(rest) = origin.strip_prefix("http://") {
        (rest, "80")
    } else {
        return Some(ORIGIN_EXPECTED);
    };
    let (host, port) = match rest.rsplit_once(':') {
        // The last colon of `[::1]` is part of the host.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (rest, None),
    };
    let v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let well_formed = match v6 {
        Some(address) => address
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|parsed| parsed.to_string() == address),
        None => {
            let plain = |c: char| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_')
            };
            !host.is_empty() && host.chars().all(plain)
        }
    };
    if !well_formed {
        return Some(ORIGIN_EXPECTED);
    }
    match port {
        None => None,
        Some(port) if port == default_port => {
            Some("expected no port: browsers leave out the default one (80, 443)")
        }
        Some(port) => {
            let canonical = |number: u16| number != 0 && number.to_string() == port;
            let valid = port.parse().is_ok_and(canonical);
            (!valid).then_some(ORIGIN_EXPECTED)
        }
    }
}

const ORIGIN_EXPECTED: &str = "expected an exact origin as browsers send it, such as \
                               `https://app.example` or `http://localhost:5173`: lower case, no \
                               path, no `/` at the end, no `*`, not `null`";

const MAX_AGE: Bounds = Bounds {
    default: Duration::from_secs(600),
    min: Duration::ZERO,
    max: HOUR.saturating_mul(24),
    says: "0s to 24h",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_origins_are_accepted() {
        for origin in [
            "https://app.example",
            "http://localhost:5173",
            "http://[::1]:8080",
            "https://[::1]",
            "https://app.example:80",
        ] {
            assert_eq!(refusal(origin), None, "{origin}");
        }
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for origin in [
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https://*.example",
            "https://app/",
            "https://app/x",
            "https://App.example",
            "https://app:443",
            "http://app:80",
            "https://app:0",
            "https://app:08080",
            "https://app:",
            "https://a@b",
            "ftp://app",
            "https://app?x",
            "https://app#x",
            "https://[::0:1]",
            "https://bücher.example",
        ] {
            assert!(refusal(origin).is_some(), "{origin}");
        }
    }
}
