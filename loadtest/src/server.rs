//! Small HTTP servers inside the program: the application behind Sidegate, and [`Stub`], a stand-in for it.
//!
//! The application answers at once, or, where the query is [`WATCH`], without an end: every [`BEAT`] eight bytes,
//! which say when they were sent.
//!
//! The stand-in shows that the checker can fail, and that it need not: it asks the database, and keeps an
//! allow for as long as it is told. With 0 it is right; with more than the bound it lies.
//!
//! Promises: a server ends when it is dropped. Does not: verify tokens; only Sidegate does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::app::{Database, Limits};
use crate::history::HistoryError;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// A stand-in for an instance of Sidegate.
#[derive(Debug)]
pub(crate) struct Stub {
    database: Database,
    /// Whose token it is.
    users: HashMap<String, Uuid>,
    keep: Duration,
    allowed: Mutex<HashMap<(Uuid, Uuid), Instant>>,
}

impl Server {
    /// The application: answers everything with 200. What it sends without an end are the nanoseconds since `begin`.
    pub(crate) async fn application(begin: Instant) -> io::Result<Self> {
        Self::start(move |request| {
            let query = request.uri().query().unwrap_or_default();
            let is_watched = query.split('&').any(|parameter| parameter == WATCH);
            let body = if is_watched {
                Either::Right(Beats::since(begin))
            } else {
                empty()
            };
            async move { Response::new(body) }
        })
        .await
    }

    /// Answers everything with 200 and this, and counts.
    pub(crate) async fn fixed(body: &'static str, asked: Arc<AtomicU64>) -> io::Result<Self> {
        Self::start(move |_request| {
            asked.fetch_add(1, Ordering::Relaxed);
            let body = Either::Left(Full::from(body));
            async move { Response::new(body) }
        })
        .await
    }

    pub(crate) async fn stub(stub: Stub) -> io::Result<Self> {
        let stub = Arc::new(stub);
        Self::start(move |request| {
            let stub = Arc::clone(&stub);
            async move {
                let mut response = Response::new(empty());
                *response.status_mut() = stub.answer(&request).await;
                response
            }
        })
        .await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start<F, A>(answer: F) -> io::Result<Self>
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Content>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answer = Arc::new(answer);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                connections.spawn(async move {
                    // However it ends, the client knows more about it.
                    let _ = stream.set_nodelay(true);
                    let served =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    drop(served.await);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }
}

/// What is answered: nothing, or something without an end.
type Content = Either<Full<Bytes>, Beats>;

fn empty() -> Content {
    Either::Left(Full::default())
}

/// Says again and again what time it is.
#[derive(Debug)]
struct Beats {
    begin: Instant,
    ticks: Interval,
}

impl Beats {
    fn since(begin: Instant) -> Self {
        let mut ticks = interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { begin, ticks }
    }
}

impl Body for Beats {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.ticks.poll_tick(context));
        let now = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let bytes = Bytes::copy_from_slice(&now.to_be_bytes());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl Stub {
    pub(crate) fn new(
        url: &str,
        users: HashMap<String, Uuid>,
        keep: Duration,
    ) -> Result<Self, HistoryError> {
        let limits = Limits {
            connections: 10,
            ..Limits::default()
        };
        let database = Database::new(url, limits)?;
        Ok(Self {
            database,
            users,
            keep,
            allowed: Mutex::default(),
        })
    }

    async fn answer(&self, request: &Request<Incoming>) -> StatusCode {
        let token = request.headers().get(header::AUTHORIZATION);
        let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let id = request
            .uri()
            .path()
            .strip_prefix("/g/")
            .and_then(|id| id.parse().ok());
        let (Some(user), Some(generation)) = (token.and_then(|token| self.users.get(token)), id)
        else {
            return StatusCode::BAD_REQUEST;
        };
        let key = (*user, generation);
        if self
            .allowed
            .lock()
            .get(&key)
            .is_some_and(|until| Instant::now() < *until)
        {
            return StatusCode::OK;
        }
        match self.ask(*user, generation).await {
            Some(true) => {
                self.allowed.lock().insert(key, Instant::now() + self.keep);
                StatusCode::OK
            }
            Some(false) => StatusCode::FORBIDDEN,
            None => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    async fn ask(&self, user: Uuid, generation: Uuid) -> Option<bool> {
        let client = self.database.client().await.ok()?;
        let row = client
            .query_one(MAY_READ, &[&user, &generation])
            .await
            .ok()?;
        row.try_get(0).ok()
    }
}

/// The parameter of a question whose answer has no end.
pub(crate) const WATCH: &str = "watch=1";

/// Between two pieces of such an answer.
const BEAT: Duration = Duration::from_millis(60);

/// What the policy says, in SQL.
const MAY_READ: &str = "\
select exists (select from users u, generations g left join projects p on p.id = g.project_id \
  where u.id = $1 and u.is_active and g.id = $2 and (g.user_id = u.id or p.visibility = 'public' or exists \
    (select from team_members m where m.team_id = p.team_id and m.user_id = u.id and m.role = 'viewer')))";
