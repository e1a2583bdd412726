//! A thousand clients that ask for the same, which nobody has asked for before, at the same moment.
//!
//! Promises: queries are counted by the database server, which logs every statement and its parameters: those that
//! name the key, of each instance by itself, held against what one lone client causes. What the instances count
//! themselves (`sidegate_flights_total`) is told beside it.
//!
//! Does not: share a Redis between the instances, which could only make it fewer.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use http::{Request, StatusCode, header};
use http_body_util::Empty;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use super::stage::{Stage, exchange};
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::connection::Connection;
use crate::process::Sidegate;
use crate::{Reach, Target};

/// Queries for each key and instance.
pub(super) async fn queries(bench: &Bench) -> Result<Line, BenchError> {
    let keys = if bench.full { 100 } else { 20 };
    // The first one is known to all before it begins, the second is asked for by one client alone.
    let stage = Stage::set(&bench.sidegate, keys + 2).await?;
    let (client, _driver) = stage.owner().await?;
    client.batch_execute(LOGGED).await?;
    client
        .batch_execute("alter system set log_line_prefix = '%a|'")
        .await?;
    client.batch_execute("select pg_reload_conf()").await?;
    let mut instances = Vec::new();
    for name in NAMES {
        let started = stage.started(&bench.sidegate, |setup| {
            setup.url = format!("{}?application_name={name}", setup.url);
        });
        instances.push(started.await?);
    }
    let mut herd = Herd::gather(&instances).await?;
    let mut asked = stage.generations().iter().copied();
    let (known, lone) = (
        asked.next().unwrap_or_default(),
        asked.next().unwrap_or_default(),
    );
    herd.ask(&stage, known, CLIENTS).await?;
    herd.ask(&stage, lone, 1).await?;
    herd.late = 0;
    let before = flights(&instances).await?;
    let (mut slowest, begun) = (Duration::ZERO, asked.clone());
    for key in asked {
        let moment = Instant::now();
        herd.ask(&stage, key, CLIENTS).await?;
        slowest = slowest.max(moment.elapsed());
    }
    let after = flights(&instances).await?;
    // What the server has said it has written.
    sleep(SETTLE).await;
    let log = fs::read_to_string(stage.log())?;
    judged(&Counts {
        alone: NAMES.map(|name| named(&log, name, lone)),
        each: begun
            .map(|key| (key, NAMES.map(|name| named(&log, name, key))))
            .collect(),
        started: after.0 - before.0,
        joined: after.1 - before.1,
        slowest,
        late: herd.late,
    })
}

/// Queries by instance.
struct Counts {
    /// Of a client alone, who asks both.
    alone: [usize; 2],
    /// Of each key, asked for by a herd.
    each: Vec<(Uuid, [usize; 2])>,
    started: f64,
    joined: f64,
    slowest: Duration,
    late: usize,
}

