//! Pingora that passes everything on: the least that a proxy built on it can cost.
//!
//! Promises: the allocator, the server's settings, the time-outs of both sides and the absence of modules are
//! those of Sidegate (`proxy/src/app.rs`, `proxy/src/gateway/mod.rs`, `proxy/src/upstream/mod.rs`) with its
//! default limits and one thread. Does not: look at a request, decide, count, or log.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser;
use pingora::Result;
use pingora::modules::http::HttpModules;
use pingora::proxy::{ProxyHttp, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::listening::Service;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Passes everything on.
#[derive(Debug, Parser)]
#[command(name = "bare-pingora", version)]
struct Arguments {
    /// Where clients connect.
    #[arg(long)]
    listen: SocketAddr,
    /// Where requests go.
    #[arg(long)]
    upstream: SocketAddr,
}

struct Pass {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Pass {
    type CTX = ();

    fn new_ctx(&self) {}

    /// None: the default adds a compression module whose context is boxed for every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(KEEPALIVE.as_secs()));
        }
        session.set_total_drain_timeout(Some(DRAIN));
        session.set_read_timeout(Some(CLIENT));
        session.set_write_timeout(Some(CLIENT));
        Ok(())
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.upstream, false, String::new());
        peer.options.connection_timeout = Some(CONNECT);
        peer.options.total_connection_timeout = Some(CONNECT);
        peer.options.write_timeout = Some(WRITE);
        peer.options.idle_timeout = Some(IDLE);
        peer.options.read_timeout = Some(READ);
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        Ok(Box::new(peer))
    }
}

fn main() {
    let Arguments { listen, upstream } = Arguments::parse();
    let conf = ServerConf {
        threads: 1,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(2),
        max_retries: TRIES,
        upstream_keepalive_pool_size: POOL,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let proxy = http_proxy(&server.configuration, Pass { upstream });
    let mut service = Service::new("proxy".to_owned(), proxy);
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run(RunArgs::default());
}

// As in Sidegate's `app.rs`.
const TRIES: usize = 3;
const POOL: usize = 1024;

// The defaults of Sidegate's `limits`: `keepalive_timeout`, `drain_timeout`, `read_timeout` and `write_timeout`.
const KEEPALIVE: Duration = Duration::from_secs(60);
const DRAIN: Duration = Duration::from_secs(2);
const CLIENT: Duration = Duration::from_secs(60);

// The defaults of Sidegate's `upstream`.
const CONNECT: Duration = Duration::from_secs(1);
const WRITE: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(4);
const READ: Duration = Duration::from_secs(60);
