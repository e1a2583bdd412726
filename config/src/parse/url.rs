//! URLs, as far as their rules are the same everywhere.
//!
//! Promise: a scheme, a host and a port that is one, and no user information. A refused URL is not
//! repeated in the message, because it may hold a password. Which schemes and which other parts
//! are fine is the caller's rule; the host is not looked up.

use std::net::IpAddr;

use http::Uri;

/// A URL that was taken apart.
#[derive(Debug)]
pub(crate) struct Url {
    pub(crate) uri: Uri,
    /// A name or an address, an IPv6 address without brackets.
    pub(crate) host: String,
    /// The port, if one is written.
    pub(crate) port: Option<u16>,
    /// Whether it has a fragment, which `uri` forgets.
    pub(crate) fragment: bool,
}

/// Takes a URL apart; `expected` says what should have been written.
pub(crate) fn url(text: &str, expected: &'static str) -> Result<Url, &'static str> {
    let uri: Uri = text.parse().or(Err(expected))?;
    if uri.scheme().is_none() {
        return Err(expected);
    }
    let authority = uri.authority().ok_or(expected)?.as_str();
    if authority.contains('@') {
        return Err("expected a URL without user and password");
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(expected)?;
    // `Uri::port_u16` is `None` for a port that is out of range, which must not become a default.
    let port = match authority.strip_prefix(host) {
        Some("") => None,
        Some(rest) => {
            let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
            let port = port.filter(|port| *port != 0);
            Some(port.ok_or("expected a port of 1 to 65535")?)
        }
        None => return Err(expected),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok(Url {
        host: bare.unwrap_or(host).to_owned(),
        port,
        fragment: text.contains('#'),
        uri,
    })
}

/// Checks a URL that something secret is sent to or believed from: https, or http on loopback, and no
/// fragment. `plain` says why not plain http.
pub(crate) fn guarded(
    text: &str,
    expected: &'static str,
    plain: &'static str,
) -> Result<(), &'static str> {
    let url = url(text, expected)?;
    match url.uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_loopback(&url.host) => {}
        Some("http") => return Err(plain),
        Some(_) | None => return Err(expected),
    }
    if url.fragment {
        return Err("expected a URL without fragment");
    }
    Ok(())
}

/// Whether this host, without brackets, is surely this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}