fn judged(counts: &Counts) -> Result<Line, BenchError> {
    let Counts {
        alone,
        each,
        started,
        joined,
        slowest,
        late,
    } = counts;
    if *alone != [1, 1] {
        let why = format!(
            "a client alone caused {alone:?} statements that name the key, and not one each"
        );
        return Err(BenchError::Silent(why));
    }
    if let Some((key, queries)) = each.iter().find(|(_, queries)| queries.contains(&0)) {
        let why = format!(
            "the server's log has {queries:?} statements that name the key {key}, and not at least one of each instance"
        );
        return Err(BenchError::Silent(why));
    }
    let queries = || each.iter().flat_map(|(_, queries)| queries);
    let all: usize = queries().sum();
    let most = queries().copied().max().unwrap_or_default();
    let keys = each.len();
    let measured = format!(
        "at most {most}, {all} in all for {keys} keys and 2 instances, {CLIENTS} clients, half of them at each (statements that name \
         the key, by the server's log); the instances count {started} queries that were sent, and {joined} requests that joined one; \
         the slowest herd was answered within {} ms, {late} clients had a 504 in place of an answer of the application",
        slowest.as_millis()
    );
    let mut reasons = Vec::new();
    if most > 1 {
        let more = queries().filter(|queries| **queries > 1).count();
        reasons.push(format!(
            "{more} of {} keys and instances had more than one query, at most {most}",
            keys * 2
        ));
    }
    Ok(Line {
        row: Row::Herd,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

/// Statements of an instance with this key among their parameters.
fn named(log: &str, name: &str, key: Uuid) -> usize {
    let (beginning, key) = (format!("{name}|DETAIL:"), key.to_string());
    let lines = log.lines().filter(|line| line.starts_with(&beginning));
    lines.filter(|line| line.contains(&key)).count()
}

/// Queries that were sent, and requests that joined one; of all instances.
async fn flights(instances: &[Sidegate]) -> Result<(f64, f64), BenchError> {
    let (mut started, mut joined) = (0.0, 0.0);
    for instance in instances {
        let scrape = instance.scrape().await?;
        started += scrape.sum("sidegate_flights_total", &["role=\"started\""]);
        joined += scrape.sum("sidegate_flights_total", &["role=\"joined\""]);
    }
    Ok((started, joined))
}

/// Clients with open connections, of all instances in turns.
struct Herd {
    clients: Vec<(Target, Connection)>,
    /// Answered with 504: not in time, whoever of Sidegate and the application was too slow.
    late: usize,
}

impl Herd {
    async fn gather(instances: &[Sidegate]) -> Result<Self, BenchError> {
        let mut clients = Vec::with_capacity(CLIENTS);
        for instance in instances.iter().cycle().take(CLIENTS) {
            let url = format!("http://{}/", instance.proxy());
            let target = Target::resolve(&url, Reach::LoopbackOnly).await?;
            let connection = Connection::new(target.origin().clone());
            clients.push((target, connection));
        }
        Ok(Self { clients, late: 0 })
    }

    /// So many ask at the same moment of each instance; all must be let in, or have waited in vain. One alone asks each
    /// instance.
    async fn ask(&mut self, stage: &Stage, key: Uuid, clients: usize) -> Result<(), BenchError> {
        let asking = if clients == 1 { NAMES.len() } else { clients };
        let barrier = Arc::new(Barrier::new(asking));
        let mut herd = JoinSet::new();
        let asked = self.clients.drain(..asking.min(self.clients.len()));
        for (turn, (target, mut connection)) in asked.enumerate() {
            let request = Request::get(format!("/g/{key}"))
                .header(header::HOST, target.host())
                .header(header::AUTHORIZATION, format!("Bearer {}", stage.token()))
                .body(Empty::new())?;
            let barrier = Arc::clone(&barrier);
            herd.spawn(async move {
                if !connection.is_open() {
                    // One that cannot be opened now is told of by the exchange.
                    drop(connection.open().await);
                }
                barrier.wait().await;
                let answer = exchange(&mut connection, &request).await;
                let said = match answer.map(|answer| answer.status) {
                    Ok(StatusCode::OK) => Ok(false),
                    // Nobody can tell whether it was let in; statements are counted whatever came of it.
                    Ok(StatusCode::GATEWAY_TIMEOUT) => Ok(true),
                    Ok(status) => Err(status.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                (turn, (target, connection), said)
            });
        }
        let (mut refused, mut back) = (BTreeMap::<String, usize>::new(), BTreeMap::new());
        while let Some(asked) = herd.join_next().await {
            let (turn, client, said) = asked?;
            match said {
                Ok(is_late) => self.late += usize::from(is_late),
                Err(said) => *refused.entry(said).or_default() += 1,
            }
            back.insert(turn, client);
        }
        // The first ones are of one instance each, as before.
        self.clients.splice(..0, back.into_values());
        if !refused.is_empty() {
            let why = format!("of {asking} clients these were not let in: {refused:?}");
            return Err(BenchError::Silent(why));
        }
        Ok(())
    }
}

const CLIENTS: usize = 1_000;
/// Of the instances, to the database.
const NAMES: [&str; 2] = ["first", "second"];
/// Statements of the instances, with their parameters.
const LOGGED: &str = "alter role sidegate_login set log_statement = 'all'";
const SETTLE: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_name_the_key_are_counted_and_others_are_not() {
        let key = Uuid::from_u128(7);
        let log = format!(
            "first|LOG:  execute s1: select 1\nfirst|DETAIL:  parameters: $1 = '{key}'\nsecond|DETAIL:  parameters: $1 = '{key}'\n\
             first|DETAIL:  parameters: $1 = '{}'\n",
            Uuid::from_u128(8)
        );
        assert_eq!(NAMES.map(|name| named(&log, name, key)), [1, 1]);
        let counts = |most| Counts {
            alone: [1, 1],
            each: vec![(key, [1, 1]), (Uuid::from_u128(8), [1, most])],
            started: 4.0,
            joined: 996.0,
            slowest: Duration::ZERO,
            late: 0,
        };
        assert_eq!(judged(&counts(1)).unwrap().outcome, Outcome::Met);
        let missed = judged(&counts(2)).unwrap().outcome;
        assert_eq!(
            missed,
            Outcome::Missed(Some(
                "1 of 4 keys and instances had more than one query, at most 2".to_owned()
            ))
        );
        let unseen = Counts {
            alone: [0, 0],
            ..counts(1)
        };
        assert!(judged(&unseen).is_err());
        let said = judged(&counts(0)).unwrap_err().to_string();
        assert!(said.contains(&Uuid::from_u128(8).to_string()), "{said}");
    }
}
