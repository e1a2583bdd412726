//! Published cases of other projects, from the folder that `SIDEGATE_CORPORA` names. They are read
//! there and not copied here: each corpus has its own licence.
//!
//! Promise: no case ends in an allow that these invariants forbid.
//!
//! - `path-bypass` (its `about`): whatever the application received, no resolution of it (dot
//!   segments, repeated decoding, backslashes, doubled slashes, matrix parameters, lower case)
//!   leads to where the client may not go ([`paths`]).
//! - `path-normalization`: what the corpus rejects is refused; what it normalises is refused or
//!   arrives as exactly that ([`paths`]).
//! - `httparse`: what is no request line, or not in origin-form, is refused; the rest is refused or
//!   arrives as what was asked for, in canonical spelling ([`uris`]).
//! - `te-mutations`: an error, or one request with one framing; the smuggled request never arrives
//!   ([`framing`]).
//! - `wycheproof`: what it calls invalid never verifies; what it calls valid verifies where we
//!   support the algorithm ([`tokens`]).
//! - `jose-cookbook` (RFC 7520, RFC 8037, RFC 7797): signatures in the compact form verify, or are
//!   refused for the reason that the test states; encrypted and nested tokens are refused
//!   ([`cookbook`]).
//!
//! These tests are ignored unless they are asked for: `scripts/test` does so where
//! `SIDEGATE_CORPORA` is set, and they are counted as skipped where it is not. A case is skipped
//! only where it cannot be put to us; the reason is printed with its number.

mod cookbook;
mod framing;
pub(crate) mod paths;
mod tokens;
mod uris;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use serde_json::Value;

use crate::process::PATIENCE;
use crate::recorder::Received;

/// The folder of the corpora.
fn corpora() -> PathBuf {
    let folder = std::env::var_os("SIDEGATE_CORPORA");
    PathBuf::from(folder.expect("SIDEGATE_CORPORA names the folder of the corpora"))
}

/// A file of a corpus.
pub(crate) fn corpus(name: &str) -> Value {
    let path = corpora().join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What became of the cases of one file.
#[derive(Debug, Default)]
struct Tally {
    outcomes: BTreeMap<&'static str, usize>,
    skipped: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// A case that was put to us.
    fn case(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// A case that cannot be put to us, and why.
    fn skip(&mut self, why: &'static str) {
        *self.skipped.entry(why).or_default() += 1;
    }

    fn of(&self, outcome: &str) -> usize {
        self.outcomes.get(outcome).copied().unwrap_or(0)
    }

    /// Prints the sum, which is the number of cases that the corpus says it has.
    #[expect(clippy::print_stdout, reason = "the figures of a test run")]
    fn finish(self, name: &str, cases: usize) {
        let count = |of: &BTreeMap<&'static str, usize>| of.values().sum::<usize>();
        let (run, skipped) = (count(&self.outcomes), count(&self.skipped));
        let parts: Vec<String> = self
            .outcomes
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .chain(
                self.skipped
                    .iter()
                    .map(|(why, count)| format!("{count} skipped: {why}")),
            )
            .collect();
        println!(
            "conformance: {run} cases, {skipped} skipped ({name}: {})",
            parts.join(", ")
        );
        assert!(run > 0, "{name} is empty");
        assert_eq!(run + skipped, cases, "{name}");
    }
}

/// Sends bytes on a connection of their own: the answer's status, `None` if the connection was
/// closed without one.
fn ask(address: SocketAddr, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut line = String::new();
    match BufReader::new(stream).read_line(&mut line) {
        Ok(0) => None,
        Ok(_) => Some(line.split(' ').nth(1).unwrap().parse().unwrap()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("{error}: {}", bytes.escape_ascii()),
    }
}

/// A GET of these bytes as a target.
pub(crate) fn get(target: &[u8]) -> Vec<u8> {
    [&b"GET "[..], target, b" HTTP/1.1\r\nHost: app.test\r\n\r\n"].concat()
}

/// The target that the application received.
fn target_of(received: &Received) -> &str {
    let line = received.request_line();
    line.strip_prefix("GET ")
        .and_then(|line| line.strip_suffix(" HTTP/1.1"))
        .unwrap_or_else(|| panic!("{line}"))
}

/// The bytes that a corpus writes in hexadecimal digits.
pub(crate) fn unhex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap().as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Decodes every well-formed escape once.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        match digits {
            Some(two) if first == b'%' => {
                let text = std::str::from_utf8(two).unwrap();
                decoded.push(u8::from_str_radix(text, 16).unwrap());
                rest = &after[2..];
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}
