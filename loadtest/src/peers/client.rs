//! A client that costs little: what it does not use is left for the application on the same core.
//!
//! Promises: so many connections, each with the next request as soon as the last one is answered; every answer is
//! whole, has status 200 and the length that it must have, or the measurement fails; so it does, after a while, when one
//! does not come. Warm before it is measured,
//! and the peer's usage is read while nothing is under way. Does not: look at anything else in an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::PeersError;
use crate::usage::Usage;

/// A request, and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) peer: &'static str,
    pub(super) address: SocketAddr,
    pub(super) bytes: Arc<[u8]>,
}

/// An answer, as far as anybody cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) length: usize,
}

/// What was done within a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) answers: u64,
    pub(super) span: Duration,
    /// Of each process, in nanoseconds.
    pub(super) used: [u64; 2],
}

/// As much as it can, after a moment of the same; what the two processes have used meanwhile.
pub(super) fn saturate(ask: &Ask, length: usize, processes: [u32; 2]) -> Result<Done, PeersError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut clients = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let connected = timeout(PATIENCE, Client::connect(ask.clone())).await;
            clients.push(connected.map_err(|_elapsed| silent(ask.peer))??);
        }
        let (clients, _warm) = phase(clients, length, WARM_UP).await?;
        sleep(SETTLE).await;
        let before = usage(processes)?;
        let begun = Instant::now();
        let (clients, answers) = phase(clients, length, SPAN).await?;
        let span = begun.elapsed();
        sleep(SETTLE).await;
        let after = usage(processes)?;
        drop(clients);
        let mut used = [0; 2];
        for ((used, before), after) in used.iter_mut().zip(&before).zip(&after) {
            *used = after.since(before);
        }
        Ok(Done {
            answers,
            span,
            used,
        })
    })
}

/// One request, and its answer.
pub(super) async fn exchange(ask: Ask) -> Result<Answer, PeersError> {
    let peer = ask.peer;
    let exchanged = timeout(
        PATIENCE,
        Box::pin(async { Client::connect(ask).await?.exchange().await }),
    );
    exchanged.await.map_err(|_elapsed| silent(peer))?
}

pub(super) fn usage(processes: [u32; 2]) -> Result<[Usage; 2], PeersError> {
    let [first, second] = processes;
    let of = |process| {
        let usage = Usage::of(process);
        usage.map_err(|source| PeersError::Usage { process, source })
    };
    Ok([of(first)?, of(second)?])
}

/// All of them, until the time is over.
async fn phase(
    clients: Vec<Client>,
    length: usize,
    span: Duration,
) -> Result<(Vec<Client>, u64), PeersError> {
    let end = Instant::now() + span;
    let mut working = JoinSet::new();
    let number = clients.len();
    for client in clients {
        let peer = client.ask.peer;
        // One limit for the whole phase: a timer for each request would cost the client's core.
        working.spawn(async move {
            let worked = timeout_at(end + PATIENCE, work(client, length, end)).await;
            worked.map_err(|_elapsed| silent(peer))?
        });
    }
    let (mut rested, mut all) = (Vec::with_capacity(number), 0);
    while let Some(ended) = working.join_next().await {
        let (client, answers) = ended??;
        rested.push(client);
        all += answers;
    }
    Ok((rested, all))
}

/// One of them.
async fn work(
    mut client: Client,
    length: usize,
    end: Instant,
) -> Result<(Client, u64), PeersError> {
    let mut answers = 0_u64;
    while Instant::now() < end {
        let answer = client.exchange().await?;
        let wanted = Answer {
            status: 200,
            length,
        };
        if answer != wanted {
            return Err(client.wrong(&format!("{answer:?} in place of {wanted:?}")));
        }
        answers += 1;
    }
    Ok((client, answers))
}

fn silent(peer: &'static str) -> PeersError {
    PeersError::Answer {
        peer,
        what: format!("no answer within {} s", PATIENCE.as_secs()),
    }
}

/// One connection.
struct Client {
    ask: Ask,
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    async fn connect(ask: Ask) -> Result<Self, PeersError> {
        let stream = TcpStream::connect(ask.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            ask,
            stream,
            received: vec![0; BUFFER],
        })
    }

    async fn exchange(&mut self) -> Result<Answer, PeersError> {
        self.stream.write_all(&self.ask.bytes).await?;
        let mut filled = 0;
        loop {
            let room = self.received.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(room).await?;
            if read == 0 {
                return Err(self.wrong("closed, or too much, in place of an answer"));
            }
            filled += read;
            let so_far = self.received.get(..filled).unwrap_or_default();
            let Some(end) = so_far.windows(END.len()).position(|it| it == END) else {
                continue;
            };
            let (head, body) = so_far.split_at_checked(end + END.len()).unwrap_or_default();
            let Some(answer) = head_of(head) else {
                let head = String::from_utf8_lossy(head).into_owned();
                return Err(self.wrong(&format!("an answer without a length: {head:?}")));
            };
            if body.len() >= answer.length {
                return Ok(answer);
            }
        }
    }

    fn wrong(&self, what: &str) -> PeersError {
        PeersError::Answer {
            peer: self.ask.peer,
            what: what.to_owned(),
        }
    }
}

fn head_of(head: &[u8]) -> Option<Answer> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = std::str::from_utf8(lines.next()?.get(9..12)?).ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(LENGTH.len())?;
        let is_length = name.eq_ignore_ascii_case(LENGTH);
        is_length.then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
    })?;
    Some(Answer {
        status: status.parse().ok()?,
        length,
    })
}

const END: &[u8] = b"\r\n\r\n";
const LENGTH: &[u8] = b"content-length:";
/// More than any answer.
const BUFFER: usize = 16 * 1024;
/// Requests in flight, here and at the constant rate.
pub(super) const CONNECTIONS: usize = 16;
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_millis(200);
const SPAN: Duration = Duration::from_secs(1);
/// What a peer still does after the last answer, such as to log it, belongs to it.
pub(super) const SETTLE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_length_are_found_or_there_is_no_answer() {
        let head = b"HTTP/1.1 401 Unauthorized\r\nServer: x\r\nContent-Length: 17\r\n\r\n";
        let answer = Answer {
            status: 401,
            length: 17,
        };
        assert_eq!(head_of(head), Some(answer));
        for head in [
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"200",
        ] {
            assert_eq!(head_of(head), None);
        }
    }
}
