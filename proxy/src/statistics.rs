//! `sidegate stats`: what a running Sidegate has counted.
//!
//! Promise: watching ends with Ctrl-C or when nobody reads any more, and goes on while the Sidegate that is
//! watched is started again. On a terminal one table is drawn over the other, and no more of it than there is
//! room for; elsewhere one follows the other.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use sidegate::admin::client::AdminClient;
use sidegate::clock::Clock;
use sidegate::stats::{Exposition, Statistics};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::operate::runtime;
use super::running::Running;
use super::{Failure, print};

/// What is shown, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct StatsArguments {
    #[command(flatten)]
    running: Running,
    /// Answer with JSON; while watching, with a line each time.
    #[arg(long)]
    json: bool,
    /// Show it again every so many seconds (2 unless said), with rates, until Ctrl-C.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u16).range(1..=3600))]
    watch: Option<u16>,
}

/// Where and in which form it is shown.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Text,
    /// Drawn over what was there before.
    Screen,
}

pub(crate) fn show_statistics(arguments: &StatsArguments) -> Result<(), Failure> {
    let client = arguments.running.client()?;
    let form = match arguments.watch {
        _ if arguments.json => Form::Json,
        Some(_) if io::stdout().is_terminal() => Form::Screen,
        Some(_) | None => Form::Text,
    };
    runtime()?.block_on(async {
        let Some(seconds) = arguments.watch else {
            let now = read(&client).await?;
            return Ok(show(&client, &Statistics::of(&now, None), form)?);
        };
        tokio::select! {
            ended = tokio::signal::ctrl_c() => Ok(ended?),
            ended = watch(&client, Duration::from_secs(seconds.into()), form) => ended,
        }
    })
}

async fn watch(client: &AdminClient, pause: Duration, form: Form) -> Result<(), Failure> {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<(Exposition, Instant)> = None;
    loop {
        ticks.tick().await;
        let at = Instant::now();
        let now = match read(client).await {
            Ok(now) => now,
            // It may be on its way back.
            Err(error) if before.is_some() => {
                // Nobody may read standard error.
                let _ = writeln!(io::stderr(), "sidegate: {error}");
                continue;
            }
            Err(error) => return Err(error),
        };
        let earlier = before
            .as_ref()
            .map(|(before, then)| (before, at.duration_since(*then)));
        match show(client, &Statistics::of(&now, earlier), form) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            shown => shown?,
        }
        before = Some((now, at));
    }
}

async fn read(client: &AdminClient) -> Result<Exposition, Failure> {
    let text = client.get("/metrics").await?;
    let url = client.url();
    let read: Exposition = text
        .parse()
        .map_err(|error| format!("{url}metrics: {error}: these are no metrics"))?;
    if Statistics::of(&read, None).is_empty() {
        return Err(format!("{url}metrics: none of these is a metric of a Sidegate").into());
    }
    Ok(read)
}

fn show(client: &AdminClient, statistics: &Statistics, form: Form) -> io::Result<()> {
    let micros = u64::try_from(Clock::System.now().0).unwrap_or_default();
    let at = UNIX_EPOCH + Duration::from_micros(micros);
    let at = humantime::format_rfc3339_seconds(at).to_string();
    let text = || {
        let since = statistics.interval().map_or_else(String::new, |interval| {
            let seconds = interval.as_secs_f64();
            format!(", totals and the last {seconds:.1} s (/s, now, lately)")
        });
        format!("{} at {at}{since}\n{statistics}", client.url())
    };
    match form {
        Form::Json => print(&statistics.json(&at).to_string()),
        Form::Text => print(text().trim_end()),
        Form::Screen => draw(text().trim_end()),
    }
}

/// From the upper left corner on. A line that does not fit would move what is drawn over it the next time.
fn draw(text: &str) -> io::Result<()> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let fits = size.filter(|size| size.ws_row > 2 && size.ws_col > 0);
    let (rows, columns) = fits.map_or((usize::MAX, usize::MAX), |size| {
        (usize::from(size.ws_row), usize::from(size.ws_col))
    });
    let lines = text.lines().count();
    let room = rows.saturating_sub(1);
    let shown = if lines > room {
        room.saturating_sub(1)
    } else {
        lines
    };
    let mut screen = String::from("\u{1b}[H");
    for line in text.lines().take(shown) {
        screen.extend(line.chars().take(columns));
        screen.push_str("\u{1b}[K\n");
    }
    if let more @ 1.. = lines.saturating_sub(shown) {
        screen.push_str(&format!("{more} more lines need a larger window\u{1b}[K\n"));
    }
    screen.push_str("\u{1b}[J");
    let mut stdout = io::stdout().lock();
    stdout.write_all(screen.as_bytes())?;
    stdout.flush()
}
