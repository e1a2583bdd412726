//! Equal instances of the application: resolved, checked, and taken in turn.
//!
//! Promise: a name that cannot be resolved keeps its last addresses; a group whose instances are
//! all ill is used as if they were well (a health check can be wrong, and refusing everybody would
//! be certain).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::lb::discovery::ServiceDiscovery;
use pingora::lb::selection::RoundRobin;
use pingora::lb::{Backend, Backends, LoadBalancer};
use pingora::{Error, ErrorType};
use sidegate_config::{Endpoint, HealthCheckSettings};
use tokio::time::timeout;

use super::health::health_check;
use super::inet;

/// The most instances that are looked at for one request.
const MAX_TURNS: usize = 64;
/// How long one name's lookup may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// One group.
pub(super) struct Group {
    name: String,
    names: Arc<Names>,
    balancer: LoadBalancer<RoundRobin>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.name)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Group {
    pub(super) fn new(
        name: &str,
        endpoints: Vec<Endpoint>,
        check: Option<&HealthCheckSettings>,
        known: &BTreeMap<Endpoint, Vec<SocketAddr>>,
    ) -> Self {
        let names = Arc::new(Names::new(endpoints, known));
        let backends = Backends::new(Box::new(Discovery(Arc::clone(&names))));
        let mut balancer = LoadBalancer::from_backends(backends);
        if let Some(settings) = check {
            balancer.set_health_check(health_check(settings));
        }
        // Addresses are there at once; the future never waits for them.
        let _ = futures_util::FutureExt::now_or_never(balancer.update());
        Self {
            name: name.to_owned(),
            names,
            balancer,
        }
    }

    /// An instance that is well and not among those `tried`; or else one that is not; or else any:
    /// a second try of the same instance follows a connection that it had closed meanwhile.
    pub(super) fn pick(&self, tried: &[SocketAddr]) -> Option<SocketAddr> {
        let well = self.select(|at, well| well && !tried.contains(&at));
        let well = well.or_else(|| self.select(|at, _| !tried.contains(&at)));
        well.or_else(|| self.select(|_, _| true))
    }

    /// Whether there is an instance that is not among those `tried`.
    pub(super) fn has_untried(&self, tried: &[SocketAddr]) -> bool {
        self.select(|at, _| !tried.contains(&at)).is_some()
    }

    fn select(&self, fits: impl Fn(SocketAddr, bool) -> bool) -> Option<SocketAddr> {
        let fits = |backend: &Backend, well| inet(&backend.addr).is_some_and(|at| fits(at, well));
        let backend = self.balancer.select_with(b"", MAX_TURNS, fits)?;
        inet(&backend.addr)
    }

    pub(super) async fn resolve(&self) {
        self.names.resolve().await;
        if self.balancer.update().await.is_err() {
            tracing::error!(group = self.name, "no instance's name can be resolved");
        }
    }

    /// Every name's addresses, for the groups of a later configuration.
    pub(super) fn known(&self) -> Vec<(Endpoint, Vec<SocketAddr>)> {
        let known = self.names.known.lock();
        known
            .iter()
            .map(|(endpoint, addresses)| (endpoint.clone(), addresses.clone()))
            .collect()
    }

    /// Whether some name was never resolved.
    pub(super) fn has_unknown(&self) -> bool {
        let known = self.names.known.lock();
        self.names
            .endpoints
            .iter()
            .any(|endpoint| !known.contains_key(endpoint))
    }

    pub(super) async fn check(&self) {
        self.balancer.backends().run_health_check(true).await;
    }

    pub(super) fn has_well_instance(&self) -> bool {
        let backends = self.balancer.backends();
        backends
            .get_backend()
            .iter()
            .any(|backend| backends.ready(backend))
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let backends = self.balancer.backends();
        let all = backends.get_backend();
        let mut problems: Vec<_> = all
            .iter()
            .filter(|backend| !backends.ready(backend))
            .map(|backend| format!("upstream group `{}`: {} is ill", self.name, backend.addr))
            .collect();
        let unresolved = self.names.unresolved();
        problems.extend(unresolved.into_iter().map(|host| {
            format!(
                "upstream group `{}`: `{host}` cannot be resolved",
                self.name
            )
        }));
        problems
    }
}

/// The group's endpoints and the addresses that each had last.
#[derive(Debug)]
struct Names {
    endpoints: Vec<Endpoint>,
    known: Mutex<BTreeMap<Endpoint, Vec<SocketAddr>>>,
    failing: Mutex<BTreeSet<String>>,
}

impl Names {
    fn new(endpoints: Vec<Endpoint>, known: &BTreeMap<Endpoint, Vec<SocketAddr>>) -> Self {
        let addresses = |endpoint: &Endpoint| {
            let addresses = match endpoint.host.parse::<IpAddr>() {
                Ok(ip) => vec![SocketAddr::new(ip, endpoint.port)],
                Err(_name) => known.get(endpoint)?.clone(),
            };
            Some((endpoint.clone(), addresses))
        };
        let known = endpoints.iter().filter_map(addresses).collect();
        Self {
            endpoints,
            known: Mutex::new(known),
            failing: Mutex::new(BTreeSet::new()),
        }
    }

    async fn resolve(&self) {
        let named = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.host.parse::<IpAddr>().is_err());
        for endpoint in named {
            let lookup = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port));
            let addresses: Vec<_> = match timeout(LOOKUP_TIMEOUT, lookup).await {
                Ok(Ok(addresses)) => addresses.collect(),
                Ok(Err(error)) => self.failed(endpoint, &error.to_string()),
                Err(_elapsed) => self.failed(endpoint, "no answer in time"),
            };
            if !addresses.is_empty() {
                if self.failing.lock().remove(&endpoint.host) {
                    tracing::info!(
                        host = endpoint.host,
                        "the application's name is resolved again"
                    );
                }
                self.known.lock().insert(endpoint.clone(), addresses);
            }
        }
    }

    /// Says so once, until the name is resolved again.
    fn failed(&self, endpoint: &Endpoint, error: &str) -> Vec<SocketAddr> {
        if self.failing.lock().insert(endpoint.host.clone()) {
            tracing::error!(
                host = endpoint.host,
                error,
                "the application's name cannot be resolved"
            );
        }
        Vec::new()
    }

    fn unresolved(&self) -> Vec<String> {
        self.failing.lock().iter().cloned().collect()
    }
}

struct Discovery(Arc<Names>);

#[async_trait]
impl ServiceDiscovery for Discovery {
    async fn discover(&self) -> pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let addresses: Vec<SocketAddr> = self.0.known.lock().values().flatten().copied().collect();
        let backends = addresses
            .iter()
            .map(|address| Backend::new(&address.to_string()))
            .collect::<pingora::Result<BTreeSet<_>>>()?;
        if backends.is_empty() {
            return Err(Error::explain(
                ErrorType::ConnectError,
                "nothing is resolved",
            ));
        }
        Ok((backends, HashMap::new()))
    }
}
