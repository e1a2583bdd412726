//! What rows take of memory, and answers of Redis.
//!
//! Promises: an instance with the shipped memory is asked for pairs that are all different; what it weighs itself by
//! class, what the system says it has, and what Redis says of itself, are read before and after.
//!
//! Does not: look at what the application's ids look like: here they are UUIDs, of 36 characters.

use tokio::time::{Duration, sleep};

use super::ask::{Questions, ask};
use super::quantity::{mebibytes, number, per, whole};
use super::{PATIENT, Scale, ScalingError};
use crate::document::Table;
use crate::figure;
use crate::redis::{Redis, RedisServerError};
use crate::scenario::{Draw, Ground};
use crate::scrape::Scrape;

pub(super) async fn measure(
    ground: &Ground,
    scale: &Scale,
    step: &mut impl FnMut(&str),
) -> Result<Vec<Table>, ScalingError> {
    let _: String = ground.redis.command(&["FLUSHALL"])?;
    let sidegate = ground.another(PATIENT).await?;
    let questions = |first, count| Questions {
        draw: Draw::Each,
        first,
        count,
        clients: CLIENTS,
    };
    // Connections, buffers and the first pages of everything are not the rows'.
    ask(ground, &sidegate, questions(0, WARM_UP)).await?;
    sleep(SETTLE).await;
    let (before, redis_before) = (sidegate.scrape().await?, Kept::read(&ground.redis)?);
    step(&format!("{} pairs", scale.pairs));
    ask(ground, &sidegate, questions(WARM_UP, scale.pairs)).await?;
    // What is still to be written to Redis.
    sleep(SETTLE).await;
    let (after, redis_after) = (sidegate.scrape().await?, Kept::read(&ground.redis)?);
    let mut rows: Vec<_> = CLASSES
        .map(|(class, what)| of_class(&after, class, what))
        .into();
    rows.push(row("all of them, as weighed", weighed(&after, &[])));
    rows.push(row(
        "resident memory, for each row",
        resident(&before, &after),
    ));
    rows.push(row("answers in Redis", redis_after.since(redis_before)));
    Ok(vec![Table {
        title: "Memory for a million".to_owned(),
        columns: ["what", "kept", "bytes for each", "for a million"]
            .map(str::to_owned)
            .to_vec(),
        rows,
        notes: vec![
            format!(
                "After {} different pairs of user and generation. A row's weight is what the memory's bound \
                 (`cache.l1_size_mb`) is held against: key, row, texts, the table's share, and an eighth for what lies idle.",
                figure::count(scale.pairs)
            ),
            "Resident memory is what the process has more than before, divided by the rows it has more: tokens, recent \
             decisions and the allocator's rest are in it. Redis: `used_memory`, more than before, by keys; \
             `cache.negative_ttl` is 60 s in place of 5, and Redis may take a second."
                .to_owned(),
        ],
    }])
}

/// How many, and their bytes together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kept {
    count: f64,
    bytes: f64,
}

impl Kept {
    /// Of Redis, now.
    fn read(redis: &Redis) -> Result<Self, RedisServerError> {
        let keys: u64 = redis.command(&["DBSIZE"])?;
        let said: String = redis.command(&["INFO", "memory"])?;
        Ok(Self {
            count: number(keys),
            bytes: used_memory(&said).map_or(0.0, number),
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            count: self.count - before.count,
            bytes: self.bytes - before.bytes,
        }
    }
}

fn of_class(scrape: &Scrape, class: &str, what: &str) -> Vec<String> {
    row(what, weighed(scrape, &[&format!("class=\"{class}\"")]))
}

/// Of a class, or of all.
fn weighed(scrape: &Scrape, class: &[&str]) -> Kept {
    let l1 = [&["tier=\"l1\""], class].concat();
    let used = [l1.as_slice(), &["state=\"used\""]].concat();
    Kept {
        count: scrape.sum("sidegate_cache_entries", &l1),
        bytes: scrape.sum("sidegate_cache_bytes", &used),
    }
}

fn resident(before: &Scrape, after: &Scrape) -> Kept {
    let more = |metric, labels: &[&str]| after.sum(metric, labels) - before.sum(metric, labels);
    Kept {
        count: more("sidegate_cache_entries", &["tier=\"l1\""]),
        bytes: more("process_resident_memory_bytes", &[]),
    }
}

fn row(what: &str, kept: Kept) -> Vec<String> {
    let each = per(kept.bytes, kept.count);
    vec![
        what.to_owned(),
        figure::count(whole(kept.count)),
        figure::count(whole(each)),
        mebibytes(each * 1e6),
    ]
}

/// In what `INFO memory` says.
fn used_memory(said: &str) -> Option<u64> {
    let mut lines = said.lines();
    lines.find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok())
}

const CLASSES: [(&str, &str); 4] = [
    ("user_auth", "subjects (user_auth)"),
    ("direct_ownership", "resources (direct_ownership)"),
    ("team_access", "memberships (team_access)"),
    ("project_visibility", "projects (project_visibility)"),
];
const CLIENTS: usize = 16;
const WARM_UP: u64 = 500;
const SETTLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_divided_by_what_is_kept() {
        let scrape = Scrape::parse(
            "sidegate_cache_entries{class=\"team_access\",tier=\"l1\"} 4\n\
             sidegate_cache_bytes{class=\"team_access\",state=\"used\",tier=\"l1\"} 1200\n\
             sidegate_cache_bytes{class=\"team_access\",state=\"limit\",tier=\"l1\"} 9999\n\
             sidegate_cache_entries{class=\"answer\",tier=\"l2\"} 7\n",
        )
        .unwrap();
        let row = of_class(&scrape, "team_access", "memberships");
        assert_eq!(row, ["memberships", "4", "300", "286 MiB"]);
        assert_eq!(
            used_memory("# Memory\r\nused_memory:1234\r\nused_memory_human:1K\r\n"),
            Some(1234)
        );
        assert_eq!(used_memory("used_memory_rss:1"), None);
    }
}
