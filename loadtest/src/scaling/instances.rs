//! What an instance costs that nobody asks anything.
//!
//! Promises: instances are started as shipped, and watched for a while at each step once they have settled; what
//! PostgreSQL does without any is told in the first row.
//!
//! Does not: write into watched tables; what a change costs each instance is not here.

use std::io;

use tokio::time::{Duration, sleep};

use super::meter::Meter;
use super::quantity::{mebibytes, micros, number, per, percent};
use super::{Scale, ScalingError, bounds};
use crate::document::Table;
use crate::figure;
use crate::process::Sidegate;
use crate::scenario::{Further, Ground};

/// One step.
#[derive(Debug, Clone, Copy)]
struct Found {
    instances: usize,
    /// A second, of all.
    polls: f64,
    /// Of one processor.
    postgres: f64,
    redis: f64,
    /// The same, of all instances together.
    sidegate: f64,
    /// Resident, of all instances together, in bytes.
    memory: f64,
    /// To the database, of all.
    connections: f64,
}

pub(super) async fn measure(
    ground: &Ground,
    scale: &Scale,
    step: &mut impl FnMut(&str),
) -> Result<Vec<Table>, ScalingError> {
    // Each instance keeps as many connections as it does alone, so that nothing but their number differs.
    ground
        .execute(&format!("alter system set max_connections = {ROOM}"))
        .await?;
    ground.cluster.restart()?;
    let mut running: Vec<Sidegate> = Vec::new();
    let mut all = Vec::with_capacity(scale.instances.len());
    for count in scale.instances {
        step(&format!("{count} idle instances"));
        while running.len() < *count {
            running.push(ground.another(Further::default()).await?);
        }
        sleep(SETTLE).await;
        all.push(watch(ground, &running, scale.watch).await?);
    }
    let poll_us = poll(&all);
    Ok(vec![
        table(&all, scale.watch),
        bounds::polls(poll_us),
        bounds::connections(),
    ])
}

async fn watch(
    ground: &Ground,
    running: &[Sidegate],
    span: Duration,
) -> Result<Found, ScalingError> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let mut processes = vec![
        ground.cluster.process()?,
        ground.redis.process().ok_or_else(gone)?,
    ];
    processes.extend(running.iter().map(Sidegate::id));
    let before = sum(running, "sidegate_polls_begun_total").await?;
    let meter = Meter::begin(&processes)?;
    sleep(span).await;
    let spent = meter.read()?;
    let polls = sum(running, "sidegate_polls_begun_total").await? - before;
    let of_instances = (FIRST_INSTANCE..processes.len()).map(|place| spent.share(place));
    Ok(Found {
        instances: running.len(),
        polls: polls / spent.span.as_secs_f64(),
        postgres: spent.share(0),
        redis: spent.share(1),
        sidegate: of_instances.sum(),
        memory: sum(running, "process_resident_memory_bytes").await?,
        connections: sum(running, "sidegate_pool_connections").await?,
    })
}

/// Of all instances.
async fn sum(running: &[Sidegate], metric: &str) -> io::Result<f64> {
    let mut sum = 0.0;
    for sidegate in running {
        sum += sidegate.scrape().await?.sum(metric, &[]);
    }
    Ok(sum)
}

/// What PostgreSQL spends on a poll, in microseconds: what there is with the most instances, less what there is without.
fn poll(all: &[Found]) -> f64 {
    let without = all.first().map_or(0.0, |found| found.postgres);
    all.last()
        .map_or(0.0, |most| per((most.postgres - without) * 1e6, most.polls))
}

fn table(all: &[Found], span: Duration) -> Table {
    let without = all.first().map_or(0.0, |found| found.postgres);
    let row = |found: &Found| {
        let more = found.postgres - without;
        let count = u64::try_from(found.instances).map_or(0.0, number);
        let some = |text: String| {
            if found.instances == 0 {
                "–".to_owned()
            } else {
                text
            }
        };
        vec![
            found.instances.to_string(),
            some(figure::rate(found.polls)),
            percent(found.postgres),
            some(percent(per(more, count))),
            some(micros(per(more * 1e6, found.polls))),
            percent(found.redis),
            some(percent(per(found.sidegate, count))),
            some(mebibytes(per(found.memory, count))),
            some(format!("{:.0}", per(found.connections, count))),
        ]
    };
    Table {
        title: "Idle instances".to_owned(),
        columns: [
            "instances",
            "polls",
            "PostgreSQL",
            "more for each",
            "for each poll",
            "Redis",
            "Sidegate, each",
            "memory, each",
            "connections, each",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: all.iter().map(row).collect(),
        notes: vec![
            format!(
                "Percent are of one processor: the time that all threads of a process and its children have run, over {} s. \
                 Instances are as shipped: a poll every 50 ms, a canary every 5 s, 20 connections to PostgreSQL and 20 to \
                 Redis; PostgreSQL has `max_connections` {ROOM} here, so that 16 of them fit.",
                span.as_secs()
            ),
            "What is more for each, and for each poll, is what PostgreSQL spends beyond the row without instances, canaries \
             and all else included. Memory is resident, before anything was asked."
                .to_owned(),
        ],
    }
}

/// In the list of processes, behind PostgreSQL and Redis.
const FIRST_INSTANCE: usize = 2;
/// For connections.
const ROOM: u32 = 400;
/// What starting leaves to be done: the log is read, the doctor looks.
const SETTLE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_costs_what_there_is_more() {
        let found = |instances, polls, postgres| Found {
            instances,
            polls,
            postgres,
            redis: 0.0,
            sidegate: 0.04,
            memory: 3_145_728.0,
            connections: 40.0,
        };
        let all = [found(0, 0.0, 0.002), found(2, 40.0, 0.022)];
        assert!((poll(&all) - 500.0).abs() < 1e-6);
        let rows = table(&all, Duration::from_secs(1)).rows;
        assert_eq!(rows[0][1..4], ["–", "0.20 %", "–"]);
        assert_eq!(rows[1][1..5], ["40/s", "2.20 %", "1.00 %", "500 µs"]);
        assert_eq!(rows[1][6..], ["2.00 %", "2 MiB", "20"]);
    }
}
