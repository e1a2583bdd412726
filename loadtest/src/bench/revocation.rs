//! For how long a right that was taken away is still granted: what the history checker finds, under its faults.
//!
//! Promises: every fault that needs no binary of its own; short it is some thousand revocations, and says so. Beside it
//! rights that are in memory when they are taken away, with nothing wrong and one at a time: most of the checker's
//! are not in memory at that moment, and are refused at once.
//!
//! Does not: play the guards, which show that the checker can fail (`scripts/check-history`).

use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::Empty;
use tokio::time::{Instant, sleep};

use super::stage::Stage;
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::connection::Connection;
use crate::history::{Check, Fault, Scale, Subject, check};
use crate::{Reach, Target};

/// The lags of all probed revocations.
pub(super) async fn lag(bench: &Bench) -> Result<Line, BenchError> {
    let plan = plan(bench);
    let faults = plan.faults.len();
    let outcome = check(plan, |_event| {}).await?;
    let (revocations, violations) = (outcome.revocations(), outcome.violations());
    let [median, tail, most] = outcome.lags();
    let reckoned = if revocations < WANTED {
        format!("{revocations} of the {WANTED} revocations wanted")
    } else {
        format!("{revocations} revocations")
    };
    let hot = hot(bench).await?;
    let measured = format!(
        "p50 {} ms, p99 {} ms, at most {} ms over {reckoned} under {} faults; {} reads, {violations} against the rules; of {} rights that were in memory, p50 {} ms, at most {} ms",
        milliseconds(median),
        milliseconds(tail),
        milliseconds(most),
        faults,
        outcome.reads(),
        hot.len(),
        milliseconds(rank(&hot, 50)),
        milliseconds(rank(&hot, 100)),
    );
    let mut reasons = Vec::new();
    if median > MEDIAN || rank(&hot, 50) > MEDIAN {
        reasons.push("the median is above 60 ms".to_owned());
    }
    if most.max(rank(&hot, 100)) > BOUND || violations > 0 {
        let why =
            "a right was granted later than a second after it was taken away, or wrongly refused";
        reasons.push(why.to_owned());
    }
    if !outcome.is_enough() {
        let unseen = outcome.unseen().join(", ");
        reasons.push(format!("too little was judged, or not enough of: {unseen}"));
    }
    Ok(Line {
        row: Row::Revocation,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

fn plan(bench: &Bench) -> Check {
    let mut faults = Fault::ALL.to_vec();
    // It needs a binary that can be given one slot.
    faults.retain(|fault| *fault != Fault::OneSlot);
    Check {
        subject: Subject::Sidegate {
            binary: bench.sidegate.clone(),
            weakened: None,
        },
        faults,
        guards: Vec::new(),
        scale: if bench.full {
            Scale::Full
        } else {
            Scale::Short
        },
        enough: true,
    }
}

/// Takes a membership away that was just counted, again and again: nanoseconds from the acknowledged commit to the last
/// question that was still allowed, in order.
async fn hot(bench: &Bench) -> Result<Vec<u64>, BenchError> {
    let stage = Stage::filled(&bench.sidegate, MEMBER).await?;
    let (client, _driver) = stage.owner().await?;
    let sidegate = stage.instance(&bench.sidegate, None).await?;
    let url = format!("http://{}/", sidegate.proxy());
    let target = Target::resolve(&url, Reach::LoopbackOnly).await?;
    let request = Request::get(format!("/g/{GENERATION}"))
        .header(header::HOST, target.host())
        .header(header::AUTHORIZATION, format!("Bearer {}", stage.token()))
        .body(Empty::new())?;
    let mut connection = Connection::new(target.origin().clone());
    let mut is_allowed = async || {
        let answer = connection.exchange(&request).await;
        let answer = answer.map_err(|error| BenchError::Silent(error.to_string()))?;
        Ok::<_, BenchError>(answer.status == StatusCode::OK)
    };
    let mut lags = Vec::new();
    for round in 0..if bench.full { 1_000 } else { 100 } {
        client.batch_execute(GIVE).await?;
        let known = sidegate.metric(MEMORY).await?;
        while sidegate.metric(MEMORY).await? < known + 3 {
            is_allowed().await?;
            sleep(MOMENT).await;
        }
        // Not always at the same moment between two polls.
        sleep(Duration::from_millis(round * 7 % 50)).await;
        client.batch_execute(TAKE).await?;
        let (taken, mut last) = (Instant::now(), Duration::ZERO);
        loop {
            let asked = taken.elapsed();
            if !is_allowed().await? {
                break;
            }
            last = asked;
            sleep(MOMENT).await;
        }
        lags.push(u64::try_from(last.as_nanos()).unwrap_or(u64::MAX));
    }
    lags.sort_unstable();
    Ok(lags)
}

/// Of sorted values.
fn rank(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

/// Rounded up.
fn milliseconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(1_000_000)
}

const WANTED: u64 = 100_000;
/// Nanoseconds.
const MEDIAN: u64 = 60_000_000;
const BOUND: u64 = 1_000_000_000;

const MEMORY: &str = "sidegate_answers_total{tier=\"l1\"}";
/// Between two questions.
const MOMENT: Duration = Duration::from_millis(1);
const GENERATION: &str = "6e000000-0000-4000-8000-000000000001";

/// The stage's user, and somebody whose generation is in a project of a team.
const MEMBER: &str = "\
insert into users (id, email) values ('00000000-0000-0000-0000-000000000000', 'a@example.invalid'), \
    ('a11ce000-0000-4000-8000-000000000001', 'b@example.invalid'); \
insert into teams (id, name) values ('7ea00000-0000-4000-8000-000000000001', 'team'); \
insert into projects (id, user_id, team_id) values ('9a000000-0000-4000-8000-000000000001', \
    'a11ce000-0000-4000-8000-000000000001', '7ea00000-0000-4000-8000-000000000001'); \
insert into generations (id, user_id, project_id) values ('6e000000-0000-4000-8000-000000000001', \
    'a11ce000-0000-4000-8000-000000000001', '9a000000-0000-4000-8000-000000000001')";
const GIVE: &str = "\
insert into team_members (team_id, user_id, role) values \
    ('7ea00000-0000-4000-8000-000000000001', '00000000-0000-0000-0000-000000000000', 'viewer')";
const TAKE: &str = "delete from team_members";
