//! Small HTTP servers inside the program: the application behind Sidegate, and [`Stub`], a stand-in for it.
//!
//! The stand-in shows that the checker can fail, and that it need not: it asks the database, and keeps an
//! allow for as long as it is told. With 0 it is right; with more than the bound it lies.
//!
//! Promises: a server ends when it is dropped. Does not: verify tokens; only Sidegate does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
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
    /// The application: answers everything with 200.
    pub(crate) async fn application() -> io::Result<Self> {
        Self::start(|_request| async { StatusCode::OK }).await
    }

    pub(crate) async fn stub(stub: Stub) -> io::Result<Self> {
        let stub = Arc::new(stub);
        Self::start(move |request| {
            let stub = Arc::clone(&stub);
            async move { stub.answer(&request).await }
        })
        .await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start<F, A>(answer: F) -> io::Result<Self>
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = StatusCode> + Send + 'static,
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
                    async move {
                        let mut response = Response::new(Full::<Bytes>::default());
                        *response.status_mut() = answer.await;
                        Ok::<_, Infallible>(response)
                    }
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

/// What the policy says, in SQL.
const MAY_READ: &str = "\
select exists (select from users u, generations g left join projects p on p.id = g.project_id \
  where u.id = $1 and u.is_active and g.id = $2 and (g.user_id = u.id or p.visibility = 'public' or exists \
    (select from team_members m where m.team_id = p.team_id and m.user_id = u.id and m.role = 'viewer')))";
