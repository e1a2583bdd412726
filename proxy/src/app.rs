//! The composition root: the only file that names every concrete type.
//!
//! Promise: [`Sidegate::assemble`] reads everything that the configuration names (keys, policy,
//! routes, directory) or says what is wrong; nothing listens before all of it is good.

use std::sync::Arc;

use pingora::proxy::ProxyServiceBuilder;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::ServiceWithDependents;
use pingora::services::background::background_service;
use sidegate_config::{IdType as IdTypeSetting, PolicySettings, Settings, StoreSettings};
use sidegate_policy::{Document, IdType, KindDocument, Policy, PolicyError};

use crate::admin::Admin;
use crate::authn::{Authenticator, KeyError};
use crate::authz::Authorizer;
use crate::clock::Clock;
use crate::cors::Cors;
use crate::gateway::Gateway;
use crate::housekeeping::Housekeeping;
use crate::identity::{AssertionError, Identity, Signer};
use crate::listener::{BindError, Bound};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::route::{RouteTable, RouteTableError};
use crate::store::{FileError, FileStore, Store};
use crate::upstream::Upstream;

/// The most requests on one client connection, so that no connection lives for ever.
const REQUESTS_PER_CONNECTION: u32 = 10_000;
/// How long runtimes get to end after the grace period, in seconds.
const RUNTIME_SHUTDOWN: u64 = 2;

/// Everything that was read, and nothing that listens.
#[derive(Debug)]
pub struct Sidegate {
    settings: Settings,
    pipeline: Arc<Pipeline>,
    identity: Arc<Identity>,
    store: Arc<Store>,
    upstream: Arc<Upstream>,
    metrics: Arc<Metrics>,
}

/// Sockets that are bound and not served yet.
#[derive(Debug)]
pub struct Listening {
    sidegate: Sidegate,
    proxy: Bound,
    admin: Bound,
}

