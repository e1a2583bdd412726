//! Answers to heads that never became requests.
//!
//! Promise: each is counted and logged like any other request, tells a stranger nothing but an id, and
//! ends the connection. What the client still sends is read for `limits.drain_timeout` at most, so
//! that the answer is not lost to a reset.

use bytes::BytesMut;
use pingora::protocols::Stream;
use sidegate_config::LimitSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use super::{CHUNK, End};
use crate::identity::DECISION_ID;
use crate::metrics::Metrics;
use crate::outcome::Code;
use crate::rejection::Rejection;
use crate::respond;

/// Ends a connection.
pub(super) async fn end(stream: &mut Stream, end: &End, limits: &LimitSettings, metrics: &Metrics) {
    let error = match end {
        End::Quiet => return,
        End::Abandoned => {
            metrics.request(Code::Abandoned);
            tracing::debug!("a client left in the middle of a head");
            return;
        }
        End::Refused(error) => *error,
    };
    let rejection = Rejection::from(error);
    let (status, code, decision_id) = (rejection.status(), rejection.code(), Uuid::new_v4());
    metrics.request(code);
    tracing::info!(%decision_id, reason = code.name(), status = status.as_u16(), "denied");
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
        tokio::io::AsyncWriteExt::shutdown(stream).await?;
        let mut rest = BytesMut::with_capacity(CHUNK);
        while stream.read_buf(&mut rest).await? > 0 {
            rest.clear();
        }
        Ok::<_, std::io::Error>(())
    };
    // A client that is gone, or goes on sending, has had its answer.
    let _ = tokio::time::timeout(limits.drain_timeout, said).await;
}
