//! Asking one instance, and the log of its answers.
//!
//! Promises: an answer's moments enclose everything that happened to the request; 200 is an allow, 403 a
//! refusal (and 401, where the question's credential is what ends), 502 to 504 and a broken connection are no answer, and anything else is strange: it ends the
//! check, because then we do not measure what we think.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::HistoryError;
use super::arena::Arena;
use super::checker::Read;
use super::clock::Moment;
use super::world::{Credential, Question};
use crate::connection::Connection;
use crate::process::{KEY_HEADER, Sidegate, token};
use crate::server::WATCH;
use crate::target::{Reach, Target};

/// One instance, seen from its clients.
#[derive(Debug)]
pub(super) struct Front {
    instance: usize,
    target: Target,
    /// By question.
    requests: Vec<Request<Empty<Bytes>>>,
    /// The same, for answers that have no end.
    watches: Vec<Request<Empty<Bytes>>>,
    idle: Mutex<Vec<Connection>>,
}

/// What a question is asked by: a path, and perhaps a credential beside it.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    path: String,
    header: Option<(&'static str, String)>,
}

/// An answer that has no end; its connection ends with it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) body: Incoming,
    _connection: Connection,
}

/// What was answered, by all instances.
#[derive(Debug, Default)]
pub(super) struct Log {
    reads: Mutex<Vec<Read>>,
    /// What arrived of answers without an end.
    pieces: Mutex<Vec<Read>>,
    unanswered: AtomicU64,
    strange: Mutex<Option<StatusCode>>,
}

impl Ticket {
    /// For a question; a link is made by `sidegate`.
    pub(super) async fn new(
        question: &Question,
        sidegate: Option<&Sidegate>,
    ) -> Result<Self, HistoryError> {
        let path = format!("/g/{}", question.generation);
        Ok(match (&question.credential, sidegate) {
            (Credential::Token { named }, _) => {
                let token = token(question.user, *named)?;
                let header = Some((header::AUTHORIZATION.as_str(), format!("Bearer {token}")));
                Self { path, header }
            }
            (Credential::Key(key), _) => Self {
                path,
                header: Some((KEY_HEADER, key.clone())),
            },
            (Credential::Link, Some(sidegate)) => Self {
                path: sidegate.link(question.user, &path).await?,
                header: None,
            },
            (Credential::Link, None) => {
                return Err(HistoryError::Silent("there is nobody to make a link"));
            }
        })
    }

    /// The token, where it is one.
    pub(super) fn token(&self) -> Option<&str> {
        let (_, value) = self.header.as_ref()?;
        value.strip_prefix("Bearer ")
    }

    fn request(
        &self,
        target: &Target,
        query: Option<&str>,
    ) -> Result<Request<Empty<Bytes>>, http::Error> {
        let mut path = self.path.clone();
        if let Some(query) = query {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(query);
        }
        let mut request = Request::get(path).header(header::HOST, target.host());
        if let Some((name, value)) = &self.header {
            request = request.header(*name, value);
        }
        request.body(Empty::new())
    }
}

impl Stream {
    pub(super) const fn new(body: Incoming, connection: Connection) -> Self {
        Self {
            body,
            _connection: connection,
        }
    }
}

impl Front {
    /// The instance at `address`; `tickets` are by question.
    pub(super) async fn new(
        instance: usize,
        address: &str,
        tickets: &[Ticket],
    ) -> Result<Self, HistoryError> {
        let target = Target::resolve(&format!("http://{address}/"), Reach::LoopbackOnly).await?;
        let all = |query| {
            tickets
                .iter()
                .map(|it| it.request(&target, query))
                .collect()
        };
        let requests: Result<Vec<_>, _> = all(None);
        let watches: Result<Vec<_>, _> = all(Some(WATCH));
        Ok(Self {
            instance,
            requests: requests?,
            watches: watches?,
            idle: Mutex::default(),
            target,
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
        self.note(question, status, (sent, answered), arena, log)
    }

    /// Asks for an answer that has no end. `None`: it is refused, or there is none.
    pub(super) async fn watch(&self, question: usize, arena: &Arena, log: &Log) -> Option<Stream> {
        let request = self.watches.get(question)?;
        let mut connection = Connection::new(self.target.origin().clone());
        let sent = arena.clock.now();
        let answer = timeout(PATIENCE, connection.begin(request)).await;
        let answered = arena.clock.now();
        let answer = answer.ok().and_then(Result::ok);
        let status = answer
            .as_ref()
            .map_or(StatusCode::BAD_GATEWAY, Response::status);
        let read = self.note(question, status, (sent, answered), arena, log)?;
        let body = answer.filter(|_| read.allowed)?.into_body();
        Some(Stream::new(body, connection))
    }

    /// A piece has arrived that the application sent at this moment.
    pub(super) fn arrived(&self, question: usize, sent: Moment, arena: &Arena, log: &Log) {
        log.pieces.lock().push(Read {
            question,
            instance: self.instance,
            allowed: true,
            is_piece: true,
            sent,
            answered: arena.clock.now(),
        });
    }

    fn note(
        &self,
        question: usize,
        status: StatusCode,
        (sent, answered): (Moment, Moment),
        arena: &Arena,
        log: &Log,
    ) -> Option<Read> {
        let ends = arena.world.questions.get(question)?.credential_ends;
        let allowed = match status {
            StatusCode::OK => true,
            StatusCode::FORBIDDEN => false,
            StatusCode::UNAUTHORIZED if ends => false,
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
            is_piece: false,
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

    /// What arrived of answers without an end, not in order.
    pub(super) fn take_pieces(&self) -> Vec<Read> {
        std::mem::take(&mut *self.pieces.lock())
    }

    /// The answers, which are not in order.
    pub(super) fn take(&self) -> Vec<Read> {
        std::mem::take(&mut *self.reads.lock())
    }
}

/// Longer than an instance stands still, or holds a question back.
const PATIENCE: Duration = Duration::from_secs(15);
