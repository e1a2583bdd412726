//! That a request is forwarded, looked at in time, and dropped whole. What a look finds is `held`'s.

use std::future::{pending, ready};
use std::path::Path;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::generation::Generation;
use crate::testing;

fn guard() -> Guard {
    let document = testing::over_database("postgres://me@127.0.0.1:1/app");
    let settings = testing::settings(Path::new("/"), &document);
    let generation = Generation::assemble(settings, None).unwrap();
    let telemetry = Arc::new(Telemetry::default());
    Guard::new(Arc::new(Current::new(generation)), telemetry)
}

/// A request that must not be forwarded any more: there is something to look at, and nothing that allows it.
fn ends_at(guard: &Guard, instant: BootTime) {
    guard.handover().set_look_at(instant);
}

#[tokio::test]
async fn requests_are_forwarded_one_after_the_other() {
    let mut guard = guard();
    assert_eq!(guard.over(ready(1)).await, Ok(1));
    // What is over is not looked at any more.
    ends_at(&guard, BootTime::now().after(Duration::from_secs(60)));
    assert_eq!(guard.over(ready(2)).await, Ok(2));
    assert_eq!(guard.handover().look_at(), None);
}

#[tokio::test]
async fn a_request_that_nothing_wakes_is_looked_at_in_time() {
    let mut guard = guard();
    // The timer may be set for later already.
    for pause in [60, 30] {
        let due = BootTime::now().after(Duration::from_millis(pause));
        ends_at(&guard, due);
        // In a task of its own: nothing but the guard's timer wakes it.
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let end = guard.over(Box::pin(pending::<()>())).await;
            (guard, end)
        });
        let patience = Duration::from_secs(10);
        let ended = tokio::time::timeout(patience, tasks.join_next())
            .await
            .unwrap();
        let (back, end) = ended.unwrap().unwrap();
        assert_eq!(end.unwrap_err().why, Why::Unknown);
        assert!(BootTime::now() >= due);
        guard = back;
    }
}

/// A connection as Pingora's: what it has buffered is flushed when it is dropped, if that can be done at once.
struct Buffered(BufWriter<TcpStream>);

impl Future for Buffered {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        let _ = self.0.flush().now_or_never();
    }
}

/// What arrives of a connection that has buffered something, if it ends like this.
async fn arrives(end: impl AsyncFnOnce(Buffered)) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let mut forwarding = Buffered(BufWriter::new(accepted.unwrap().0));
    forwarding.0.write_all(b"secret").await.unwrap();
    end(forwarding).await;
    let mut arrived = Vec::new();
    client.unwrap().read_to_end(&mut arrived).await.unwrap();
    arrived
}

#[tokio::test]
async fn of_what_is_cut_off_nothing_is_sent_any_more() {
    assert_eq!(
        arrives(async |forwarding| drop(forwarding)).await,
        b"secret"
    );
    let cut_off = async |forwarding| {
        let mut guard = guard();
        ends_at(&guard, BootTime::START);
        assert!(guard.over(forwarding).await.is_err());
    };
    assert_eq!(arrives(cut_off).await, b"");
}
