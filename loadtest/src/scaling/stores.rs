//! What a question costs the stores: PostgreSQL, Redis, and Sidegate itself.
//!
//! Promises: in each round the same pairs are asked for three times, none of them twice by the same instance's
//! memory: first of the tables, then, by a new instance, of Redis, then of that one's memory. Processor time is
//! divided by the questions that each tier has answered, as Sidegate counts them; what everything costs
//! while nobody asks is taken off.
//!
//! Does not: saturate anything: eight clients wait for their answers, as many as there are connections for
//! questions, so that PostgreSQL starts no session meanwhile.

use std::io;

use tokio::time::{Duration, sleep};

use super::ask::{Questions, ask};
use super::meter::{Meter, Spent};
use super::quantity::{micros, number, per, spread, whole};
use super::{PATIENT, Scale, ScalingError};
use crate::document::Table;
use crate::figure;
use crate::process::Sidegate;
use crate::scenario::{Draw, Ground};

/// Where questions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Store,
    L2,
    L1,
}

/// In microseconds for a question: Sidegate, PostgreSQL, Redis.
type Cost = [f64; 3];

/// What was found for a tier, round by round.
struct Costs {
    tier: Tier,
    questions: u64,
    rounds: Vec<Cost>,
}

pub(super) async fn measure(
    ground: &Ground,
    scale: &Scale,
    step: &mut impl FnMut(&str),
) -> Result<Vec<Table>, ScalingError> {
    let mut all = Tier::ALL.map(|tier| Costs {
        tier,
        questions: 0,
        rounds: Vec::new(),
    });
    for round in 0..scale.rounds {
        step(&format!("round {} of {}", round + 1, scale.rounds));
        let pairs = Pairs {
            first: round * (WARM_UP + scale.questions),
            count: scale.questions,
        };
        let _: String = ground.redis.command(&["FLUSHALL"])?;
        let first = ground.another(PATIENT).await?;
        sleep(SETTLE).await;
        let idle = idle(ground, &first, scale.watch / 2).await?;
        let [of_tables, of_redis, of_memory] = &mut all;
        of_tables.add(ground, &first, &idle, &pairs).await?;
        // What is still to be written to Redis would be missed.
        sleep(SETTLE).await;
        drop(first);
        let second = ground.another(PATIENT).await?;
        sleep(SETTLE).await;
        of_redis.add(ground, &second, &idle, &pairs).await?;
        of_memory.add(ground, &second, &idle, &pairs).await?;
    }
    Ok(vec![table(&all)])
}

/// Of one round.
struct Pairs {
    first: u64,
    count: u64,
}

async fn idle(ground: &Ground, sidegate: &Sidegate, span: Duration) -> Result<Spent, ScalingError> {
    let meter = Meter::begin(&processes(ground, sidegate)?)?;
    sleep(span).await;
    Ok(meter.read()?)
}

/// In the order of a [`Cost`].
fn processes(ground: &Ground, sidegate: &Sidegate) -> io::Result<[u32; 3]> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let redis = ground.redis.process().ok_or_else(gone)?;
    Ok([sidegate.id(), ground.cluster.process()?, redis])
}

impl Costs {
    /// Asks for the pairs, the first few of them unmeasured.
    async fn add(
        &mut self,
        ground: &Ground,
        sidegate: &Sidegate,
        idle: &Spent,
        pairs: &Pairs,
    ) -> Result<(), ScalingError> {
        let questions = |first, count| Questions {
            draw: Draw::Each,
            first,
            count,
            clients: CLIENTS,
        };
        ask(ground, sidegate, questions(pairs.first, WARM_UP)).await?;
        let before = sidegate.scrape().await?;
        let meter = Meter::begin(&processes(ground, sidegate)?)?;
        ask(
            ground,
            sidegate,
            questions(pairs.first + WARM_UP, pairs.count),
        )
        .await?;
        let spent = meter.read()?;
        let after = sidegate.scrape().await?;
        let answered = |labels: &[&str]| after.sum(ANSWERS, labels) - before.sum(ANSWERS, labels);
        let (own, all) = (answered(&[self.tier.label()]), answered(&[]));
        // What other tiers have answered is among the time that is divided.
        if own < all * MOST {
            let (tier, own, all) = (self.tier.name(), whole(own), whole(all));
            let why = format!("{own} of {all} questions were answered by {tier}");
            return Err(ScalingError::Implausible(why));
        }
        self.questions += whole(own);
        self.rounds
            .push([0, 1, 2].map(|place| per(spent.beyond(idle, place), own)));
        Ok(())
    }
}

