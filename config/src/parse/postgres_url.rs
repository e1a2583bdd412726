//! The address of a database, as far as the rule about TLS needs it.
//!
//! Promise: hosts and `sslmode` are read as the driver (tokio-postgres) reads them, and where it
//! and libpq would disagree the address is refused. A host that is not understood is beyond
//! loopback. A refused address is not repeated in the message, because it holds a password. User,
//! password, name and every other parameter are the driver's business; no host is looked up.

use super::url::is_loopback;

/// What was found in an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The farthest of its hosts.
    pub(crate) reach: Reach,
    pub(crate) sslmode: Option<SslMode>,
}

/// How far away a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// A unix socket, which has no TLS.
    Socket,
    /// This machine, over TCP.
    Loopback,
    /// Anywhere else, for all that is known.
    Beyond,
}

/// What the address says about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    /// The same as nothing: beyond loopback there is always TLS.
    Prefer,
    Require,
}

/// Takes an address apart. Without a host it leads to a socket of this machine.
pub(crate) fn address(text: &str) -> Result<Address, &'static str> {
    let rest = text.strip_prefix("postgres://");
    let rest = rest.or_else(|| text.strip_prefix("postgresql://"));
    let rest = rest.ok_or(URL_EXPECTED)?;
    // The driver ends the password at the first `@` of the whole text, wherever that is.
    let rest = match rest.split_once('@') {
        Some((user, _)) if user.contains(['/', '?']) => return Err(ESCAPE_EXPECTED),
        Some((_, rest)) => rest,
        None => rest,
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    if place.contains('@') {
        return Err(ESCAPE_EXPECTED);
    }
    let hosts = place.split_once('/').map_or(place, |(hosts, _)| hosts);
    let mut reaches = Vec::new();
    if !hosts.is_empty() {
        for host in hosts.split(',') {
            reaches.push(reach(&decoded(without_port(host)?)?));
        }
    }
    let mut sslmode = None;
    for (key, value) in parameters(query)? {
        match key.as_str() {
            "host" => reaches.push(reach(&value)),
            "hostaddr" => reaches.extend(value.split(',').map(reach)),
            "sslmode" if sslmode.is_some() => return Err("expected `sslmode` once"),
            "sslmode" => sslmode = Some(ssl_mode(&value)?),
            _ => {}
        }
    }
    Ok(Address {
        reach: reaches.into_iter().max().unwrap_or(Reach::Socket),
        sslmode,
    })
}

/// `name:5432`, `[::1]:5432`, or either without a port.
fn without_port(host: &str) -> Result<&str, &'static str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']').ok_or(URL_EXPECTED)?;
            match rest.strip_prefix(':') {
                Some(port) => (name, port),
                None if rest.is_empty() => (name, ""),
                None => return Err(URL_EXPECTED),
            }
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
    if port.is_empty() || is_port(port) {
        Ok(name)
    } else {
        Err("expected a port of 1 to 65535 (an IPv6 address stands in `[ ]`)")
    }
}

fn reach(host: &str) -> Reach {
    if host.starts_with('/') {
        Reach::Socket
    } else if is_loopback(host) {
        Reach::Loopback
    } else {
        Reach::Beyond
    }
}

fn ssl_mode(value: &str) -> Result<SslMode, &'static str> {
    match value {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "require" => Ok(SslMode::Require),
        "verify-ca" | "verify-full" => Err(
            "expected `sslmode=require`, or no `sslmode`: where TLS is used here, the server's \
             certificate is always verified, its chain and its name",
        ),
        _ => Err("expected `sslmode` to be `disable`, `prefer` or `require`"),
    }
}

/// The driver decodes names too: `ssl%6Dode` is `sslmode`.
fn parameters(query: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut parameters = Vec::new();
    if query.is_empty() {
        return Ok(parameters);
    }
    for pair in query.split('&') {
        let (key, value) = pair
            .split_once('=')
            .ok_or("expected a query of `name=value` pairs with `&` between them")?;
        parameters.push((decoded(key)?, decoded(value)?));
    }
    Ok(parameters)
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        // `from_str_radix` alone would read a sign.
        let digits = part.get(..2).filter(|digits| is_hex(digits));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or(PERCENT_EXPECTED)?);
        bytes.extend(part.bytes().skip(2));
    }
    String::from_utf8(bytes).or(Err(PERCENT_EXPECTED))
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

