//! Connections: every request's head is read and checked here, byte by byte, before Pingora parses it.
//!
//! Promise: a head arrives whole within `limits.header_timeout` and within its bounds, and is one that
//! every parser reads alike ([`lines`]), or it is answered here and the connection closed; so a client
//! that sends slowly holds a socket and its buffers (some 75 KiB) for a bounded time. A connection that is idle for
//! `limits.keepalive_timeout`, or while the process stops, is closed. Pingora has no deadline for a
//! whole head (attacks.md F4), which is why this is a server application of its own around its proxy.
//!
//! There are never more connections than half of the files that the process may open.
//!
//! Does not: parse, decide or forward. HTTP/2 is not spoken.

pub mod lines;
mod refuse;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
use crate::stream::{Guard, Handed};
use crate::telemetry::Telemetry;
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
    telemetry: Arc<Telemetry>,
    open: AtomicU64,
    most: u64,
}

/// A head, with whatever came after it.
struct Head {
    bytes: BytesMut,
    broken: Rules,
}

/// Why a connection has no further request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The client closed it, between two requests.
    Closed,
    /// It was idle for too long.
    Idle,
    /// The process stops.
    Stopping,
    /// The client left in the middle of a head.
    Abandoned,
    /// A head was refused.
    Refused,
    /// After an answer: one of the two sides wanted it, or could not go on.
    Answered,
    /// There were as many as there may be.
    TooMany,
    /// A request was ended while it was being forwarded ([`crate::stream`]).
    CutOff,
}

impl ConnectionEnd {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Closed,
        Self::Idle,
        Self::Stopping,
        Self::Abandoned,
        Self::Refused,
        Self::Answered,
        Self::TooMany,
        Self::CutOff,
    ];

    /// The name used in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Stopping => "stopping",
            Self::Abandoned => "abandoned",
            Self::Refused => "refused",
            Self::Answered => "answered",
            Self::TooMany => "too_many",
            Self::CutOff => "cut_off",
        }
    }
}

/// No head: the connection ends, with an answer or without.
enum NoHead {
    Quiet(ConnectionEnd),
    Refused(IntakeError),
}

impl Intake {
    /// In front of a proxy.
    #[must_use]
    pub fn new(
        proxy: HttpProxy<Gateway>,
        current: Arc<Current>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            proxy: Arc::new(proxy),
            current,
            telemetry,
            open: AtomicU64::new(0),
            most: most_connections(),
        }
    }
}

#[async_trait]
impl ServerApp for Intake {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let mut seat = Seat::take(self);
        seat.end = if seat.before < self.most {
            self.serve(stream, shutdown).await
        } else {
            ConnectionEnd::TooMany
        };
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl Intake {
    /// Serves one connection until it ends.
    async fn serve(&self, mut stream: Stream, shutdown: &ShutdownWatch) -> ConnectionEnd {
        let mut kept = None;
        let mut guard = Guard::new(Arc::clone(&self.current), Arc::clone(&self.telemetry));
        loop {
            // Copied: a connection that waits must not keep an old generation alive.
            let limits = self.current.load().settings.limits;
            let head = match read_head(&mut stream, &limits, shutdown).await {
                Ok(head) => head,
                Err(NoHead::Quiet(end)) => return end,
                Err(NoHead::Refused(error)) => {
                    refuse::answer(&mut stream, error, &self.current.load(), &self.telemetry).await;
                    return ConnectionEnd::Refused;
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
            // The one thing that Pingora hands on from a connection to a request's context.
            let handed = Handed {
                broken: head.broken,
                handover: Arc::clone(guard.handover()),
            };
            session.set_connection_user_context(Some(Box::new(handed)));
            session.set_pipelined_prefix(head.bytes);
            let forwarding = self.proxy.process_new_http(session, shutdown);
            match guard.over(forwarding).await {
                Ok(Some(reused)) => (stream, kept) = reused.consume(),
                Ok(None) => return ConnectionEnd::Answered,
                Err(_counted_and_logged) => return ConnectionEnd::CutOff,
            }
        }
    }
}

/// A connection that is counted, until it is dropped: also where its task is.
struct Seat<'i> {
    intake: &'i Intake,
    /// How many there were before it.
    before: u64,
    end: ConnectionEnd,
}

impl<'i> Seat<'i> {
    fn take(intake: &'i Intake) -> Self {
        intake.telemetry.metrics.connection_opened();
        Self {
            intake,
            before: intake.open.fetch_add(1, Ordering::Relaxed),
            end: ConnectionEnd::Stopping,
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.intake.open.fetch_sub(1, Ordering::Relaxed);
        self.intake.telemetry.metrics.connection_ended(self.end);
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

/// Half of the files that this process may open: connections to the application, the database and the
/// admin listener need some, too, however many clients there are.
fn most_connections() -> u64 {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    files.current.map_or(u64::MAX, |files| (files / 2).max(1))
}

/// Reads one head.
async fn read_head(
    stream: &mut Stream,
    limits: &LimitSettings,
    shutdown: &ShutdownWatch,
) -> Result<Head, NoHead> {
    let bounds = Bounds {
        bytes: limits.max_header_bytes,
        headers: limits.max_headers,
    };
    let mut bytes = BytesMut::with_capacity(CHUNK);
    first_bytes(stream, &mut bytes, limits.keepalive_timeout, shutdown).await?;
    let deadline = Instant::now() + limits.header_timeout;
    let mut search = Search::default();
    let length = loop {
        if let Some(length) = search.find(&bytes, bounds).map_err(refused)? {
            break length;
        }
        bytes.reserve(CHUNK);
        match tokio::time::timeout_at(deadline, stream.read_buf(&mut bytes)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(_) => return Err(NoHead::Quiet(ConnectionEnd::Abandoned)),
            Err(_elapsed) => return Err(NoHead::Refused(IntakeError::TooSlow)),
        }
    };
    let head = bytes.get(..length).unwrap_or_default();
    let broken = lines::check(head, bounds).map_err(refused)?;
    Ok(Head { bytes, broken })
}

/// Waits for a request to begin. Pingora's timer is cheaper than tokio's and good enough for a wait that
/// nearly always ends early; the deadline of a head that is late is tokio's, to the millisecond.
async fn first_bytes(
    stream: &mut Stream,
    bytes: &mut BytesMut,
    silence: Duration,
    shutdown: &ShutdownWatch,
) -> Result<(), NoHead> {
    let mut shutdown = shutdown.clone();
    let read = tokio::select! {
        // What has arrived is served, also while the process stops.
        biased;
        read = pingora::time::timeout(silence, stream.read_buf(bytes)) => read,
        _ = shutdown.wait_for(|stops| *stops) => {
            return Err(NoHead::Quiet(ConnectionEnd::Stopping));
        }
    };
    match read {
        Ok(Ok(read)) if read > 0 => Ok(()),
        Ok(_) => Err(NoHead::Quiet(ConnectionEnd::Closed)),
        Err(_elapsed) => Err(NoHead::Quiet(ConnectionEnd::Idle)),
    }
}

fn refused(error: LinesError) -> NoHead {
    NoHead::Refused(error.into())
}