/// Why Sidegate cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy mentions what it does not define.
    #[error("policy: {0}")]
    Policy(#[from] PolicyError),
    /// A route is malformed, or two conflict.
    #[error("routes: {0}")]
    Routes(#[from] RouteTableError),
    /// A key is missing or unusable.
    #[error("issuers: {0}")]
    Keys(#[from] KeyError),
    /// The directory is missing or bad.
    #[error("store.file: {0}")]
    Store(#[from] FileError),
    /// The assertion's key is unusable.
    #[error("{0}")]
    Assertion(#[from] AssertionError),
    /// An address cannot be listened on.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// Two metrics have one name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Sidegate {
    /// Reads everything that the settings name.
    ///
    /// # Errors
    /// When any of it is missing or bad.
    pub fn assemble(settings: Settings) -> Result<Self, StartError> {
        let policy = Arc::new(Policy::compile(&document(&settings.policy))?);
        let routes = RouteTable::compile(&settings.routes, &policy)?;
        let authenticator = Authenticator::new(&settings, policy.subject_id())?;
        let store = Arc::new(match &settings.store {
            StoreSettings::File { path, .. } => {
                Store::File(FileStore::open(path, Arc::clone(&policy))?)
            }
        });
        let assertion = &settings.identity.assertion;
        let signer = assertion
            .enabled
            .then(|| Signer::new(assertion))
            .transpose()?;
        let identity = Arc::new(Identity::new(
            signer,
            &authenticator,
            settings.trusted_proxies.clone(),
        ));
        let pipeline = Arc::new(Pipeline {
            routes,
            authenticator,
            authorizer: Authorizer::new(policy, Arc::clone(&store)),
            cors: Cors::new(&settings.cors),
            clock: Clock::System,
            timeout: settings.limits.decision_timeout,
        });
        let upstream = Arc::new(Upstream::new(&settings.upstream));
        let metrics = Arc::new(Metrics::new()?);
        Ok(Self {
            settings,
            pipeline,
            identity,
            store,
            upstream,
            metrics,
        })
    }

    /// What decides.
    #[must_use]
    pub const fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// What is allowed but worth a second look.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.settings.notes.clone();
        notes.extend(
            self.settings
                .insecure
                .iter()
                .map(|path| format!("{path} is on")),
        );
        notes.extend(self.pipeline.routes.overlaps());
        match &*self.store {
            Store::File(store) => notes.extend(store.directory().dangling().iter().cloned()),
            #[cfg(test)]
            Store::Faulty(_) => {}
        }
        notes
    }

    /// Binds both listeners.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn listen(self) -> Result<Listening, StartError> {
        let proxy = Bound::bind("listen", self.settings.listen)?;
        let admin = Bound::bind("admin.listen", self.settings.admin.listen)?;
        Ok(Listening {
            sidegate: self,
            proxy,
            admin,
        })
    }
}

impl Listening {
    /// The proxy's address.
    #[must_use]
    pub const fn proxy_address(&self) -> std::net::SocketAddr {
        self.proxy.address()
    }

    /// The admin listener's address.
    #[must_use]
    pub const fn admin_address(&self) -> std::net::SocketAddr {
        self.admin.address()
    }

    /// Serves until the process is told to stop: SIGTERM lets requests in flight end within
    /// `server.shutdown_grace`, SIGINT does not wait.
    pub fn serve(self, further: Vec<Box<dyn ServiceWithDependents>>) {
        let Self {
            sidegate,
            proxy,
            admin,
        } = self;
        let Sidegate {
            settings,
            pipeline,
            identity,
            store,
            upstream,
            metrics,
        } = sidegate;
        for option in &settings.insecure {
            tracing::warn!(option, "an insecure option is on");
        }
        tracing::info!(proxy = %proxy.address(), admin = %admin.address(), "listening");
        let mut server = Server::new_with_opt_and_conf(None, server_conf(&settings));
        server.bootstrap();

        let gateway = Gateway {
            pipeline: Arc::clone(&pipeline),
            identity: Arc::clone(&identity),
            upstream: Arc::clone(&upstream),
            metrics: Arc::clone(&metrics),
            keepalive: settings.limits.keepalive_timeout,
            drain: settings.limits.drain_timeout,
        };
        let mut options = pingora::apps::HttpServerOptions::default();
        options.keepalive_request_limit = Some(REQUESTS_PER_CONNECTION);
        let mut service = ProxyServiceBuilder::new(&server.configuration, gateway)
            .name("proxy")
            .server_options(options)
            .build();
        service.add_tcp(&proxy.address().to_string());
        server.add_service(proxy.adopt(service));

        let StoreSettings::File { poll_interval, .. } = &settings.store;
        let housekeeping = Housekeeping::new(
            Arc::clone(&store),
            Arc::clone(&upstream),
            Arc::clone(&metrics),
            *poll_interval,
        );
        server.add_service(background_service("housekeeping", housekeeping));
        let admin = Admin::new(
            admin,
            settings.admin.token,
            pipeline,
            identity,
            store,
            upstream,
            metrics,
        );
        server.add_service(background_service("admin", admin));
        for service in further {
            server.add_boxed_service(service);
        }
        server.run(RunArgs::default());
    }
}

/// Built here and not read from a file: Pingora passes over keys that it does not know.
fn server_conf(settings: &Settings) -> ServerConf {
    ServerConf {
        threads: settings.server.threads,
        grace_period_seconds: Some(settings.server.shutdown_grace.as_secs()),
        graceful_shutdown_timeout_seconds: Some(RUNTIME_SHUTDOWN),
        // The number of tries: one means no retry, and Pingora's default is sixteen.
        max_retries: 1,
        ..ServerConf::default()
    }
}

fn document(settings: &PolicySettings) -> Document {
    let kinds = settings.kinds.iter().map(|(name, kind)| {
        let kind = KindDocument {
            id: id_type(kind.id),
            roles: kind.roles.clone(),
            statuses: kind.statuses.clone(),
        };
        (name.clone(), kind)
    });
    Document {
        subject_id: id_type(settings.subject_id),
        roles: settings.roles.clone(),
        visibility_roles: settings.visibility_roles.clone(),
        subject_roles: settings.subject_roles.clone(),
        kinds: kinds.collect(),
    }
}

const fn id_type(setting: IdTypeSetting) -> IdType {
    match setting {
        IdTypeSetting::Uuid => IdType::Uuid,
        IdTypeSetting::Bigint => IdType::Bigint,
        IdTypeSetting::Text => IdType::Text,
    }
}
