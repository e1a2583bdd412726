//! What a million decisions need in memory.
//!
//! Promises: users ask for generations of others in projects of their teams, so that a decision rests on four rows; no
//! question is asked twice before all have been, nothing is pushed out, and the last of them are then answered from
//! memory. What is told is what the process has more in memory than before; verified tokens are in it.
//!
//! Does not: ask a million times but with `--full`: a tenth of it is reckoned up, and said to be.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::Empty;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use super::stage::{Stage, exchange};
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::connection::Connection;
use crate::process::{Sidegate, token};
use crate::scrape::Scrape;
use crate::{Reach, Target};

/// Before and after.
pub(super) async fn need(bench: &Bench) -> Result<Line, BenchError> {
    let decisions: u64 = if bench.full { MILLION } else { MILLION / 10 };
    let users = decisions / PER_USER;
    let rows = FILL
        .replace("USERS", &users.to_string())
        .replace("PER_USER", &PER_USER.to_string())
        .replace("DECISIONS", &decisions.to_string());
    let stage = Stage::filled(&bench.sidegate, &rows).await?;
    let started = stage.started(&bench.sidegate, |setup| setup.extent.cache = LARGE);
    let sidegate = started.await?;
    let crowd = Crowd::new(&sidegate, users).await?;
    // Threads, connections and what comes once and for all: by questions that are not counted.
    crowd.ask(decisions, decisions + WARM_UP).await?;
    sleep(SETTLE).await;
    let before = sidegate.scrape().await?;
    crowd.ask(0, decisions).await?;
    sleep(SETTLE).await;
    let after = sidegate.scrape().await?;
    let again = decisions / 10;
    crowd.ask(decisions - again, decisions).await?;
    let last = sidegate.scrape().await?;
    judged(decisions, [&before, &after, &last], again)
}