impl Tier {
    const ALL: [Self; 3] = [Self::Store, Self::L2, Self::L1];

    const fn name(self) -> &'static str {
        match self {
            Self::Store => "the tables (L3)",
            Self::L2 => "Redis (L2)",
            Self::L1 => "memory (L1)",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Store => "tier=\"store\"",
            Self::L2 => "tier=\"l2\"",
            Self::L1 => "tier=\"l1\"",
        }
    }
}

fn table(all: &[Costs]) -> Table {
    let row = |costs: &Costs| {
        let of = |place: usize| {
            let each = costs.rounds.iter();
            spread(each.filter_map(|round| round.get(place).copied()).collect())
        };
        let cost = |place: usize| {
            let (low, middle, high) = of(place);
            format!("{} ({} to {})", micros(middle), micros(low), micros(high))
        };
        let rate = |place: usize| match of(place) {
            // Below what can be told from nothing.
            (_, middle, _) if middle < 1.0 => "–".to_owned(),
            (_, middle, _) => figure::rate(number(whole(per(1e6, middle)))),
        };
        vec![
            costs.tier.name().to_owned(),
            figure::count(costs.questions),
            cost(0),
            cost(1),
            cost(2),
            rate(1),
            rate(2),
        ]
    };
    Table {
        title: "What a question costs".to_owned(),
        columns: [
            "answered by",
            "questions",
            "Sidegate",
            "PostgreSQL",
            "Redis",
            "a processor of PostgreSQL answers",
            "a processor of Redis",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: all.iter().map(row).collect(),
        notes: vec![
            "Processor time of each process and its children for one question: the median of rounds, with the lowest and the \
             highest; what they use while nobody asks is taken off. Sidegate's is that of the whole request, the application's \
             answer passed on. A question that the tables answer has cost Redis a look that found nothing, and a write."
                .to_owned(),
            "Eight clients, each waiting for its answer, everything on one machine; the database is in memory. Rates are computed: \
             a processor's time divided by the cost; with – the cost cannot be told from none. \
             `cache.negative_ttl` is 60 s in place of 5, and Redis may take a second, so that each tier answers what it is asked."
                .to_owned(),
        ],
    }
}

const ANSWERS: &str = "sidegate_answers_total";
/// As many as the pool for questions keeps connections.
const CLIENTS: usize = 8;
/// Questions before those that are measured: sessions have read the catalogs, plans are made.
const WARM_UP: u64 = 1_000;
/// The least share of questions that must be the tier's own.
const MOST: f64 = 0.95;
const SETTLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_the_middle_of_its_rounds_and_none_gives_no_rate() {
        let costs = Costs {
            tier: Tier::L2,
            questions: 3_000,
            rounds: vec![[90.0, 0.1, 20.0], [80.0, 0.0, 25.0], [70.0, 0.2, 30.0]],
        };
        let table = table(&[costs]);
        assert_eq!(
            table.rows[0],
            [
                "Redis (L2)",
                "3,000",
                "80 µs (70 µs to 90 µs)",
                "0.10 µs (0.00 µs to 0.20 µs)",
                "25 µs (20 µs to 30 µs)",
                "–",
                "40,000/s"
            ]
        );
    }
}
