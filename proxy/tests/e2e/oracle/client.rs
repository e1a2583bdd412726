//! A client that goes on with its connection as long as the other side does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::request::Request;
use crate::process::PATIENCE;

/// What the client heard.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) decision: Option<String>,
    closes: bool,
}

pub(super) struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
        }
    }

    /// Sends a request; `None` if the connection was closed instead of an answer.
    pub(super) fn ask(&mut self, request: &Request) -> Option<Answer> {
        let bytes = request.bytes();
        let used = self.stream.is_some();
        let mut answer = self.exchange(&bytes, &request.method);
        // Closed after an answer that did not say so: nothing of the next request was read.
        if answer.is_none() && used {
            answer = self.exchange(&bytes, &request.method);
        }
        answer
    }

    fn exchange(&mut self, bytes: &[u8], method: &str) -> Option<Answer> {
        let mut stream = self.stream.take().unwrap_or_else(|| connect(self.address));
        // An answer may be there although not everything could be written.
        let _ = stream.get_mut().write_all(bytes);
        let answer = answer(&mut stream, method)?;
        if !answer.closes {
            self.stream = Some(stream);
        }
        Some(answer)
    }
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    BufReader::new(stream)
}

fn answer(stream: &mut BufReader<TcpStream>, method: &str) -> Option<Answer> {
    loop {
        let (answer, length) = head(stream)?;
        if (100..200).contains(&answer.status) {
            continue;
        }
        if method != "HEAD" {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).ok()?;
        }
        return Some(answer);
    }
}

/// The head of an answer, and how long its body is.
fn head(stream: &mut BufReader<TcpStream>) -> Option<(Answer, usize)> {
    let status = line(stream)?;
    let mut answer = Answer {
        status: status.split(' ').nth(1)?.parse().ok()?,
        decision: None,
        closes: status.starts_with("HTTP/1.0"),
    };
    let mut length = 0;
    loop {
        let line = line(stream)?;
        let Some((name, value)) = line.split_once(':') else {
            return line.is_empty().then_some((answer, length));
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "connection" => answer.closes |= value.eq_ignore_ascii_case("close"),
            "x-sidegate-decision-id" => answer.decision = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// The next line, without its end. Waiting in vain is a fault of the other side.
fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(0) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => {
            let waited = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
            assert!(!waited.contains(&error.kind()), "no answer");
            None
        }
    }
}
