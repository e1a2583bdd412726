//! Which client a request comes from, for limits on clients.
//!
//! Promise: a client cannot choose who it is. Its address is the connection's; only where that is a
//! trusted proxy's, it is the last one in `X-Forwarded-For` that no trusted proxy has. Where a trusted
//! proxy does not say, the client is unknown and has no limits of its own: all of that proxy's clients
//! would share them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// Peers whose statements about clients are believed.
#[derive(Debug, Clone)]
pub struct TrustedProxies(Vec<IpNet>);

/// A client: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl TrustedProxies {
    /// From the configuration.
    #[must_use]
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether a peer's statements about the client are believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The client behind a connection from `peer`.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Client> {
        if !self.trusts(peer) {
            return Some(Client::new(peer));
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let mut hops = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
        hops.try_fold((), |(), hop| match address(hop) {
            Some(hop) if self.trusts(hop) => Ok(()),
            found => Err(found.map(Client::new)),
        })
        .err()
        .flatten()
    }
}

impl Client {
    fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
        })
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.unwrap_or(text).parse().ok().or_else(with_port)
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> Option<String> {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        TrustedProxies::new(trusted.to_vec())
            .client(peer.parse().unwrap(), &headers)
            .map(|client| client.0.to_string())
    }

    #[test]
    fn nobody_chooses_who_it_is() {
        let is = |address: &str| Some(address.to_owned());
        // A stranger's word counts for nothing.
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), is("192.0.2.1"));
        // A trusted proxy appends; what stands before its word came from the client.
        assert_eq!(
            client("10.0.0.1", &["203.0.113.9, 192.0.2.1"]),
            is("192.0.2.1")
        );
        assert_eq!(
            client("10.0.0.1", &["192.0.2.1, 10.0.0.2"]),
            is("192.0.2.1")
        );
        assert_eq!(
            client("10.0.0.1", &["203.0.113.9", "192.0.2.1,10.0.0.2"]),
            is("192.0.2.1")
        );
        for written in [
            "192.0.2.1:443",
            "[::ffff:192.0.2.1]",
            "[::ffff:192.0.2.1]:443",
        ] {
            assert_eq!(client("10.0.0.1", &[written]), is("192.0.2.1"), "{written}");
        }
        for nothing in [&[][..], &["x"], &["10.0.0.2"], &["192.0.2.1, unknown"]] {
            assert_eq!(client("10.0.0.1", nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn one_customer_has_one_network() {
        let one = client("2001:db8::1:2:3:4", &[]);
        assert_eq!(one, client("2001:db8::ffff:ffff:ffff:ffff", &[]));
        assert_ne!(one, client("2001:db8:0:1::1", &[]));
        assert_eq!(
            client("::ffff:192.0.2.1", &[]),
            Some("192.0.2.1".to_owned())
        );
    }
}