pub(crate) const URL_EXPECTED: &str = "expected a URL such as \
    `postgres://user:password@host:5432/name`; `key=value` pairs are not understood";

const ESCAPE_EXPECTED: &str = "expected `%40` for a `@`, `%2F` for a `/` and `%3F` for a `?` in the \
    user, the password or the name of the database";

const PERCENT_EXPECTED: &str =
    "expected two hexadecimal digits after each `%` of a host or the query, and UTF-8";

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(text: &str) -> Reach {
        address(text).map(|found| found.reach).expect(text)
    }

    #[test]
    fn the_farthest_host_counts() {
        for (text, expected) in [
            ("postgres:///app", Reach::Socket),
            ("postgres://u:p@%2Frun%2Fpostgresql:5433/app", Reach::Socket),
            ("postgres:///app?host=/run/postgresql", Reach::Socket),
            ("postgresql://app@/app?host=%2Frun", Reach::Socket),
            ("postgres://localhost", Reach::Loopback),
            ("postgres://u:p@LocalHost:5432/app", Reach::Loopback),
            ("postgres://u:p@127.9.9.9:/app", Reach::Loopback),
            ("postgres://[::1]:5432,%2Frun/app", Reach::Loopback),
            ("postgres://u:p%40%2F@%6cocalhost/app", Reach::Loopback),
            ("postgres:///app?hostaddr=127.0.0.1,::1", Reach::Loopback),
            ("postgres://u:p@db/app", Reach::Beyond),
            ("postgres://localhost:5432,db:5432/app", Reach::Beyond),
            ("postgres://localhost/app?host=db", Reach::Beyond),
            ("postgres://localhost/app?hostaddr=10.0.0.1", Reach::Beyond),
            ("postgres://localhost/?ho%73taddr=10.0.0.1", Reach::Beyond),
            ("postgres:///app?host=localhost,127.0.0.1", Reach::Beyond),
            ("postgres://localhost,/app", Reach::Beyond),
            ("postgres://localhost.example/app", Reach::Beyond),
            ("postgres://127.1/app", Reach::Beyond),
            ("postgres://0.0.0.0/app", Reach::Beyond),
            ("postgres://[fe80::1%25lo]/app", Reach::Beyond),
        ] {
            assert_eq!(reached(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mode_is_one_that_the_driver_knows() {
        for (query, expected) in [
            ("", None),
            ("?", None),
            ("?sslmode=disable", Some(SslMode::Disable)),
            ("?connect_timeout=3&sslmode=prefer", Some(SslMode::Prefer)),
            ("?ssl%6Dode=requir%65", Some(SslMode::Require)),
        ] {
            let found = address(&format!("postgres://db/app{query}")).unwrap();
            assert_eq!(found.sslmode, expected, "{query}");
        }
        for (query, words) in [
            ("sslmode=verify-full", "always verified"),
            ("sslmode=verify-ca", "always verified"),
            ("sslmode=allow", "`prefer`"),
            ("sslmode=require&sslmode=disable", "once"),
            ("sslmode", "pairs"),
            ("sslmode=require&", "pairs"),
            ("ssl%mode=require", "hexadecimal"),
            ("sslmode=%+5", "hexadecimal"),
            ("application_name=%FF", "UTF-8"),
        ] {
            let message = address(&format!("postgres://db/app?{query}")).unwrap_err();
            assert!(message.contains(words), "{query}: {message}");
        }
    }

    #[test]
    fn what_two_readers_would_read_differently_is_refused() {
        for (text, words) in [
            ("", "a URL such as"),
            ("host=localhost user=me", "`key=value` pairs"),
            ("localhost:5432/app", "a URL such as"),
            ("mysql://localhost/app", "a URL such as"),
            ("POSTGRES://localhost/app", "a URL such as"),
            ("postgres://[::1/app", "a URL such as"),
            ("postgres://[::1]x/app", "a URL such as"),
            ("postgres://::1/app", "a port"),
            ("postgres://localhost:0/app", "a port"),
            ("postgres://localhost:65536/app", "a port"),
            ("postgres://localhost:5432%2C1/app", "a port"),
            ("postgres://u:p@ss@localhost/app", "`%40`"),
            ("postgres://u:p@ss/x@localhost/app", "`%40`"),
            ("postgres://u:p/ss@localhost/app", "`%40`"),
            ("postgres://localhost/app?x=@db/app", "`%40`"),
            ("postgres://local%host/app", "hexadecimal"),
        ] {
            let message = address(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
