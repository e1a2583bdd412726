//! An application that keeps every byte together with the connection that it came on.
//!
//! Each head is answered as a test says; after a 101 whatever comes is sent back. Does not: read bodies, whose
//! bytes are kept and taken for the next head.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

/// What a head is answered with.
pub(super) type Answer = fn(head: &str) -> &'static str;

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
pub(super) const SWITCHING: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// The application.
pub(super) struct Tap {
    pub(super) address: SocketAddr,
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    pub(super) fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let all = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut known = all.lock();
                known.push(Vec::new());
                let (number, all) = (known.len() - 1, Arc::clone(&all));
                std::thread::spawn(move || serve(stream, answer, &all, number));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// What has come on each connection so far. What was answered is in it.
    pub(super) fn connections(&self) -> Vec<String> {
        let all = self.connections.lock();
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        all.iter()
            .map(text)
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// How many bytes of all connections hold this.
    pub(super) fn has(&self, text: &str) -> bool {
        self.connections().iter().any(|all| all.contains(text))
    }
}

fn serve(mut stream: TcpStream, answer: Answer, all: &Mutex<Vec<Vec<u8>>>, number: usize) {
    let mut buffer = [0; 4096];
    let mut head = Vec::new();
    let mut switched = false;
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let bytes = &buffer[..read];
        all.lock()[number].extend(bytes);
        if switched {
            if stream.write_all(bytes).is_err() {
                return;
            }
            continue;
        }
        head.extend(bytes);
        while let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&head[..end]).into_owned();
            head.drain(..end + 4);
            let answer = answer(&text);
            switched = answer == SWITCHING;
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
