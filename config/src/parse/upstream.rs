//! The application's address and the bounds on talking to it.
//!
//! Promise: a host and a port, and nothing in the URL that would be ignored (a path, a query, a
//! password). A refused URL is not repeated in the message, because it may hold a password. The
//! host is not looked up here.

use std::time::Duration;

use http::Uri;

use super::report::Report;
use super::value::{Bounds, HOUR, MILLISECOND, MINUTE};
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::UpstreamSettings;

pub(crate) fn upstream(raw: &raw::Upstream, report: &mut Report) -> Option<UpstreamSettings> {
    let at = YamlPath::default().key("upstream");
    let address = match address(&raw.url) {
        Ok(address) => Some(address),
        Err(message) => report.refuse(&at.key("url"), message),
    };
    let mut bound = |key, written: &Option<raw::DurationText>, bounds| {
        report.duration(&at.key(key), written.as_ref(), bounds)
    };
    let connect_timeout = bound("connect_timeout", &raw.connect_timeout, &CONNECT);
    let read_timeout = bound("read_timeout", &raw.read_timeout, &READ);
    let write_timeout = bound("write_timeout", &raw.write_timeout, &WRITE);
    let idle_timeout = bound("idle_timeout", &raw.idle_timeout, &IDLE);
    let (host, port) = address?;
    Some(UpstreamSettings {
        host,
        port,
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        idle_timeout: idle_timeout?,
    })
}

fn address(url: &str) -> Result<(String, u16), &'static str> {
    let uri: Uri = url.parse().or(Err(URL_EXPECTED))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err("expected `http://…`: TLS to the application is not supported yet");
        }
        Some(_) | None => return Err(URL_EXPECTED),
    }
    let authority = uri.authority().ok_or(URL_EXPECTED)?.as_str();
    if authority.contains('@') {
        return Err("expected a URL without user and password");
    }
    // `Uri` forgets a fragment, so the text is asked.
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.contains('#') {
        return Err("expected a URL without path, query and fragment: the request's own are used");
    }
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or(URL_EXPECTED)?;
    // `Uri::port_u16` is `None` for a port that is out of range, which must not become 80.
    let port = match authority.strip_prefix(host) {
        Some("") => 80,
        Some(rest) => rest
            .strip_prefix(':')
            .and_then(|port| port.parse().ok())
            .filter(|port| *port != 0)
            .ok_or("expected a port of 1 to 65535")?,
        None => return Err(URL_EXPECTED),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok((bare.unwrap_or(host).to_owned(), port))
}

const URL_EXPECTED: &str = "expected a URL such as `http://127.0.0.1:3000`";

const CONNECT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: MILLISECOND,
    max: MINUTE,
    says: "1ms to 60s",
};

const READ: Bounds = Bounds {
    default: MINUTE,
    min: MILLISECOND,
    max: HOUR,
    says: "1ms to 1h",
};

const WRITE: Bounds = Bounds {
    default: Duration::from_secs(15),
    min: MILLISECOND,
    max: HOUR,
    says: "1ms to 1h",
};

/// The application's server closes idle connections after 5 s; one second less avoids the race.
const IDLE: Bounds = Bounds {
    default: Duration::from_secs(4),
    min: Duration::ZERO,
    max: HOUR,
    says: "0s to 1h",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_found() {
        for (url, host, port) in [
            ("http://127.0.0.1:3000", "127.0.0.1", 3000),
            ("http://app/", "app", 80),
            ("http://[::1]:3000", "::1", 3000),
        ] {
            assert_eq!(address(url), Ok((host.to_owned(), port)), "{url}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for url in [
            "",
            "app:3000",
            "/app",
            "https://app",
            "ftp://app",
            "http://",
            "http://app:0",
            "http://app:65536",
            "http://app:",
            "http://app/api",
            "http://app?x",
            "http://app#x",
            "http://user:pass@app",
        ] {
            assert!(address(url).is_err(), "{url}");
        }
        assert!(
            address("https://app")
                .unwrap_err()
                .contains("not supported yet")
        );
    }
}
