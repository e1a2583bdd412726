//! Those who watch: each keeps an answer without an end open, and asks anew when it was ended or refused.
//!
//! Promises: of each piece that arrives the log has when the application sent it and when it was here. It went
//! through the instance after it was sent, so it may have been let through on what was true a bound before that at
//! the earliest: the checker judges it as a question that was asked when it was sent.
//!
//! Does not: judge that a stream ends. One that is open and silent grants nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use tokio::time::sleep;

use super::arena::Arena;
use super::clock::Moment;
use super::dice::Dice;
use super::front::{Front, Log, Stream};

/// Watches what this question is about at this instance, until the case ends.
pub(super) async fn watch(
    arena: Arc<Arena>,
    front: Arc<Front>,
    log: Arc<Log>,
    question: usize,
    seed: u64,
) {
    let mut dice = Dice::new(seed);
    let mut stop = arena.stop.subscribe();
    loop {
        let pause = dice.time(PAUSE, PAUSE * 2);
        let once = async {
            if let Some(stream) = front.watch(question, &arena, &log).await {
                follow(stream, |sent| front.arrived(question, sent, &arena, &log)).await;
            }
            sleep(pause).await;
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = once => {}
        }
    }
}

/// Tells of every piece, until the stream ends or breaks.
async fn follow(mut stream: Stream, tell: impl Fn(Moment)) {
    let mut rest = BytesMut::new();
    while let Some(Ok(frame)) = stream.body.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        rest.extend_from_slice(&data);
        while let Ok(sent) = rest.try_get_u64() {
            tell(Moment(sent));
        }
    }
}

/// From an end, or a refusal, to the next question, at least.
const PAUSE: Duration = Duration::from_millis(80);

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::Empty;
    use parking_lot::Mutex;

    use super::super::clock::Clock;
    use super::*;
    use crate::connection::Connection;
    use crate::server::{Server, WATCH};
    use crate::target::{Reach, Target};

    #[tokio::test]
    async fn each_piece_says_when_it_was_sent() {
        let clock = Clock::start();
        let server = Server::application(clock.begin()).await.unwrap();
        let url = format!("http://{}/", server.address());
        let target = Target::resolve(&url, Reach::LoopbackOnly).await.unwrap();
        let mut connection = Connection::new(target.origin().clone());
        let request = Request::get(format!("/g/1?a=b&{WATCH}")).header("host", target.host());
        let request = request.body(Empty::new()).unwrap();
        let asked = clock.now();
        let body = connection.begin(&request).await.unwrap().into_body();
        let pieces = Mutex::new(vec![(asked, asked)]);
        let following = follow(Stream::new(body, connection), |sent| {
            pieces.lock().push((sent, clock.now()));
        });
        tokio::select! {
            () = following => panic!("it has no end"),
            () = async {
                while pieces.lock().len() < 4 {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        for pair in pieces.into_inner().windows(2) {
            let [(before, _), (sent, arrived)] = pair else {
                panic!("pairs");
            };
            assert!(before <= sent && sent <= arrived);
        }
    }
}
