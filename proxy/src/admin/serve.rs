//! Serves the admin listener's connections.
//!
//! Promise: a client that sends its request slowly, or not at all, is cut off; there are never more
//! than a fixed number of connections, so that nobody can use up the process's files here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pingora::server::ShutdownWatch;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The most connections at once. A further one is closed.
const MAX_CONNECTIONS: usize = 128;
/// How long a client may take for a request's head, and be idle before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest life of a connection.
const MAX_LIFE: Duration = Duration::from_secs(300);
/// The pause after a connection that could not be accepted (no file descriptor is left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process stops.
pub(super) async fn serve(listener: TcpListener, router: Router, mut shutdown: ShutdownWatch) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = shutdown.changed() => return,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            continue;
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
        connections.spawn(async move {
            // An error is the client's: it left, or sent no HTTP.
            let _ = timeout(MAX_LIFE, connection).await;
            drop(slot);
        });
    }
}
