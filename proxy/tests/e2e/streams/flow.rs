//! A request that lasts, seen from both of its ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::process::{PATIENCE, Sidegate, eventually};
use crate::streaming::{HANDSHAKE, Stage};
use crate::wire::request;

/// The pause between two pieces.
const PACE: Duration = Duration::from_millis(20);
/// A piece, as a chunk of a body.
const PIECE: &[u8] = b"1\r\nx\r\n";
/// What an idle socket is tried with.
const HELLO: &[u8] = b"hello";
/// How a chunked body ends that is whole.
const END: &[u8] = b"0\r\n\r\n";

/// What lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An answer whose chunks go on and on: a stream of events, a download.
    Download,
    /// A request whose body goes on and on.
    Upload,
    /// A WebSocket over which both sides talk.
    Busy,
    /// One over which nobody does.
    Idle,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Download, Self::Upload, Self::Busy, Self::Idle];

    const fn is_socket(self) -> bool {
        matches!(self, Self::Busy | Self::Idle)
    }
}

/// A request that is being forwarded.
pub(super) struct Flow {
    kind: Kind,
    client: Side,
    app: Side,
    /// What an idle socket is tried with.
    clients: TcpStream,
}

/// One end: what arrives there.
struct Side {
    arrived: Arc<AtomicUsize>,
    last: Arc<Mutex<(Instant, Vec<u8>)>>,
    closed: Receiver<Instant>,
}

impl Flow {
    /// Begins one, on a path.
    pub(super) fn open(
        (sidegate, stage): (&Sidegate, &Stage),
        kind: Kind,
        path: &str,
        token: Option<&str>,
    ) -> Self {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend(
            authorization
                .iter()
                .map(|value| ("Authorization", &**value)),
        );
        if kind.is_socket() {
            headers.extend(HANDSHAKE);
        }
        let method = if kind == Kind::Upload { "POST" } else { "GET" };
        if kind == Kind::Upload {
            headers.push(("Transfer-Encoding", "chunked"));
        }
        let mut client = TcpStream::connect(sidegate.proxy).unwrap();
        client.set_nodelay(true).unwrap();
        client
            .write_all(request(method, path, &headers).as_bytes())
            .unwrap();
        let (_, app) = stage.next();
        let mut answers = app.get_ref().try_clone().unwrap();
        match kind {
            Kind::Download => answers.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Kind::Upload => Ok(()),
            Kind::Busy | Kind::Idle => answers.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            ),
        }
        .unwrap();
        let clients = client.try_clone().unwrap();
        let mut client = BufReader::new(client);
        let mut line = String::new();
        // Nobody talks over a socket that has not been accepted yet.
        while kind.is_socket() && line != "\r\n" {
            line.clear();
            client.read_line(&mut line).unwrap();
        }
        if matches!(kind, Kind::Upload | Kind::Busy) {
            keep_writing(clients.try_clone().unwrap());
        }
        if matches!(kind, Kind::Download | Kind::Busy) {
            keep_writing(answers);
        }
        Self {
            kind,
            client: Side::watch(client),
            app: Side::watch(app),
            clients,
        }
    }

    /// That both connections were closed and the last byte has arrived on either side within so long after an
    /// instant, and that nobody can take what has arrived for something whole.
    pub(super) fn has_ended(&self, since: Instant, within: Duration) {
        self.has_ended_later(since, within, within);
    }

    /// The same, with more time for the closing alone.
    pub(super) fn has_ended_later(
        &self,
        since: Instant,
        within: Duration,
        closed_within: Duration,
    ) {
        let kind = self.kind;
        for (name, side) in [("client", &self.client), ("application", &self.app)] {
            let closed = side.closed.recv_timeout(PATIENCE);
            let closed = closed.unwrap_or_else(|_| panic!("{kind:?}: goes on at the {name}"));
            let (last, tail) = &*side.last.lock();
            let took = closed.saturating_duration_since(since);
            assert!(
                took <= closed_within,
                "{kind:?}: {name} closed after {took:?}"
            );
            let passed = last.saturating_duration_since(since);
            assert!(
                passed <= within,
                "{kind:?}: {name} got a byte after {passed:?}"
            );
            assert!(!tail.ends_with(END), "{kind:?}: whole at the {name}");
        }
    }

    /// The same for its bytes alone.
    pub(super) fn last_byte(&self) -> Instant {
        self.client.last.lock().0.max(self.app.last.lock().0)
    }

    /// How much has arrived at the client and at the application.
    pub(super) fn arrived(&self) -> (usize, usize) {
        let of = |side: &Side| side.arrived.load(Ordering::SeqCst);
        (of(&self.client), of(&self.app))
    }

    /// That it goes on, for so many pieces.
    pub(super) fn goes_on(&self, pieces: usize) {
        go_on(std::slice::from_ref(self), pieces);
    }

    fn idle(&self) -> Option<TcpStream> {
        (self.kind == Kind::Idle).then(|| self.clients.try_clone().unwrap())
    }

    /// Both ends at which something arrives, and how much of it has.
    fn arrivals(&self) -> Vec<(&AtomicUsize, usize)> {
        let sides = [
            (self.kind != Kind::Upload && self.kind != Kind::Idle).then_some(&self.client),
            (self.kind != Kind::Download).then_some(&self.app),
        ];
        let arrived = |side: &Side| side.arrived.load(Ordering::SeqCst);
        let sides = sides.into_iter().flatten();
        sides.map(|side| (&*side.arrived, arrived(side))).collect()
    }
}

