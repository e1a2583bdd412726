//! Connections: every request's head is read and checked here, byte by byte, before Pingora parses it.
//!
//! Promise: a head arrives whole within `limits.header_timeout` and within its bounds, and is one that
//! every parser reads alike ([`lines`]), or it is answered here and the connection closed; so a client
//! that sends slowly holds a socket and a few KiB for a bounded time. A connection that is idle for
//! `limits.keepalive_timeout`, or while the process stops, is closed. Pingora has no deadline for a
//! whole head (attacks.md F4), which is why this is a server application of its own around its proxy.
//!
//! Does not: parse, decide or forward. HTTP/2 is not spoken.

pub mod lines;
mod refuse;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use sidegate_config::{LimitSettings, Rules};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use crate::gateway::Gateway;
use crate::generation::Current;
use crate::metrics::Metrics;
use lines::{Bounds, LinesError, Search};

/// The most requests on one client connection, so that no connection lives for ever.
const REQUESTS_PER_CONNECTION: u32 = 10_000;
/// How much is read at once, in bytes.
const CHUNK: usize = 4096;

/// Why a request does not reach the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IntakeError {
    /// Its head is not one that is passed on.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// Its head took longer than `limits.header_timeout`.
    #[error("the head did not arrive in time")]
    TooSlow,
}

/// The proxy, behind the reading of heads.
pub struct Intake {
    proxy: Arc<HttpProxy<Gateway>>,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
}

/// A head, with whatever came after it.
struct Head {
    bytes: BytesMut,
    broken: Rules,
}

/// A connection that has no further request.
enum End {
    /// It was closed, was idle, or the process stops.
    Quiet,
    /// The client left in the middle of a head.
    Abandoned,
    /// It is refused.
    Refused(IntakeError),
}

impl Intake {
    /// In front of a proxy.
    #[must_use]
    pub fn new(proxy: HttpProxy<Gateway>, current: Arc<Current>, metrics: Arc<Metrics>) -> Self {
        Self {
            proxy: Arc::new(proxy),
            current,
            metrics,
        }
    }
}

#[async_trait]
impl ServerApp for Intake {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let mut kept = None;
        let mut fresh = true;
        loop {
            // Copied: a connection that waits must not keep an old generation alive.
            let limits = self.current.load().settings.limits;
            let silence = if fresh {
                limits.header_timeout
            } else {
                limits.keepalive_timeout
            };
            let head = match read_head(&mut stream, &limits, silence, shutdown).await {
                Ok(head) => head,
                Err(end) => {
                    refuse::end(&mut stream, &end, &limits, &self.metrics).await;
                    return None;
                }
            };
            let mut session = ServerSession::new_http1(stream);
            match kept {
                Some(settings) => HttpPersistentSettings::apply_to_session(settings, &mut session),
                None => {
                    session.set_keepalive(Some(limits.keepalive_timeout.as_secs()));
                    session.set_keepalive_reuses_remaining(Some(REQUESTS_PER_CONNECTION));
                }
            }
            if !head.broken.is_empty() {
                // The one thing that Pingora hands on from a connection to a request's context.
                session.set_connection_user_context(Some(Box::new(head.broken)));
            }
            session.set_pipelined_prefix(head.bytes);
            let reused = self.proxy.process_new_http(session, shutdown).await?;
            (stream, kept) = reused.consume();
            fresh = false;
        }
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

/// Reads one head. A connection may be silent for `silence` before its first byte.
async fn read_head(
    stream: &mut Stream,
    limits: &LimitSettings,
    silence: Duration,
    shutdown: &ShutdownWatch,
) -> Result<Head, End> {
    let bounds = Bounds {
        bytes: limits.max_header_bytes,
        headers: limits.max_headers,
    };
    let mut bytes = BytesMut::with_capacity(CHUNK);
    first_bytes(stream, &mut bytes, silence, shutdown).await?;
    let deadline = Instant::now() + limits.header_timeout;
    let mut search = Search::default();
    let length = loop {
        if let Some(length) = search.find(&bytes, bounds).map_err(refused)? {
            break length;
        }
        bytes.reserve(CHUNK);
        match tokio::time::timeout_at(deadline, stream.read_buf(&mut bytes)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(_) => return Err(End::Abandoned),
            Err(_elapsed) => return Err(End::Refused(IntakeError::TooSlow)),
        }
    };
    let head = bytes.get(..length).unwrap_or_default();
    let broken = lines::check(head, bounds).map_err(refused)?;
    Ok(Head { bytes, broken })
}

async fn first_bytes(
    stream: &mut Stream,
    bytes: &mut BytesMut,
    silence: Duration,
    shutdown: &ShutdownWatch,
) -> Result<(), End> {
    let mut shutdown = shutdown.clone();
    let read = tokio::select! {
        // What has arrived is served, also while the process stops.
        biased;
        read = pingora::time::timeout(silence, stream.read_buf(bytes)) => read,
        _ = shutdown.wait_for(|stops| *stops) => return Err(End::Quiet),
    };
    match read {
        Ok(Ok(read)) if read > 0 => Ok(()),
        Ok(_) | Err(_) => Err(End::Quiet),
    }
}

fn refused(error: LinesError) -> End {
    End::Refused(error.into())
}
