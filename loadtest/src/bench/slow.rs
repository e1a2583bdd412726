//! What clients that send their heads slowly cost the others.
//!
//! Each of a thousand connections sends the beginning of a head and then a line of it now and then, and is
//! opened anew when the server has had enough of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::interval::{bounds, interval};
use super::stage::Stage;
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::process::Sidegate;

/// The p99 of ordinary requests alone and beside slow clients, in turns.
pub(super) async fn heads(bench: &Bench) -> Result<Line, BenchError> {
    let stage = Stage::set(&bench.sidegate, HOT).await?;
    let sidegate = stage.instance(&bench.sidegate, None).await?;
    let (rounds, span) = if bench.full { (9, FULL) } else { (7, SHORT) };
    p99(&stage, &sidegate, SHORT).await?;
    let (mut ratios, mut cut, mut figures) = (Vec::new(), 0, Vec::new());
    for _ in 0..rounds {
        let alone = p99(&stage, &sidegate, span).await?;
        let slow = SlowClients::start(sidegate.proxy().parse().map_err(silent)?);
        sleep(SETTLE).await;
        let beside = p99(&stage, &sidegate, span).await?;
        cut += slow.cut();
        drop(slow);
        sleep(SETTLE).await;
        figures.push(format!("{alone}/{beside}"));
        ratios.push(beside / alone);
    }
    let (low, median, high) = interval(ratios);
    let measured = format!(
        "{median:.2} x ({}: {low:.2} to {high:.2}); p99 in us alone/beside {}; {CLIENTS} slow clients, for {} s each \
         time, cut off {cut} times",
        bounds(rounds),
        figures.join(" "),
        span.as_secs()
    );
    let mut reasons = Vec::new();
    if high > LIMIT {
        reasons.push(format!(
            "beside slow clients p99 is up to {high:.2} x, which is above {LIMIT:.0} x"
        ));
    }
    if cut == 0 {
        reasons.push("no slow client was cut off".to_owned());
    }
    Ok(Line {
        row: Row::SlowHeads,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

/// In microseconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a short while")]
async fn p99(stage: &Stage, sidegate: &Sidegate, span: Duration) -> Result<f64, BenchError> {
    let report = stage.paced(sidegate, RATE, span).await?;
    let latency = report.latency.ok_or_else(|| silent("no answers"))?;
    Ok(latency.p99 as f64)
}

/// Connections that never finish a head; gone when they are dropped.
struct SlowClients {
    cut: Arc<AtomicU64>,
    _clients: JoinSet<()>,
}

impl SlowClients {
    fn start(address: SocketAddr) -> Self {
        let cut = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let cut = Arc::clone(&cut);
            clients.spawn(async move {
                loop {
                    // Refused or cut off in any way: once more.
                    if drip(address).await.is_ok() {
                        cut.fetch_add(1, Ordering::Relaxed);
                    } else {
                        sleep(PAUSE).await;
                    }
                }
            });
        }
        Self {
            cut,
            _clients: clients,
        }
    }

    fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

/// Sends a head that does not end, until the other side closes the connection.
async fn drip(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /g/x HTTP/1.1\r\nHost: app.test\r\n")
        .await?;
    let mut answer = [0; 512];
    loop {
        match timeout(PAUSE, stream.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return Ok(()),
            Ok(Ok(_)) => {}
            Err(_elapsed) => {
                if stream.write_all(b"X-A: b\r\n").await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

fn silent(why: impl ToString) -> BenchError {
    BenchError::Silent(why.to_string())
}

const CLIENTS: usize = 1000;
const LIMIT: f64 = 2.0;
/// Between two lines of a slow client.
const PAUSE: Duration = Duration::from_millis(500);
/// Ordinary requests a second, for so many generations.
const RATE: u32 = 500;
const HOT: usize = 100;
const FULL: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(12);
const SETTLE: Duration = Duration::from_secs(2);
