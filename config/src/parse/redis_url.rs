//! The address of Redis, as far as the rule about TLS needs it.
//!
//! Promise: every host that the client may first connect to is seen: the one before the path and those
//! in the query (`node`). Sentinels and clusters name others later: they count as beyond this machine. A
//! refused address is not
//! repeated in the message, because it holds a password. The client reads the rest.

use super::url::{is_loopback, url};

/// What was found in an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    /// Whether every server that will be spoken to is this machine. Sentinels and clusters name others.
    pub(crate) is_loopback: bool,
}

/// Takes an address apart.
pub(crate) fn address(text: &str) -> Result<Address, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or(URL_EXPECTED)?;
    let (tls, sentinel, alone) = match scheme {
        "redis" => (false, false, true),
        "redis-cluster" => (false, false, false),
        "redis-sentinel" => (false, true, false),
        "rediss" => (true, false, true),
        "rediss-cluster" => (true, false, false),
        "rediss-sentinel" => (true, true, false),
        _ => return Err(URL_EXPECTED),
    };
    // The client ends the user information at the last `@` before the path.
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    if path.contains('@') || query.contains('@') || rest.contains('#') {
        return Err(ESCAPE_EXPECTED);
    }
    if !path.is_empty() && path.parse::<u8>().is_err() {
        return Err("expected the number of a database after the `/`, 0 to 255");
    }
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let mut is_local = is_local(host)?;
    let mut named = false;
    for (key, value) in form(query)? {
        match key {
            "node" => is_local &= self::is_local(value)?,
            "sentinelServiceName" => named = !value.is_empty(),
            "sentinelUsername" | "sentinelPassword" => {}
            _ => return Err(QUERY_EXPECTED),
        }
    }
    if sentinel && !named {
        return Err("expected `sentinelServiceName=NAME` in the query of a sentinel's URL");
    }
    Ok(Address {
        tls,
        is_loopback: is_local && alone,
    })
}

fn is_local(place: &str) -> Result<bool, &'static str> {
    let found = url(&format!("http://{place}"), URL_EXPECTED)?;
    Ok(is_loopback(&found.host))
}

fn form(query: &str) -> Result<Vec<(&str, &str)>, &'static str> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').ok_or(QUERY_EXPECTED))
        .collect()
}

pub(crate) const URL_EXPECTED: &str = "expected a URL such as `redis://user:password@host:6379/0`, \
    `redis-sentinel://host:26379?sentinelServiceName=NAME` or `redis-cluster://host:6379?node=host:6380`; \
    `rediss` in the place of `redis` asks for TLS";

const QUERY_EXPECTED: &str = "expected only `node`, `sentinelServiceName`, `sentinelUsername` and \
    `sentinelPassword` in the query, as `name=value` with `&` between them";

const ESCAPE_EXPECTED: &str = "expected `%40` for a `@`, `%2F` for a `/`, `%3F` for a `?` and `%23` for a \
    `#` in the user or the password";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_an_address_is_seen() {
        for (text, tls, is_loopback) in [
            ("redis://127.0.0.1:6379", false, true),
            ("redis://:p%40ss@localhost/3", false, true),
            ("rediss://user:pass@cache.example:6380/0", true, false),
            ("redis://cache:6379", false, false),
            (
                "redis-cluster://127.0.0.1:7001?node=127.0.0.1:7002",
                false,
                false,
            ),
            (
                "redis-cluster://127.0.0.1:7001?node=10.0.0.1:7002",
                false,
                false,
            ),
            (
                "redis-sentinel://[::1]:26379?node=127.0.0.1:26380&sentinelServiceName=m",
                false,
                false,
            ),
            (
                "rediss-sentinel://s:26379?sentinelServiceName=m",
                true,
                false,
            ),
        ] {
            assert_eq!(address(text), Ok(Address { tls, is_loopback }), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, words) in [
            ("", "a URL such as"),
            ("127.0.0.1:6379", "a URL such as"),
            ("unix:///run/redis", "a URL such as"),
            ("redis://", "a URL such as"),
            ("redis://h:0", "a port"),
            ("redis://h/x", "the number"),
            ("redis://u:p/q@h", "`%2F`"),
            ("redis://u:p?q@h", "`%3F`"),
            ("redis://h?nodes=h2:1", "only `node`"),
            ("redis-sentinel://h:26379", "sentinelServiceName=NAME"),
        ] {
            let message = address(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
