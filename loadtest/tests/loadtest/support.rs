//! Servers inside the test, on port 0, and loads for them.
//!
//! Promises: a server ends with its guard. Does not: wait; the listener is bound before it returns.

#![expect(
    clippy::expect_used,
    reason = "a set-up that fails is a test that fails"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sidegate_loadtest::{Load, Plan, Reach, Report, Schedule, Target, run};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) type Answer = Response<Full<Bytes>>;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers each request with what `answer` makes of it.
    pub(crate) async fn http<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let answer = Arc::new(answer);
        Self::tcp(move |stream| {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            async move {
                drop(
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                );
            }
        })
        .await
    }

    /// Hands each connection to `serve`.
    pub(crate) async fn tcp<F, S>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// What the tests vary.
pub(crate) struct Wish {
    pub(crate) rate: u32,
    pub(crate) duration: Duration,
    pub(crate) connections: usize,
    pub(crate) timeout: Duration,
}

/// Carries out a run without a warm-up and checks that its counts add up.
pub(crate) async fn load(urls: &[String], wish: Wish) -> Report {
    let mut targets = Vec::new();
    for url in urls {
        targets.push(
            Target::resolve(url, Reach::LoopbackOnly)
                .await
                .expect("a target"),
        );
    }
    let Wish {
        rate,
        duration,
        connections,
        timeout,
    } = wish;
    let schedule = Schedule::new(rate, Duration::ZERO, duration).expect("bounds");
    let headers = Vec::new();
    let load = Load {
        targets,
        method: Method::GET,
        headers,
        schedule,
        connections,
        sources: 3,
        timeout,
    };
    let report = run(Plan::new(load).expect("a plan"), |_| {})
        .await
        .expect("a report");
    assert_eq!(report.arrivals, report.sent + report.unsent, "{report:?}");
    assert_eq!(
        report.sent,
        report.completed + report.errors.total(),
        "{report:?}"
    );
    assert_eq!(
        report.completed,
        report.status.values().sum::<u64>(),
        "{report:?}"
    );
    report
}
