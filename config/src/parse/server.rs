//! The process around the requests: listeners, threads, trusted peers.
//!
//! Promise: the admin listener beyond loopback has a token or an `insecure_…` option, and nobody
//! is a trusted proxy by accident. No socket is opened here.

use std::net::{IpAddr, SocketAddr};
use std::thread::available_parallelism;
use std::time::Duration;

use ipnet::IpNet;

use super::report::Report;
use super::value::{Bounds, PLACEHOLDER, all, is_placeholder};
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::{AdminSettings, ServerSettings};

pub(crate) fn listen(written: Option<String>, report: &mut Report) -> Option<SocketAddr> {
    let path = YamlPath::default().key("listen");
    report.address(&path, written, "127.0.0.1:8080")
}

pub(crate) fn admin(
    raw: raw::Admin,
    clients: Option<SocketAddr>,
    report: &mut Report,
) -> Option<AdminSettings> {
    let at = YamlPath::default().key("admin");
    let no_token = report.insecure(&at, "insecure_no_token", raw.insecure_no_token);
    let open = raw.token.is_none() && !no_token;
    let token = match raw.token {
        Some(written) => token(&at.key("token"), written, report).map(Some),
        None => Some(None),
    };
    let path = at.key("listen");
    let listen = report.address(&path, raw.listen, "127.0.0.1:9901")?;
    if open && !listen.ip().to_canonical().is_loopback() {
        report.problem(
            &path,
            "expected a loopback address, or `admin.token` (at least 16 bytes), or \
             `admin.insecure_no_token: true`",
        );
    }
    if clients.is_some_and(|clients| overlap(clients, listen)) {
        report.problem(&path, "expected another port than that of `listen`");
    }
    Some(AdminSettings {
        listen,
        token: token?,
    })
}

pub(crate) fn server(raw: &raw::Server, report: &mut Report) -> Option<ServerSettings> {
    let at = YamlPath::default().key("server");
    let threads = match raw.threads {
        Some(threads) => report.integer(&at.key("threads"), threads.0, 1, MAX_THREADS),
        None => Some(available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS))),
    };
    let path = at.key("shutdown_grace");
    let shutdown_grace = report.duration(&path, raw.shutdown_grace.as_ref(), &SHUTDOWN_GRACE);
    Some(ServerSettings {
        threads: threads?,
        shutdown_grace: shutdown_grace?,
    })
}

pub(crate) fn trusted_proxies(
    written: &[String],
    every: bool,
    report: &mut Report,
) -> Option<Vec<IpNet>> {
    let at = YamlPath::default().key("trusted_proxies");
    let mut tried = Vec::with_capacity(written.len());
    for (index, text) in written.iter().enumerate() {
        let path = at.index(index);
        let network = text.parse::<IpNet>();
        let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        tried.push(match network {
            Ok(network) if network.prefix_len() == 0 && !every => report.refuse(
                &path,
                "expected a network that is not the whole Internet, or \
                 `insecure_trust_every_proxy: true`",
            ),
            Ok(network) => Some(network.trunc()),
            Err(_) => report.refuse(
                &path,
                "expected an address such as `192.0.2.1` or a network such as `10.0.0.0/8`",
            ),
        });
    }
    all(tried)
}

fn token(path: &YamlPath, written: String, report: &mut Report) -> Option<crate::secret::Secret> {
    let token = report.secret(path, written)?;
    if token.expose().len() < MIN_TOKEN_BYTES {
        return report.refuse(path, "expected a token of at least 16 bytes");
    }
    if is_placeholder(&token) {
        return report.refuse(path, PLACEHOLDER);
    }
    Some(token)
}

/// Whether the second listener could not be opened beside the first.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let every = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (every || one.ip() == other.ip())
}

const MAX_THREADS: usize = 256;

/// Below this, a token can be guessed online.
const MIN_TOKEN_BYTES: usize = 16;

const SHUTDOWN_GRACE: Bounds = Bounds {
    default: Duration::from_secs(5),
    min: Duration::ZERO,
    max: Duration::from_secs(300),
    says: "0s to 5m",
};
