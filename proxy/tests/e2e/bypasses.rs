//! Published bypasses of comparable proxies, replayed: one test for each row of `docs/security-tests.md`,
//! named after the row and the first advisory in it. `scripts/check-bypasses` compares the two.
//!
//! Promise: raw bytes over a socket to the real binary, judged by what a recording application received:
//! nothing, or exactly what was authorized. Each test also sends an ordinary request of the same shape, which
//! must arrive, so that none passes because everything is refused. What is refused may be refused with any
//! 4xx or by closing the connection; which one is for the tests of that stage.

mod admin;
mod caching;
mod failing;
mod framing;
mod headers;
mod matching;
mod paths;
mod tap;
mod tokens;
mod trust;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use crate::process::{ALICE, BINARY, DIRECTORY, PATIENCE, Sidegate, config, token};
use crate::recorder::{Received, Recorder};
use crate::wire::request;

/// An application and a Sidegate in front of it.
struct Scene {
    recorder: Recorder,
    sidegate: Sidegate,
}

impl Scene {
    fn new() -> Self {
        Self::with("")
    }

    /// With further top-level YAML.
    fn with(more: &str) -> Self {
        Self::configured(|application| config(application, more), &[])
    }

    /// With this configuration in front of the application, and further files beside it.
    fn configured(text: impl FnOnce(SocketAddr) -> String, files: &[(&str, &str)]) -> Self {
        let recorder = Recorder::start();
        let folder = tempfile::tempdir().unwrap();
        let mut all = vec![("directory.yaml", DIRECTORY)];
        all.extend(files);
        for (name, text) in all {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let text = text(recorder.address);
        std::fs::write(folder.path().join("sidegate.yaml"), text).unwrap();
        Self {
            recorder,
            sidegate: Sidegate::run_in(folder),
        }
    }

    /// It is refused, and the application never hears of it.
    fn never(&self, raw: impl AsRef<[u8]>) {
        let raw = raw.as_ref();
        let status = self.refused(raw);
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{status:?} to {}",
            shown(raw)
        );
    }

    /// The application never hears of it; what the client does.
    fn refused(&self, raw: impl AsRef<[u8]>) -> Option<u16> {
        let raw = raw.as_ref();
        let status = send(self.sidegate.proxy, raw);
        let received = self.recorder.received();
        assert!(received.is_empty(), "{} arrived: {received:?}", shown(raw));
        status
    }

    /// It arrives, and nothing else has arrived since the last request that did.
    fn arrives(&self, raw: impl AsRef<[u8]>) -> Received {
        let raw = raw.as_ref();
        let status = send(self.sidegate.proxy, raw);
        assert_eq!(status, Some(200), "{}", shown(raw));
        self.recorder.only()
    }

    /// It is refused, or it arrives: then once.
    fn may_arrive(&self, raw: impl AsRef<[u8]>) -> Option<Received> {
        let raw = raw.as_ref();
        let status = send(self.sidegate.proxy, raw);
        let mut received = self.recorder.received();
        match (status, received.len()) {
            (Some(200), 1) => received.pop(),
            (None | Some(400..=499), 0) => None,
            other => panic!("{other:?} to {}: {received:?}", shown(raw)),
        }
    }
}

/// The beginning of what was sent, for a message.
fn shown(raw: &[u8]) -> String {
    let most = raw.len().min(500);
    raw[..most].escape_ascii().to_string()
}

/// The status of what bytes on a connection of their own are answered with; `None` if it was closed instead.
fn send(address: SocketAddr, raw: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who refuses a head need not read all of it.
    let _ = stream.write_all(raw);
    let mut line = Vec::new();
    let read = BufReader::new(stream).read_until(b'\n', &mut line);
    if let Err(error) = read {
        let kind = error.kind();
        let gone = kind == std::io::ErrorKind::ConnectionReset;
        assert!(gone, "{error}: {}", shown(raw));
    }
    if line.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(&line);
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    let status = status.and_then(|digits| digits.parse().ok());
    Some(status.unwrap_or_else(|| panic!("{text:?}: {}", shown(raw))))
}

/// A GET of these bytes as a target, by nobody.
fn get(target: impl AsRef<[u8]>) -> Vec<u8> {
    let head: &[u8] = b"GET ";
    let rest: &[u8] = b" HTTP/1.1\r\nHost: app.test\r\n\r\n";
    [head, target.as_ref(), rest].concat()
}

/// A request of Alice's.
fn by_alice(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let authorization = format!("Bearer {}", token(ALICE));
    let mut all = vec![("Authorization", &*authorization)];
    all.extend(headers);
    request(method, target, &all)
}

/// What a received request asked for.
fn target(received: &Received) -> &str {
    let line = received.request_line();
    let target = line.split(' ').nth(1).unwrap();
    assert!(line.ends_with(" HTTP/1.1"), "{line}");
    target
}

/// Nothing that the client made up is left in a request.
fn is_clean(received: &Received) {
    let lines = &received.lines;
    let made_up = lines
        .iter()
        .any(|line| line.to_ascii_lowercase().contains("forged"));
    assert!(!made_up, "{lines:?}");
}

/// Whether `sidegate check` accepts a configuration beside the tests' directory; and what it says.
fn checked(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("directory.yaml"), DIRECTORY).unwrap();
    let file = folder.path().join("sidegate.yaml");
    std::fs::write(&file, text).unwrap();
    let mut check = Command::new(BINARY);
    let output = check
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    match output.status.code() {
        Some(0) => (true, said),
        Some(1) => (false, said),
        other => panic!("{other:?}: {said}"),
    }
}
