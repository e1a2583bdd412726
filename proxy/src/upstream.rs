//! Where a permitted request goes.
//!
//! Promise: a peer is made only from a [`Clearance`]; every wait for the application is bounded;
//! hop-by-hop and `Connection`-nominated headers are stripped and no upgrade is passed on
//! (Pingora's request policy; `preserve()` must never be used). The host's name is resolved at
//! start and again every few seconds; while that fails, the last addresses serve.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use sidegate_config::UpstreamSettings;

use crate::clearance::Clearance;

/// How often the host's name is resolved again.
pub const RESOLVE_INTERVAL: Duration = Duration::from_secs(5);

/// The application.
#[derive(Debug)]
pub struct Upstream {
    host: String,
    port: u16,
    address: ArcSwap<Option<SocketAddr>>,
    connect_timeout: Duration,
    read_timeout: Duration,
    write_timeout: Duration,
    idle_timeout: Duration,
}

impl Upstream {
    /// From settings. An address needs no resolving; a name is not resolved yet.
    #[must_use]
    pub fn new(settings: &UpstreamSettings) -> Self {
        let address: Option<IpAddr> = settings.host.parse().ok();
        Self {
            host: settings.host.clone(),
            port: settings.port,
            address: ArcSwap::from_pointee(address.map(|ip| SocketAddr::new(ip, settings.port))),
            connect_timeout: settings.connect_timeout,
            read_timeout: settings.read_timeout,
            write_timeout: settings.write_timeout,
            idle_timeout: settings.idle_timeout,
        }
    }

    /// Resolves the host's name. Says whether it could; if not, the last address stays.
    pub async fn resolve(&self) -> bool {
        let resolved = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let address = resolved.ok().and_then(|mut addresses| addresses.next());
        if let Some(address) = address
            && **self.address.load() != Some(address)
        {
            self.address.store(Arc::new(Some(address)));
        }
        address.is_some()
    }

    /// Whether there is an address to connect to.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.address.load().is_some()
    }

    /// The peer for a cleared request; `None` while the host's name was never resolved.
    #[must_use]
    pub fn peer(&self, _cleared: &Clearance) -> Option<HttpPeer> {
        let address = (**self.address.load())?;
        let mut peer = HttpPeer::new(address, false, String::new());
        peer.options.connection_timeout = Some(self.connect_timeout);
        peer.options.total_connection_timeout = Some(self.connect_timeout);
        peer.options.read_timeout = Some(self.read_timeout);
        peer.options.write_timeout = Some(self.write_timeout);
        peer.options.idle_timeout = Some(self.idle_timeout);
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        Some(peer)
    }
}
