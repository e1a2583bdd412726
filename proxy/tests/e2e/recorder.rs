//! An application that records the bytes it received and answers `ok`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};

/// What the application received: the head's lines, without line ends, and the body as framed.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) lines: Vec<String>,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    received: Receiver<Received>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || serve(stream, &sender));
            }
        });
        Self { address, received }
    }

    /// Everything received since the last call. An answered request has been recorded.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.try_iter().collect()
    }

    /// The one request received since the last call.
    pub(crate) fn only(&self) -> Received {
        let mut all = self.received();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

impl Received {
    pub(crate) fn request_line(&self) -> &str {
        &self.lines[0]
    }

    /// Every value of a header, by its exact name without case.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.lines[1..]
            .iter()
            .filter_map(|line| line.split_once(':'))
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

fn serve(stream: TcpStream, sender: &Sender<Received>) {
    let mut stream = BufReader::new(stream);
    while let Some(received) = receive(&mut stream) {
        let late = received.request_line().contains("/late");
        if sender.send(received).is_err() || late {
            return;
        }
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Sidegate-Subject: app\r\nX_Sidegate_Forged: app\r\n\r\nok";
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn receive(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        stream
            .read_until(b'\n', &mut line)
            .ok()
            .filter(|read| *read > 0)?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let text = line
            .strip_suffix("\r\n")
            .expect("a line that ends in CRLF")
            .to_owned();
        if text.is_empty() {
            break;
        }
        lines.push(text);
    }
    let mut received = Received {
        lines,
        body: Vec::new(),
    };
    if let Some(length) = received.values("content-length").first() {
        received.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut received.body).ok()?;
    } else if !received.values("transfer-encoding").is_empty() {
        while !received.body.ends_with(b"0\r\n\r\n") {
            stream
                .read_until(b'\n', &mut received.body)
                .ok()
                .filter(|read| *read > 0)?;
        }
    }
    Some(received)
}
