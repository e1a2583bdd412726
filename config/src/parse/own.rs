//! Instances of the application that are Sidegate itself.
//!
//! Promise: no request is sent back to the port that it came from, and the admin listener cannot
//! be reached through the data port. Addresses are compared as they are written: of the names only
//! `localhost` is known, and nothing is looked up.

use std::net::{IpAddr, SocketAddr};

use super::report::Report;
use super::upstream::endpoint;
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::Endpoint;

/// Refuses every instance that is one of the listeners.
pub(crate) fn instances(
    raw: &raw::Upstream,
    listen: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    report: &mut Report,
) {
    for (path, url) in written(raw) {
        // A URL that is none is reported where it is read.
        let Ok(instance) = endpoint(url) else {
            continue;
        };
        let is = |listener: Option<SocketAddr>| {
            listener.is_some_and(|listener| reaches(&instance, listener))
        };
        if is(listen) {
            let message =
                "expected another address than `listen`: this would send requests back to Sidegate";
            report.problem(&path, message);
        } else if is(admin) {
            let message = "expected another address than `admin.listen`: this would put the admin \
                           listener on the data port";
            report.problem(&path, message);
        }
    }
}

/// Every instance in any of the three spellings.
fn written(raw: &raw::Upstream) -> Vec<(YamlPath, &str)> {
    let at = YamlPath::default().key("upstream");
    let url = raw.url.iter().map(|url| (at.key("url"), url.as_str()));
    let urls = raw.urls.iter().flat_map(|urls| each(at.key("urls"), urls));
    let groups = raw.groups.iter().flatten();
    let groups = groups.flat_map(|(name, urls)| each(at.key("groups").key(name), urls));
    url.chain(urls).chain(groups).collect()
}

fn each(at: YamlPath, urls: &[String]) -> impl Iterator<Item = (YamlPath, &str)> {
    let urls = urls.iter().enumerate();
    urls.map(move |(index, url)| (at.index(index), url.as_str()))
}

/// Whether a connection to this instance is one to this listener.
fn reaches(instance: &Endpoint, listener: SocketAddr) -> bool {
    if listener.port() == 0 || listener.port() != instance.port {
        return false;
    }
    let listener = listener.ip().to_canonical();
    let on_loopback = listener.is_loopback() || listener.is_unspecified();
    let name = instance.host.trim_end_matches('.');
    if name.eq_ignore_ascii_case("localhost") {
        return on_loopback;
    }
    let Ok(address) = instance.host.parse::<IpAddr>() else {
        return false;
    };
    let address = address.to_canonical();
    address == listener
        || (listener.is_unspecified() && address.is_loopback())
        // A connection to the unspecified address leads to this machine.
        || (address.is_unspecified() && on_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_listener_or_is_not() {
        for (url, listener, same) in [
            ("http://127.0.0.1:80", "127.0.0.1:80", true),
            ("http://127.0.0.1", "127.0.0.1:80", true),
            ("http://10.0.0.1:80", "10.0.0.1:80", true),
            ("http://127.0.0.1:80", "0.0.0.0:80", true),
            ("http://127.0.0.1:80", "[::]:80", true),
            ("http://[::1]:80", "[::]:80", true),
            ("http://[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("http://LocalHost:80", "127.0.0.1:80", true),
            ("http://localhost.:80", "[::]:80", true),
            ("http://0.0.0.0:80", "127.0.0.1:80", true),
            ("http://127.0.0.1:81", "127.0.0.1:80", false),
            ("http://127.0.0.2:80", "127.0.0.1:80", false),
            ("http://10.0.0.1:80", "0.0.0.0:80", false),
            ("http://localhost:80", "10.0.0.1:80", false),
            ("http://app:80", "0.0.0.0:80", false),
            ("http://127.0.0.1:80", "127.0.0.1:0", false),
        ] {
            let found = reaches(&endpoint(url).unwrap(), listener.parse().unwrap());
            assert_eq!(found, same, "{url} {listener}");
        }
    }
}