#[expect(clippy::cast_precision_loss, reason = "counts of at most millions")]
fn judged(
    decisions: u64,
    [before, after, last]: [&Scrape; 3],
    again: u64,
) -> Result<Line, BenchError> {
    let gained = |name: &str, labels: &[&str]| after.sum(name, labels) - before.sum(name, labels);
    let kept = gained("sidegate_cache_entries", &[MEMORY, RESOURCES]);
    let [then, now] = [after, last].map(|scrape| scrape.sum("sidegate_answers_total", &[MEMORY]));
    let memory = now - then;
    if kept < decisions as f64 || memory < again as f64 {
        let why = format!(
            "of {decisions} resources {kept} are in memory, and {memory} of {again} questions were answered from it"
        );
        return Err(BenchError::Silent(why));
    }
    let scale = MILLION as f64 / decisions as f64;
    let resident = gained("process_resident_memory_bytes", &[]) * scale / 1e6;
    let used = &[MEMORY, "state=\"used\""];
    let weighed = gained("sidegate_cache_bytes", used) * scale / 1e6;
    let reckoned = if decisions < MILLION {
        format!(", reckoned up from {decisions}")
    } else {
        String::new()
    };
    let measured = format!(
        "{resident:.0} MB more in memory for 10^6 decisions of {} users over as many generations{reckoned}; the rows weigh {weighed:.0} MB \
         by their own count ({} rows); all of them are kept, and the last {again} asked again came from memory",
        decisions / PER_USER,
        gained("sidegate_cache_entries", &[MEMORY]),
    );
    let mut reasons = Vec::new();
    if resident > LIMIT {
        let each = gained(
            "sidegate_cache_bytes",
            &[MEMORY, "state=\"used\"", RESOURCES],
        ) / kept;
        reasons.push(format!(
            "a generation's row alone weighs {each:.0} bytes, its place in the table and its texts included"
        ));
    }
    Ok(Line {
        row: Row::Memory,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

/// Clients that ask each for the next generation.
struct Crowd {
    target: Target,
    tokens: Arc<[String]>,
}

impl Crowd {
    async fn new(sidegate: &Sidegate, users: u64) -> Result<Self, BenchError> {
        let url = format!("http://{}/", sidegate.proxy());
        let tokens = (0..users).map(|user| token(numbered(user), None));
        Ok(Self {
            target: Target::resolve(&url, Reach::LoopbackOnly).await?,
            tokens: tokens.collect::<Result<_, _>>()?,
        })
    }

    /// Asks for the generations of these numbers, each once; all must be let in.
    async fn ask(&self, from: u64, to: u64) -> Result<(), BenchError> {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (target, tokens) = (self.target.clone(), Arc::clone(&self.tokens));
            clients.spawn(async move {
                let mut connection = Connection::new(target.origin().clone());
                for number in (from + client..to).step_by(STEP) {
                    let user = usize::try_from(number / PER_USER).unwrap_or_default();
                    let token = tokens.get(user % tokens.len().max(1));
                    let bearer = format!("Bearer {}", token.map_or("", String::as_str));
                    let request = Request::get(format!("/g/{}", numbered(number)))
                        .header(header::HOST, target.host())
                        .header(header::AUTHORIZATION, bearer)
                        .body(Empty::new())?;
                    let answer = exchange(&mut connection, &request).await;
                    match answer.map(|answer| answer.status) {
                        Ok(StatusCode::OK) => {}
                        Ok(status) => return Err(silent(&format!("{status} for {number}"))),
                        Err(error) => return Err(silent(&format!("{error} for {number}"))),
                    }
                }
                Ok(())
            });
        }
        while let Some(asked) = clients.join_next().await {
            asked??;
        }
        Ok(())
    }
}

fn silent(why: &str) -> BenchError {
    BenchError::Silent(why.to_owned())
}

/// The id of this number, as the database makes it.
fn numbered(number: u64) -> Uuid {
    let text = format!("00000000-0000-4000-8000-{number:012}");
    text.parse().unwrap_or_default()
}

const MILLION: u64 = 1_000_000;
/// Generations that each user asks for.
const PER_USER: u64 = 100;
const CLIENTS: u64 = 64;
const STEP: usize = 64;
const WARM_UP: u64 = 2_000;
const SETTLE: Duration = Duration::from_secs(1);
/// Megabytes.
const LIMIT: f64 = 200.0;
const MEMORY: &str = "tier=\"l1\"";
const RESOURCES: &str = "class=\"direct_ownership\"";

/// Room for everything, for as long as it takes.
const LARGE: &str = "{ l1_size_mb: 2048, tokens_mb: 256, classes: { user_auth: { ttl: 1h }, direct_ownership: { ttl: 1h }, \
    team_access: { ttl: 1h }, project_visibility: { ttl: 1h } } }";

/// Ten users to a team, which one project is of, for each hundred generations; they belong to somebody else. Some
/// more for what is not counted.
const FILL: &str = "\
create function u(n bigint) returns uuid language sql immutable as $$ \
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$; \
insert into users (id, email) select u(n), n || '@example.invalid' from generate_series(0, USERS) n; \
insert into teams (id, name) select u(n), 'team' from generate_series(0, USERS / 10) n; \
insert into team_members (team_id, user_id, role) \
    select u(n / 10), u(n), 'viewer' from generate_series(0, USERS - 1) n; \
insert into team_members (team_id, user_id, role) \
    select u(USERS / 10), u(n), 'viewer' from generate_series(0, USERS - 1) n on conflict do nothing; \
insert into projects (id, user_id, team_id, visibility) \
    select u(n), u(USERS), u(n / 10), 'private' from generate_series(0, USERS) n; \
insert into generations (id, user_id, project_id, status) \
    select u(n), u(USERS), u(n / PER_USER), 'completed' from generate_series(0, DECISIONS - 1) n; \
insert into generations (id, user_id, project_id, status) \
    select u(n), u(USERS), u(USERS), 'completed' from generate_series(DECISIONS, DECISIONS + 9999) n";
