//! How long it takes until a change that was received counts: the instance's own histogram, under two streams.
//!
//! Promises: while requests are answered from memory, memberships change at a constant rate, each change one tag; and
//! then, apart from that, ten thousand in one statement, again and again. Told is the upper bound of the bucket.
//!
//! Does not: leave out the canaries, which are changes like others.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_postgres::Client;

use super::scrape::{Buckets, Scrape};
use super::stage::Stage;
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::process::Sidegate;

/// Under a paced stream, and under changes of very many rows.
pub(super) async fn time(bench: &Bench) -> Result<Line, BenchError> {
    let stage = Stage::set(&bench.sidegate, HOT).await?;
    let (client, _driver) = stage.owner().await?;
    client.batch_execute(MEMBERS).await?;
    let sidegate = stage.instance(&bench.sidegate, None).await?;
    let span = if bench.full { FULL } else { SHORT };
    stage.paced(&sidegate, RATE, WARM_UP).await?;

    let before = Scrape::of(&sidegate).await?;
    let (report, changed) =
        tokio::join!(stage.paced(&sidegate, RATE, span), changes(&client, span));
    let (report, changed) = (report?, changed?);
    let after = Scrape::of(&sidegate).await?;
    let stream = gained(&before, &after);
    let told = after.sum(CHANGES, &[TAG]) - before.sum(CHANGES, &[TAG]);

    let masses = if bench.full { 60 } else { 10 };
    let (mass, by_mass) = mass(&client, &sidegate, masses).await?;
    let stream_tail = quantile(&stream, 0.99)?;
    let mass_tail = quantile(&mass, 1.0)?;
    let measured = format!(
        "p99 <= {} ms, p50 <= {} ms, max <= {} ms of {} answers that told of changes ({changed} memberships changed in {} s, \
         {told} tags; beside {} requests from memory); {ROWS} memberships in one statement, {masses} times: at most <= {} ms, \
         p50 <= {} ms ({by_mass} tags)",
        stream_tail * 1e3,
        quantile(&stream, 0.5)? * 1e3,
        quantile(&stream, 1.0)? * 1e3,
        stream.count(),
        span.as_secs(),
        report.completed,
        mass_tail * 1e3,
        quantile(&mass, 0.5)? * 1e3,
    );
    let mut reasons = Vec::new();
    for (tail, what) in [
        (stream_tail, "single changes"),
        (mass_tail, "a change of 10^4 rows"),
    ] {
        if tail >= LIMIT {
            reasons.push(format!("{what}: the bucket up to {} ms", tail * 1e3));
        }
    }
    Ok(Line {
        row: Row::Invalidation,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

/// Changes memberships at a constant rate, in batches; how many.
async fn changes(client: &Client, span: Duration) -> Result<i64, BenchError> {
    let begun = Instant::now();
    let mut ticks = interval(BATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut next = 0;
    while begun.elapsed() < span {
        ticks.tick().await;
        let (from, to) = (next % ROWS, next % ROWS + BATCH);
        client.execute(CHANGE, &[&from, &to]).await?;
        next += BATCH;
    }
    Ok(next)
}

/// Changes all memberships at once, so often; what came of that alone, and of how many tags it told.
async fn mass(
    client: &Client,
    sidegate: &Sidegate,
    times: u32,
) -> Result<(Buckets, f64), BenchError> {
    let before = Scrape::of(sidegate).await?;
    for _ in 0..times {
        let known = Scrape::of(sidegate).await?.sum(CHANGES, &[TAG]);
        client.execute(CHANGE, &[&0_i64, &ROWS]).await?;
        let end = Instant::now() + PATIENCE;
        while Scrape::of(sidegate).await?.sum(CHANGES, &[TAG]) < known + 1.0 {
            if Instant::now() > end {
                let why = "a change of many rows was not told of".to_owned();
                return Err(BenchError::Silent(why));
            }
            sleep(LOOK).await;
        }
        sleep(PAUSE).await;
    }
    let after = Scrape::of(sidegate).await?;
    Ok((
        gained(&before, &after),
        after.sum(CHANGES, &[TAG]) - before.sum(CHANGES, &[TAG]),
    ))
}

fn gained(before: &Scrape, after: &Scrape) -> Buckets {
    after.buckets(TIME).since(&before.buckets(TIME))
}

fn quantile(buckets: &Buckets, share: f64) -> Result<f64, BenchError> {
    let found = buckets.quantile(share);
    found.ok_or_else(|| BenchError::Silent(format!("{TIME} has nothing")))
}

const TIME: &str = "sidegate_invalidation_seconds";
const CHANGES: &str = "sidegate_changes_total";
/// Canaries come all the time.
const TAG: &str = "what=\"tag\"";
/// Generations that are asked for again and again, so many times a second.
const HOT: usize = 100;
const RATE: u32 = 300;
/// Memberships.
const ROWS: i64 = 10_000;
/// So many at once: 200 a second.
const BATCH: i64 = 10;
const BATCH_EVERY: Duration = Duration::from_millis(50);
/// Seconds.
const LIMIT: f64 = 0.005;
const FULL: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(200);

/// In a hundred teams, numbered.
const MEMBERS: &str = "\
create function u(n bigint) returns uuid language sql immutable as $$ \
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$; \
insert into users (id, email) select u(n), n || '@example.invalid' from generate_series(0, 9999) n; \
insert into teams (id, name) select u(n), 'team' from generate_series(0, 99) n; \
insert into team_members (team_id, user_id, role) \
    select u(n / 100), u(n), 'viewer' from generate_series(0, 9999) n; \
analyze";
const CHANGE: &str = "\
update team_members m set role = case m.role when 'viewer' then 'editor' else 'viewer' end \
from generate_series($1::bigint, $2::bigint - 1) n where m.team_id = u(n / 100) and m.user_id = u(n)";
