//! Asking one instance, and the log of its answers.
//!
//! Promises: an answer's moments enclose everything that happened to the request; 200 is an allow, 403 a
//! refusal, 502 to 504 and a broken connection are no answer, and anything else is strange: it ends the
//! check, because then we do not measure what we think.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::HistoryError;
use super::arena::Arena;
use super::checker::Read;
use crate::connection::Connection;
use crate::target::{Reach, Target};

/// One instance, seen from its clients.
#[derive(Debug)]
pub(super) struct Front {
    instance: usize,
    target: Target,
    /// By question.
    requests: Vec<Request<Empty<Bytes>>>,
    idle: Mutex<Vec<Connection>>,
}

/// What was answered, by all instances.
#[derive(Debug, Default)]
pub(super) struct Log {
    reads: Mutex<Vec<Read>>,
    unanswered: AtomicU64,
    strange: Mutex<Option<StatusCode>>,
}

impl Front {
    /// The instance at `address`; `tokens` are by question.
    pub(super) async fn new(
        instance: usize,
        address: &str,
        arena: &Arena,
        tokens: &[String],
    ) -> Result<Self, HistoryError> {
        let target = Target::resolve(&format!("http://{address}/"), Reach::LoopbackOnly).await?;
        let mut requests = Vec::with_capacity(tokens.len());
        for (question, token) in arena.world.questions.iter().zip(tokens) {
            let request = Request::get(format!("/g/{}", question.generation))
                .header(header::HOST, target.host())
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .body(Empty::new())?;
            requests.push(request);
        }
        let idle = Mutex::default();
        Ok(Self {
            instance,
            target,
            requests,
            idle,
        })
    }

    /// Asks, and notes the answer. `None`: there is none.
    pub(super) async fn ask(&self, question: usize, arena: &Arena, log: &Log) -> Option<Read> {
        let request = self.requests.get(question)?;
        let idle = self.idle.lock().pop();
        let mut connection = idle.unwrap_or_else(|| Connection::new(self.target.origin().clone()));
        let sent = arena.clock.now();
        let answer = timeout(PATIENCE, connection.exchange(request)).await;
        let answered = arena.clock.now();
        let status = match answer {
            Ok(Ok(answer)) => {
                self.idle.lock().push(connection);
                answer.status
            }
            Ok(Err(_)) | Err(_) => StatusCode::BAD_GATEWAY,
        };
        let allowed = match status {
            StatusCode::OK => true,
            StatusCode::FORBIDDEN => false,
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                log.unanswered.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            strange => {
                log.strange.lock().get_or_insert(strange);
                return None;
            }
        };
        let instance = self.instance;
        let read = Read {
            question,
            instance,
            allowed,
            sent,
            answered,
        };
        log.reads.lock().push(read);
        Some(read)
    }
}

impl Log {
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.reads.lock().len()).unwrap_or(u64::MAX)
    }

    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// An answer that nothing here asks for.
    pub(super) fn strange(&self) -> Option<StatusCode> {
        *self.strange.lock()
    }

    /// The answers, which are not in order.
    pub(super) fn take(&self) -> Vec<Read> {
        std::mem::take(&mut *self.reads.lock())
    }
}

/// Longer than an instance stands still, or holds a question back.
const PATIENCE: Duration = Duration::from_secs(15);
