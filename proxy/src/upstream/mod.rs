//! Where a permitted request goes.
//!
//! Promise: a peer is made only from a [`Clearance`]; every wait for the application is bounded;
//! hop-by-hop and `Connection`-nominated headers are stripped (Pingora's request policy;
//! `preserve()` must never be used), and an upgrade is passed on only as a WebSocket handshake on a
//! route that allows it. Instances of a group take turns; one that is ill, or that this request
//! has already tried, is passed over as long as another one is there.

mod group;
mod health;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use pingora::protocols::l4::socket::SocketAddr as PeerAddr;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use sidegate_config::UpstreamSettings;

use crate::clearance::Clearance;
use group::Group;

/// The application: groups of instances.
#[derive(Debug)]
pub struct Upstreams {
    groups: BTreeMap<String, Group>,
    active: String,
    connect_timeout: Duration,
    read_timeout: Duration,
    write_timeout: Duration,
    idle_timeout: Duration,
    websocket_idle_timeout: Duration,
    check_interval: Option<Duration>,
}

impl Upstreams {
    /// From settings. Addresses need no resolving; names keep what the previous instances of the
    /// same names were resolved to, and others are not resolved yet.
    #[must_use]
    pub fn new(settings: &UpstreamSettings, previous: Option<&Self>) -> Self {
        let groups = previous
            .into_iter()
            .flat_map(|previous| previous.groups.values());
        let known: BTreeMap<_, _> = groups.flat_map(Group::known).collect();
        let check = settings.health_check.as_ref();
        let group = |(name, endpoints): (&String, &Vec<_>)| {
            (
                name.clone(),
                Group::new(name, endpoints.clone(), check, &known),
            )
        };
        Self {
            groups: settings.groups.iter().map(group).collect(),
            active: settings.active.clone(),
            connect_timeout: settings.connect_timeout,
            read_timeout: settings.read_timeout,
            write_timeout: settings.write_timeout,
            idle_timeout: settings.idle_timeout,
            websocket_idle_timeout: settings.websocket_idle_timeout,
            check_interval: check.map(|check| check.interval),
        }
    }

    /// The peer for a cleared request: if there is one, an instance that is not among those `tried`.
    ///
    /// `None` while no name of the group was ever resolved.
    #[must_use]
    pub fn peer(
        &self,
        cleared: &Clearance,
        websocket: bool,
        tried: &[SocketAddr],
    ) -> Option<(SocketAddr, HttpPeer)> {
        let address = self.group(cleared)?.pick(tried)?;
        let mut peer = HttpPeer::new(address, false, String::new());
        peer.options.connection_timeout = Some(self.connect_timeout);
        peer.options.total_connection_timeout = Some(self.connect_timeout);
        peer.options.write_timeout = Some(self.write_timeout);
        peer.options.idle_timeout = Some(self.idle_timeout);
        peer.options.read_timeout = Some(if websocket {
            self.websocket_idle_timeout
        } else {
            self.read_timeout
        });
        peer.options.http_upstream_request_policy = if websocket {
            HttpUpstreamRequestPolicy::standard()
        } else {
            HttpUpstreamRequestPolicy::deny_upgrades()
        };
        Some((address, peer))
    }

    /// Whether another instance than those `tried` can be asked.
    #[must_use]
    pub fn has_untried(&self, cleared: &Clearance, tried: &[SocketAddr]) -> bool {
        self.group(cleared)
            .is_some_and(|group| group.has_untried(tried))
    }

    /// How long either side of an upgraded connection may be silent.
    #[must_use]
    pub const fn websocket_idle_timeout(&self) -> Duration {
        self.websocket_idle_timeout
    }

    /// How often instances are asked whether they are well, if they are.
    #[must_use]
    pub const fn check_interval(&self) -> Option<Duration> {
        self.check_interval
    }

    /// Resolves every name again. A name that cannot be resolved keeps its last addresses.
    pub async fn resolve(&self) {
        futures_util::future::join_all(self.groups.values().map(Group::resolve)).await;
    }

    /// Whether some name was never resolved: a request could find nobody.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.groups.values().any(Group::has_unknown)
    }

    /// Asks every instance whether it is well.
    pub async fn check(&self) {
        futures_util::future::join_all(self.groups.values().map(Group::check)).await;
    }

    /// Whether the active group has an instance to connect to that is not known to be ill.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.groups
            .get(&self.active)
            .is_some_and(Group::has_well_instance)
    }

    /// What is wrong with which group, as sentences for readiness.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.groups.values().flat_map(Group::problems).collect()
    }

    fn group(&self, cleared: &Clearance) -> Option<&Group> {
        let named = cleared
            .permit()
            .and_then(|permit| permit.route().upstream.as_deref());
        self.groups.get(named.unwrap_or(&self.active))
    }
}

/// The address behind one of Pingora's.
fn inet(address: &PeerAddr) -> Option<SocketAddr> {
    match address {
        PeerAddr::Inet(address) => Some(*address),
        PeerAddr::Unix(_) => None,
    }
}
