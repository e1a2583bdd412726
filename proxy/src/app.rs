//! The composition root: the process's listeners and services, put together.
//!
//! Promise: nothing listens before the whole configuration is good and every address is bound.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::ServiceWithDependents;
use pingora::services::background::background_service;
use pingora::services::listening::Service as ListeningService;
use sidegate_config::Settings;

use crate::admin::Admin;
use crate::doctor::Board;
use crate::gateway::Gateway;
use crate::generation::{AssembleError, Current, Generation};
use crate::housekeeping::Housekeeping;
use crate::intake::Intake;
use crate::listener::{BindError, Bound};
use crate::posture;
use crate::pulse::Pulse;
use crate::reload::{self, Problem, ReadError, Reloader, Watched};
use crate::telemetry::Telemetry;

/// How long runtimes get to end after the grace period, in seconds.
const RUNTIME_SHUTDOWN: u64 = 2;
/// The number of tries of one request. A further one only follows a failed connect, or a request
/// without side effects on a connection that the application had closed meanwhile.
const TRIES: usize = 3;
/// Idle connections to the application that are kept, over all threads.
const POOL: usize = 1024;

/// Sockets that are bound and not served yet.
#[derive(Debug)]
pub struct Listening {
    first: Generation,
    watched: Watched,
    proxy: Bound,
    admin: Bound,
}

/// Why Sidegate cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be read and watched.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The configuration cannot be used.
    #[error("{0}")]
    Assemble(#[from] AssembleError),
    /// An address cannot be listened on.
    #[error("{0}")]
    Bind(#[from] BindError),
}

impl Listening {
    /// Reads a configuration and everything that it names, then binds both listeners.
    ///
    /// # Errors
    /// When anything is missing, bad or taken.
    pub fn start(config: &Path) -> Result<Self, StartError> {
        let (settings, watched) = reload::read(config)?;
        let first = Generation::assemble(settings, None)?;
        let proxy = Bound::bind("listen", first.settings.listen)?;
        let admin = Bound::bind("admin.listen", first.settings.admin.listen)?;
        Ok(Self {
            first,
            watched,
            proxy,
            admin,
        })
    }

    /// The proxy's address.
    #[must_use]
    pub const fn proxy_address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// The admin listener's address.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Serves until the process is told to stop: SIGTERM waits for `server.shutdown_grace`, so that
    /// requests in flight can end, SIGINT does not wait. The configuration is read again on SIGHUP
    /// and when it changes.
    pub fn serve(self, further: Vec<Box<dyn ServiceWithDependents>>) {
        let Self {
            first,
            watched,
            proxy,
            admin,
        } = self;
        posture::warn(&first.settings);
        tracing::info!(proxy = %proxy.address(), admin = %admin.address(), "listening");
        let mut server = Server::new_with_opt_and_conf(None, server_conf(&first.settings));
        server.bootstrap();

        let current = Arc::new(Current::new(first));
        let (telemetry, pulse) = (Arc::new(Telemetry::default()), Arc::new(Pulse::default()));
        let metrics = Arc::clone(&telemetry.metrics);
        telemetry
            .access_log
            .open(&current.load().settings.telemetry.access_log);
        let (problem, board) = (Arc::new(Problem::default()), Arc::new(Board::default()));
        metrics.config_generation(current.load().number);
        let last = Arc::clone(&current);
        let kept = current.load().settings.telemetry.decisions;
        telemetry.decisions.resize(kept);

        let gateway = Gateway::new(Arc::clone(&current), Arc::clone(&telemetry));
        let gateway = http_proxy(&server.configuration, gateway);
        let intake = Intake::new(gateway, Arc::clone(&current), Arc::clone(&telemetry));
        let mut service = ListeningService::new("proxy".to_owned(), intake);
        service.add_tcp(&proxy.address().to_string());
        server.add_service(proxy.adopt(service));

        let housekeeping = Housekeeping::new(
            Arc::clone(&current),
            Arc::clone(&metrics),
            Arc::clone(&pulse),
            Arc::clone(&board),
        );
        server.add_service(background_service("housekeeping", housekeeping));
        let reloader = Reloader::new(
            watched,
            Arc::clone(&current),
            Arc::clone(&telemetry),
            Arc::clone(&problem),
        );
        server.add_service(background_service("reload", reloader));
        let admin = Admin::new(
            admin,
            current,
            Arc::clone(&telemetry),
            pulse,
            problem,
            board,
        );
        server.add_service(background_service("admin", admin));
        for service in further {
            server.add_boxed_service(service);
        }
        server.run(RunArgs::default());
        telemetry.access_log.close();
        if let Some(tracing) = &last.load().tracing {
            tracing.finish();
        }
        tracing::info!("stopped");
    }
}

/// Built here and not read from a file: Pingora passes over keys that it does not know.
fn server_conf(settings: &Settings) -> ServerConf {
    ServerConf {
        threads: settings.server.threads,
        grace_period_seconds: Some(settings.server.shutdown_grace.as_secs()),
        graceful_shutdown_timeout_seconds: Some(RUNTIME_SHUTDOWN),
        max_retries: TRIES,
        upstream_keepalive_pool_size: POOL,
        ..ServerConf::default()
    }
}
