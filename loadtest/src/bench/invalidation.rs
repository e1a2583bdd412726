//! How long it takes until a change that was received counts: the instance's own histogram, under two streams.
//!
//! Promises: while requests are answered from memory, memberships change at a constant rate, each change one tag; and
//! then, apart from that, ten thousand in one transaction, and in one statement, which is told as everything. Told is the
//! upper bound of the bucket; judged are the stream and the statement, which is one change to whoever is told of it, and
//! that every membership of the stream was told of.
//!
//! Does not: leave the canaries' times out, which are answers like others: how many there were is told. Judge the time of
//! the one transaction: it is that of ten thousand changes together.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_postgres::Client;

use super::stage::Stage;
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::process::Sidegate;
use crate::scrape::Scrape;

/// Under a paced stream, and under changes of very many rows.
pub(super) async fn time(bench: &Bench) -> Result<Line, BenchError> {
    let stage = Stage::set(&bench.sidegate, HOT).await?;
    let (mut client, _driver) = stage.owner().await?;
    client.batch_execute(MEMBERS).await?;
    let sidegate = stage.instance(&bench.sidegate, None).await?;
    let span = if bench.full { FULL } else { SHORT };
    stage.paced(&sidegate, RATE, WARM_UP).await?;

    let before = sidegate.scrape().await?;
    let (report, changed) =
        tokio::join!(stage.paced(&sidegate, RATE, span), changes(&client, span));
    let (report, changed) = (report?, changed?);
    let after = caught_up(&sidegate, before.sum(CHANGES, &[TAG]) + number(changed)).await?;
    let gained = |what: &str| after.sum(CHANGES, &[what]) - before.sum(CHANGES, &[what]);
    let (told, canaries) = (gained(TAG), gained(CANARY));
    let observed = format!("{TIME}_count");
    let answers = after.sum(&observed, &[]) - before.sum(&observed, &[]);
    let stream = |share| bound(&before, &after, share);
    let tail = stream(0.99)?;

    let times = if bench.full { 60 } else { 10 };
    let (many, many_told) = mass(&mut client, &sidegate, (times, STATEMENT)).await?;
    let (all, all_told) = mass(&mut client, &sidegate, (times, ROWS)).await?;
    let measured = format!(
        "p99 <= {} ms, p50 <= {} ms, max <= {} ms of {answers} answers that told of changes ({changed} memberships in {} s, \
         {told} tags and {canaries} canaries, beside {} requests); apart from that {ROWS} memberships in one transaction, {times} \
         times: max <= {} ms ({many_told} tags; not judged: it is the time of all of them together); in one statement, \
         {times} times: max <= {} ms (told as {all_told} times everything)",
        tail * 1e3,
        stream(0.5)? * 1e3,
        stream(1.0)? * 1e3,
        span.as_secs(),
        report.completed,
        many * 1e3,
        all * 1e3,
    );
    let mut reasons = Vec::new();
    for (what, found) in [("p99 of the stream", tail), ("max of one statement", all)] {
        if found >= LIMIT {
            let (found, limit) = (found * 1e3, LIMIT * 1e3);
            reasons.push(format!(
                "{what} is in the bucket up to {found} ms, and not below {limit} ms"
            ));
        }
    }
    if told < number(changed) {
        reasons.push(format!(
            "of {changed} changed memberships {told} were told of"
        ));
    }
    Ok(Line {
        row: Row::Invalidation,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

/// The metrics when so many tags have been told of, or when nobody waits for them any more.
async fn caught_up(sidegate: &Sidegate, tags: f64) -> Result<Scrape, BenchError> {
    let end = Instant::now() + PATIENCE;
    loop {
        let scrape = sidegate.scrape().await?;
        if scrape.sum(CHANGES, &[TAG]) >= tags || Instant::now() > end {
            return Ok(scrape);
        }
        sleep(LOOK).await;
    }
}

/// A count to reckon with.
#[expect(clippy::cast_precision_loss, reason = "of at most some ten thousands")]
const fn number(count: i64) -> f64 {
    count as f64
}

/// Changes memberships at a constant rate, in batches; how many were changed.
async fn changes(client: &Client, span: Duration) -> Result<i64, BenchError> {
    let begun = Instant::now();
    let mut ticks = interval(BATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut next, mut changed) = (0, 0);
    while begun.elapsed() < span {
        ticks.tick().await;
        let (from, to) = (next % ROWS, next % ROWS + BATCH);
        let rows = client.execute(CHANGE, &[&from, &to]).await?;
        changed += i64::try_from(rows).unwrap_or(i64::MAX);
        next += BATCH;
    }
    Ok(changed)
}

/// Changes all memberships in one transaction, so often, by statements of so many rows; the largest bucket of that
/// alone, and how much it told of.
async fn mass(
    client: &mut Client,
    sidegate: &Sidegate,
    (times, rows): (u32, i64),
) -> Result<(f64, f64), BenchError> {
    let told = |scrape: &Scrape| scrape.sum(CHANGES, &[TAG]) + scrape.sum(CHANGES, &[EVERYTHING]);
    let before = sidegate.scrape().await?;
    for _ in 0..times {
        let known = told(&sidegate.scrape().await?);
        let transaction = client.transaction().await?;
        let mut next = 0;
        while next < ROWS {
            transaction
                .execute(CHANGE, &[&next, &(next + rows)])
                .await?;
            next += rows;
        }
        transaction.commit().await?;
        let end = Instant::now() + PATIENCE;
        while told(&sidegate.scrape().await?) < known + 1.0 {
            if Instant::now() > end {
                let why = "a change of many rows was not told of".to_owned();
                return Err(BenchError::Silent(why));
            }
            sleep(LOOK).await;
        }
        sleep(PAUSE).await;
    }
    let after = sidegate.scrape().await?;
    Ok((bound(&before, &after, 1.0)?, told(&after) - told(&before)))
}

/// Of the bucket that this share is not above.
fn bound(before: &Scrape, after: &Scrape, share: f64) -> Result<f64, BenchError> {
    let found = after
        .buckets(TIME, &[])
        .since(&before.buckets(TIME, &[]))
        .quantile(share);
    found.ok_or_else(|| BenchError::Silent(format!("{TIME} has nothing")))
}

const TIME: &str = "sidegate_invalidation_seconds";
const CHANGES: &str = "sidegate_changes_total";
/// Canaries come all the time.
const CANARY: &str = "what=\"canary\"";
const TAG: &str = "what=\"tag\"";
const EVERYTHING: &str = "what=\"everything\"";
/// Rows of one statement that are told one by one, at most.
const STATEMENT: i64 = 1_000;
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
