//! What it costs a hot request that everything is told about it.
//!
//! The binary runs under callgrind, once with everything told that is told by default (metrics by route and stage,
//! the ring of recent decisions, the access log with one allow in a hundred) and once with nothing, and answers the
//! same requests from memory over one connection. What is compared are the instructions of the thread that
//! serves, per request: counts repeat, whatever else the machine does.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::Stage;
use super::tiers::interval;
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::process::Sidegate;

/// Instructions with everything told, to those with nothing.
pub(super) async fn cost(bench: &Bench) -> Result<Line, BenchError> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Line::skipped(
            Row::Telemetry,
            "no valgrind: scripts/setup installs it",
        ));
    }
    let stage = Stage::set(&bench.sidegate, 1).await?;
    let (rounds, requests) = if bench.full { (5, 4000) } else { (3, 1000) };
    let (mut ratios, mut figures) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let told = instructions(&stage, bench, TOLD, requests).await?;
        let silent = instructions(&stage, bench, SILENT, requests).await?;
        figures.push(format!("{told:.0}/{silent:.0}"));
        ratios.push(told / silent);
    }
    let (low, median, high) = interval(ratios);
    Ok(Line {
        row: Row::Telemetry,
        measured: format!(
            "{median:.4} x ({low:.4} to {high:.4}); instructions per request told/silent {}",
            figures.join(" ")
        ),
        outcome: Outcome::met_if(high <= LIMIT),
    })
}

/// Per request, of the thread that serves.
async fn instructions(
    stage: &Stage,
    bench: &Bench,
    telemetry: &'static str,
    requests: u32,
) -> Result<f64, BenchError> {
    let folder = tempfile::Builder::new()
        .prefix("sidegate-callgrind")
        .tempdir()?;
    let out = folder.path().join("out");
    let under = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        "--separate-threads=yes".to_owned(),
        format!("--callgrind-out-file={}", out.display()),
    ];
    let sidegate = stage.measured(&bench.sidegate, &under, telemetry).await?;
    let mut client = Client::connect(stage, &sidegate).await?;
    client.ask(WARM_UP).await?;
    control(&sidegate, "-z")?;
    client.ask(requests).await?;
    control(&sidegate, "-d")?;
    let memory = sidegate
        .metric("sidegate_answers_total{tier=\"l1\"}")
        .await?;
    if memory < u64::from(requests) {
        let why = format!("{memory} of {requests} answers were from memory");
        return Err(BenchError::Silent(why));
    }
    drop(sidegate);
    Ok(most(folder.path())? / f64::from(requests))
}

/// One connection, and what is asked over it.
struct Client {
    stream: TcpStream,
    request: String,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(stage: &Stage, sidegate: &Sidegate) -> Result<Self, BenchError> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {}\r\n\r\n",
            stage.path(),
            stage.token()
        );
        Ok(Self {
            stream: TcpStream::connect(sidegate.proxy()).await?,
            request,
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
fn control(sidegate: &Sidegate, what: &str) -> Result<(), BenchError> {
    let told = Command::new("callgrind_control")
        .args([what, &sidegate.id().to_string()])
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

const TOLD: &str = "{}";
const SILENT: &str = "{ request_metrics: false, decisions: 0, access_log: { to: none } }";
const WARM_UP: u32 = 200;
/// Three in a hundred.
const LIMIT: f64 = 1.03;