/// That all of them go on, for so many pieces. What is idle is tried when the others have.
pub(super) fn go_on(flows: &[Flow], pieces: usize) {
    let mut tried: Vec<_> = flows.iter().filter_map(Flow::idle).collect();
    let before: Vec<_> = flows.iter().map(Flow::arrivals).collect();
    let waits = |flow: &Flow, before: &[(&AtomicUsize, usize)], more: usize| {
        for (arrived, before) in before {
            eventually(&format!("{:?} goes on", flow.kind), || {
                (arrived.load(Ordering::SeqCst) >= before + more).then_some(())
            });
        }
    };
    let busy = |flow: &&Flow| flow.kind != Kind::Idle;
    for (flow, before) in flows.iter().zip(&before).filter(|(flow, _)| busy(flow)) {
        waits(flow, before, pieces * PIECE.len());
    }
    tried
        .iter_mut()
        .for_each(|client| client.write_all(HELLO).unwrap());
    for (flow, before) in flows.iter().zip(&before).filter(|(flow, _)| !busy(flow)) {
        waits(flow, before, HELLO.len());
    }
}

impl Side {
    fn watch(mut stream: BufReader<TcpStream>) -> Self {
        let arrived = Arc::new(AtomicUsize::new(0));
        let last = Arc::new(Mutex::new((Instant::now(), Vec::new())));
        let (sender, closed) = mpsc::channel();
        let (counted, noted) = (Arc::clone(&arrived), Arc::clone(&last));
        stream.get_ref().set_read_timeout(None).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                let mut last = noted.lock();
                last.0 = Instant::now();
                last.1.extend_from_slice(&bytes[..read]);
                let spare = last.1.len().saturating_sub(16);
                last.1.drain(..spare);
                counted.fetch_add(read, Ordering::SeqCst);
            }
            let _ = sender.send(Instant::now());
        });
        Self {
            arrived,
            last,
            closed,
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // Ends the threads of the other side, too.
        let _ = self.clients.shutdown(std::net::Shutdown::Both);
    }
}

/// Writes until nobody reads any more.
fn keep_writing(mut stream: TcpStream) {
    std::thread::spawn(move || {
        while stream.write_all(PIECE).is_ok() {
            std::thread::sleep(PACE);
        }
    });
}
