//! Equal instances of the application: resolved, checked, and taken in turn.
//!
//! Promise: a name that cannot be resolved keeps its last addresses; a group whose instances are
//! all ill is used as if they were well (a health check can be wrong, and refusing everybody would
//! be certain).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::http::RequestHeader;
use pingora::lb::discovery::ServiceDiscovery;
use pingora::lb::health_check::{HealthCheck, HealthObserve, HttpHealthCheck, TcpHealthCheck};
use pingora::lb::selection::RoundRobin;
use pingora::lb::{Backend, Backends, LoadBalancer};
use pingora::{Error, ErrorType};
use sidegate_config::{Endpoint, HealthCheckSettings};

use super::inet;

/// The most instances that are looked at for one request.
const MAX_TURNS: usize = 64;

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
    ) -> Self {
        let names = Arc::new(Names::new(endpoints));
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

    pub(super) fn pick(&self, tried: &[SocketAddr]) -> Option<SocketAddr> {
        let new = |backend: &Backend| inet(&backend.addr).is_some_and(|at| !tried.contains(&at));
        let well = self
            .balancer
            .select_with(b"", MAX_TURNS, |backend, well| well && new(backend));
        let any = || {
            self.balancer
                .select_with(b"", MAX_TURNS, |backend, _| new(backend))
        };
        well.or_else(any).and_then(|backend| inet(&backend.addr))
    }

    pub(super) async fn resolve(&self) {
        self.names.resolve().await;
        if self.balancer.update().await.is_err() {
            tracing::error!(group = self.name, "no instance's name can be resolved");
        }
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
    fn new(endpoints: Vec<Endpoint>) -> Self {
        let address = |endpoint: &Endpoint| {
            let ip: IpAddr = endpoint.host.parse().ok()?;
            Some((endpoint.clone(), vec![SocketAddr::new(ip, endpoint.port)]))
        };
        let known = endpoints.iter().filter_map(address).collect();
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
            let resolved = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await;
            let addresses: Vec<_> = resolved.map(Iterator::collect).unwrap_or_default();
            if addresses.is_empty() {
                if self.failing.lock().insert(endpoint.host.clone()) {
                    tracing::error!(
                        host = endpoint.host,
                        "the application's name cannot be resolved"
                    );
                }
            } else {
                self.failing.lock().remove(&endpoint.host);
                self.known.lock().insert(endpoint.clone(), addresses);
            }
        }
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

fn health_check(settings: &HealthCheckSettings) -> Box<dyn HealthCheck + Send + Sync> {
    let Some(path) = &settings.path else {
        let mut check = TcpHealthCheck::new();
        check.consecutive_success = settings.healthy_after;
        check.consecutive_failure = settings.unhealthy_after;
        check.peer_template.options.connection_timeout = Some(settings.timeout);
        check.health_changed_callback = Some(Box::new(Announce));
        return check;
    };
    let mut check = HttpHealthCheck::new("sidegate-health-check", false);
    check.consecutive_success = settings.healthy_after;
    check.consecutive_failure = settings.unhealthy_after;
    check.peer_template.options.connection_timeout = Some(settings.timeout);
    check.peer_template.options.read_timeout = Some(settings.timeout);
    // The path was checked when the settings were made; a request without it would ask for `/`.
    if let Ok(mut request) = RequestHeader::build("GET", path.as_bytes(), None) {
        let _ = request.insert_header(http::header::HOST, "sidegate-health-check");
        check.req = request;
    }
    check.validator = Some(Box::new(|answer| {
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(Error::explain(
                ErrorType::CustomCode("unhealthy", answer.status.as_u16()),
                "not 2xx",
            ))
        }
    }));
    check.health_changed_callback = Some(Box::new(Announce));
    Box::new(check)
}

struct Announce;

#[async_trait]
impl HealthObserve for Announce {
    async fn observe(&self, target: &Backend, healthy: bool) {
        if healthy {
            tracing::info!(instance = %target.addr, "an instance of the application is well");
        } else {
            tracing::error!(instance = %target.addr, "an instance of the application is ill");
        }
    }
}
