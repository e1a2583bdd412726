//! Instructions of a server, counted by callgrind.
//!
//! Promises: what is counted are those of the busiest thread, for one of many equal requests over one connection, none
//! of them before the server is warm; counts repeat, whatever else the machine does. Does not: count what the kernel
//! does for it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::BenchError;

/// Where counts are written.
#[derive(Debug)]
pub(crate) struct Callgrind(TempDir);

impl Callgrind {
    pub(crate) fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("sidegate-callgrind")
            .tempdir()?;
        Ok(Self(folder))
    }

    /// What the server is started by.
    pub(crate) fn command(&self) -> Vec<String> {
        let out = self.0.path().join("out");
        vec![
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            "--separate-threads=yes".to_owned(),
            format!("--callgrind-out-file={}", out.display()),
        ]
    }

    /// Counts what this process does for so many requests, of which it has answered a few before.
    pub(crate) async fn watch(
        &self,
        process: u32,
        address: &str,
        request: &str,
        requests: u32,
    ) -> Result<(), BenchError> {
        let mut client = Client::connect(address, request).await?;
        client.ask(WARM_UP).await?;
        control(process, "-z")?;
        client.ask(requests).await?;
        control(process, "-d")
    }

    /// Per request, of the busiest thread.
    pub(crate) fn instructions(&self, requests: u32) -> io::Result<f64> {
        Ok(most(self.0.path())? / f64::from(requests))
    }
}

/// One connection, and what is asked over it.
struct Client {
    stream: TcpStream,
    request: String,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(address: &str, request: &str) -> Result<Self, BenchError> {
        Ok(Self {
            stream: TcpStream::connect(address).await?,
            request: request.to_owned(),
            answer: vec![0; 64 * 1024],
        })
    }

    /// Asks so often, one after the other.
    async fn ask(&mut self, times: u32) -> Result<(), BenchError> {
        for _ in 0..times {
            self.stream.write_all(self.request.as_bytes()).await?;
            self.receive().await?;
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<(), BenchError> {
        let mut filled = 0;
        loop {
            let room = self.answer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(room).await?;
            if read == 0 {
                return Err(BenchError::Silent("the connection has ended".to_owned()));
            }
            filled += read;
            let so_far = self.answer.get(..filled).unwrap_or_default();
            match ended(so_far) {
                Some(true) => return Ok(()),
                Some(false) => {
                    let text = String::from_utf8_lossy(so_far).into_owned();
                    return Err(BenchError::Silent(text));
                }
                None => {}
            }
        }
    }
}

/// Whether an answer is whole, and good; `None`: it is not whole yet.
fn ended(answer: &[u8]) -> Option<bool> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let is_good = lines.next()?.contains(" 200 ");
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let is_whole = match length {
        Some(length) => body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    };
    is_whole.then_some(is_good)
}

/// Tells callgrind what to do with its counts.
fn control(process: u32, what: &str) -> Result<(), BenchError> {
    let told = Command::new("callgrind_control")
        .args([what, &process.to_string()])
        .output()?;
    if told.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    Err(BenchError::Silent(format!(
        "callgrind_control {what}: {said}"
    )))
}

/// The most instructions that one thread has executed, of all dumps in a folder.
fn most(folder: &Path) -> io::Result<f64> {
    let mut most = 0_f64;
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        let totals = text
            .lines()
            .filter_map(|line| line.strip_prefix("totals: "));
        for total in totals.filter_map(|total| total.trim().parse::<f64>().ok()) {
            most = most.max(total);
        }
    }
    Ok(most)
}

const WARM_UP: u32 = 200;
