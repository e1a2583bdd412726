//! Answers to heads that never became requests.
//!
//! Promise: each is counted and logged like any other request, tells a stranger nothing but an id, and
//! ends the connection. What the client still sends is read for `limits.drain_timeout` at most, so
//! that the answer is not lost to a reset.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::HeaderMap;
use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use super::{CHUNK, IntakeError};
use crate::access_log::{AccessLog, Line};
use crate::client::Client;
use crate::decisions::{Case, Record};
use crate::generation::Generation;
use crate::identity::DECISION_ID;
use crate::observation::Timeline;
use crate::rejection::Rejection;
use crate::respond;
use crate::telemetry::Telemetry;

/// How long the answer itself may take to be written.
const WRITE: Duration = Duration::from_secs(1);

/// Answers a head that is refused.
pub(super) async fn answer(
    stream: &mut Stream,
    error: IntakeError,
    generation: &Generation,
    telemetry: &Telemetry,
) {
    let rejection = Rejection::from(error);
    let (status, code, decision_id) = (rejection.status(), rejection.code(), Uuid::new_v4());
    if let Some(requests) = &generation.requests {
        requests.count(None, code);
    }
    let settings = &generation.settings.telemetry.access_log;
    if AccessLog::takes(settings, decision_id, code, false) {
        let detail = rejection.to_string();
        let line = Line {
            detail: Some(&detail),
            status: Some(status.as_u16()),
            client: client_of(stream, generation).map(|client| client.to_string()),
            generation: Some(generation.number),
            ..Line::new(decision_id, code, generation.pipeline.clock.now())
        };
        telemetry.access_log.write(settings, &line);
    }
    telemetry
        .decisions
        .keep(|| record(decision_id, &rejection, generation));
    let body = respond::problem(status, &decision_id.to_string());
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\n{DECISION_ID}: {decision_id}\r\nConnection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
    );
    let answer = [head.as_bytes(), &body].concat();
    let said = async {
        stream.write_all(&answer).await?;
        stream.flush().await?;
        tokio::io::AsyncWriteExt::shutdown(stream).await
    };
    // A client that is gone, or does not read, has had its answer. So has one that goes on sending.
    if tokio::time::timeout(WRITE, said)
        .await
        .is_ok_and(|said| said.is_ok())
    {
        let _ = tokio::time::timeout(generation.settings.limits.drain_timeout, drain(stream)).await;
    }
}

fn record(id: Uuid, rejection: &Rejection, generation: &Generation) -> Record {
    let pipeline = &generation.pipeline;
    Record {
        id,
        at: pipeline.clock.now(),
        timeline: Timeline::begin(),
        method: None,
        status: Some(rejection.status().as_u16()),
        detail: Some(rejection.to_string()),
        degraded: None,
        generation: generation.number,
        case: Case::bare(rejection.code(), Arc::clone(pipeline.authorizer.policy())),
    }
}

async fn drain(stream: &mut Stream) -> std::io::Result<()> {
    let mut rest = BytesMut::with_capacity(CHUNK);
    while stream.read_buf(&mut rest).await? > 0 {
        rest.clear();
    }
    Ok(())
}

/// The other end of the connection. Of a proxy there are no headers to believe: then nobody is known.
fn client_of(stream: &Stream, generation: &Generation) -> Option<Client> {
    let digest = stream.get_socket_digest()?;
    let peer = digest.peer_addr()?.as_inet()?.ip();
    let trusted = &generation.pipeline.trusted_proxies;
    trusted.client(peer, &HeaderMap::new())
}
