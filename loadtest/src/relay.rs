//! A TCP relay in front of a server: one that is far away, or that can go bad without anybody being told.
//!
//! Promises: bytes keep their order; nothing is lost or closed when it goes bad: the kernel acknowledges
//! what it gets, and nothing arrives. Late bytes do not wait for each other: each is late by as much.
//! Does not: understand what it carries.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What the relay does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// At once.
    Forward,
    /// Nothing is passed on, either way; connections stay, and new ones are accepted.
    Silent,
    /// The server's answers arrive so much later.
    Late(Duration),
    /// The server's answers, and the end of its connections, wait until this ends.
    Hold,
}

/// A relay; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    server: watch::Sender<SocketAddr>,
    mode: watch::Sender<Mode>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// A relay to `server`.
    pub(crate) async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mode = watch::Sender::new(Mode::Forward);
        let modes = mode.subscribe();
        let server = watch::Sender::new(server);
        let place = server.subscribe();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = *place.borrow();
                connections.spawn(carry(client, server, modes.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            server,
            mode,
            _tasks: tasks,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections lead to this server.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        self.server.send_replace(server);
    }

    /// From now on, for old connections and new ones, and for bytes that wait.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn carry(client: TcpStream, server: SocketAddr, mut modes: watch::Receiver<Mode>) {
    if modes.wait_for(|mode| *mode != Mode::Silent).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // Without it small packets would wait for each other.
    if client
        .set_nodelay(true)
        .and(server.set_nodelay(true))
        .is_err()
    {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pump(from_client, to_server, Direction::Up, modes.clone()),
        pump(from_server, to_client, Direction::Down, modes)
    );
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    mut modes: watch::Receiver<Mode>,
) {
    let passes = move |mode: &Mode| match mode {
        Mode::Forward | Mode::Late(_) => true,
        Mode::Silent => false,
        Mode::Hold => direction == Direction::Up,
    };
    let now = modes.clone();
    let (sender, mut waiting) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let delay = match *now.borrow() {
                Mode::Late(delay) if direction == Direction::Down => delay,
                Mode::Forward | Mode::Silent | Mode::Late(_) | Mode::Hold => Duration::ZERO,
            };
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            if sender.send((Instant::now() + delay, bytes)).is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = waiting.recv().await {
            sleep_until(due).await;
            if modes.wait_for(passes).await.is_err() || to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The end of the stream is held back like all the rest.
        if modes.wait_for(passes).await.is_ok() {
            let _ = to.shutdown().await;
        }
    };
    tokio::join!(reading, writing);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair() -> (Relay, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay::to(listener.local_addr().unwrap()).await.unwrap();
        let client = TcpStream::connect(relay.address()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (relay, client, server)
    }

    async fn next(stream: &mut TcpStream) -> u8 {
        stream.read_u8().await.unwrap()
    }

    #[tokio::test]
    async fn what_is_held_arrives_when_it_is_let_go_even_after_the_server_is_gone() {
        let (relay, mut client, mut server) = pair().await;
        relay.set(Mode::Hold);
        client.write_u8(1).await.unwrap();
        assert_eq!(next(&mut server).await, 1);
        server.write_u8(2).await.unwrap();
        drop(server);
        let mut byte = [0; 1];
        let early = tokio::select! {
            biased;
            read = client.read(&mut byte) => Some(read),
            () = tokio::task::yield_now() => None,
        };
        assert!(early.is_none());
        relay.set(Mode::Forward);
        assert_eq!(next(&mut client).await, 2);
        assert_eq!(client.read(&mut byte).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_silent_relay_takes_everything_and_passes_nothing_on() {
        let (relay, mut client, mut server) = pair().await;
        relay.set(Mode::Silent);
        client.write_all(&[7; 1000]).await.unwrap();
        let mut byte = [0; 1];
        assert!(server.try_read(&mut byte).is_err());
        relay.set(Mode::Forward);
        assert_eq!(next(&mut server).await, 7);
    }
}
