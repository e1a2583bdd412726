//! Whole runs against servers inside the test.
//!
//! Promises: counts are asserted exactly, times only from below, so that a slow machine cannot
//! fail a test. Does not: test the command line; see `command.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{Server, Wish, load};
use http::Response;
use http::header::CONNECTION;
use sidegate_loadtest::{Errors, Report};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PATIENT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn every_arrival_is_answered_and_counted() {
    let seen = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counted = Arc::clone(&seen);
    let server = Server::http(move |request| {
        let (path, status) = if request.uri() == "/a?b=c" {
            (0, 200)
        } else {
            (1, 403)
        };
        counted[path].fetch_add(1, Ordering::Relaxed);
        async move {
            Response::builder()
                .status(status)
                .body("four".into())
                .expect("an answer")
        }
    })
    .await;
    let urls = [server.url("/a?b=c"), server.url("/d")];
    let duration = Duration::from_millis(500);
    let report = load(
        &urls,
        Wish {
            rate: 400,
            duration,
            connections: 8,
            timeout: PATIENT,
        },
    )
    .await;

    assert_eq!((report.arrivals, report.completed), (200, 200));
    assert_eq!(report.status, [(200, 100), (403, 100)].into());
    assert_eq!(
        seen.each_ref().map(|count| count.load(Ordering::Relaxed)),
        [100, 100]
    );
    assert_eq!((report.errors, report.reconnects), (Errors::default(), 0));
    assert_eq!(
        (report.connections_at_start, report.bytes_received),
        (8, 800)
    );
    let json = serde_json::to_string(&report).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Report>(&json).expect("a report"),
        report
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_seen_by_every_request_it_delayed() {
    const STALL: Duration = Duration::from_millis(300);
    let requests = AtomicU64::new(0);
    let server = Server::http(move |_| {
        let stalls = requests.fetch_add(1, Ordering::Relaxed) == 10;
        async move {
            if stalls {
                tokio::time::sleep(STALL).await;
            }
            Response::default()
        }
    })
    .await;
    let duration = Duration::from_secs(1);
    let wish = Wish {
        rate: 100,
        duration,
        connections: 1,
        timeout: PATIENT,
    };
    let report = load(&[server.url("/")], wish).await;

    assert_eq!(report.completed, 100);
    let (latency, service) = (
        report.latency.expect("answers"),
        report.service.expect("answers"),
    );
    // Of 100 arrivals at 10 ms, the stall delays one by 300 ms, the next by 290 ms, and so on.
    assert!(latency.p99 >= 200_000, "{latency:?}");
    assert!(latency.p90 >= 150_000, "{latency:?}");
    // The time from sending sees the stall once: this is what the schedule corrects.
    assert!(service.max >= 300_000, "{service:?}");
    assert!(service.p50 < latency.p90, "{service:?} {latency:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_after_an_answer_is_opened_again() {
    let server = Server::http(|_| async {
        Response::builder()
            .header(CONNECTION, "close")
            .body("".into())
            .expect("an answer")
    })
    .await;
    let duration = Duration::from_millis(200);
    let wish = Wish {
        rate: 100,
        duration,
        connections: 1,
        timeout: PATIENT,
    };
    let report = load(&[server.url("/")], wish).await;
    assert_eq!(
        (report.completed, report.reconnects),
        (20, 19),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_has_its_class() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let refused = format!("http://{}/", nobody.local_addr().expect("an address"));
    drop(nobody);
    let closing = Server::tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let garbling = Server::tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"SSH-2.0-nothing\r\n\r\n").await;
    })
    .await;
    let none = Errors::default();
    for (url, errors) in [
        (
            refused,
            Errors {
                connect: 10,
                ..none
            },
        ),
        (closing.url("/"), Errors { closed: 10, ..none }),
        (
            garbling.url("/"),
            Errors {
                protocol: 10,
                ..none
            },
        ),
    ] {
        let duration = Duration::from_millis(100);
        let wish = Wish {
            rate: 100,
            duration,
            connections: 2,
            timeout: PATIENT,
        };
        let report = load(&[url], wish).await;
        assert_eq!((report.completed, report.errors), (0, errors));
        assert_eq!((report.latency, report.service), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_silent_server_leaves_over_is_unsent() {
    let server = Server::http(|_| std::future::pending()).await;
    let (duration, timeout) = (Duration::from_millis(200), Duration::from_millis(100));
    let wish = Wish {
        rate: 100,
        duration,
        connections: 1,
        timeout,
    };
    let report = load(&[server.url("/")], wish).await;
    // One connection, 100 ms each, 300 ms in all: at most three or four of twenty.
    assert_eq!(report.errors.total(), report.errors.timeout);
    assert!(
        report.errors.timeout >= 1 && report.unsent >= 16,
        "{report:?}"
    );
}
