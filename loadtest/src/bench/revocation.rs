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

use super::stage::{Stage, exchange};
use super::{Bench, BenchError, Line, Outcome, Row};
use crate::connection::Connection;
use crate::history::{Check, Fault, Outcome as Outcomes, Scale, Subject, check};
use crate::{Reach, Target};

/// The lags of all probed revocations.
pub(super) async fn lag(bench: &Bench) -> Result<Line, BenchError> {
    let plan = plan(bench);
    let faults = plan.faults.len();
    let outcome = check(plan, |_event| {}).await?;
    let (revocations, violations) = (outcome.revocations(), outcome.violations());
    let [median, tail, most] = outcome.lags();
    let hot = hot(bench).await?;
    let measured = format!(
        "p50 {} ms, p99 {} ms, at most {} ms over {revocations} revocations under {} faults (all but the one that needs a binary of its own); {} reads, {violations} against the rules; of {} rights that were in memory, p50 {} ms, at most {} ms, {} given up after {} s",
        milliseconds(median),
        milliseconds(tail),
        milliseconds(most),
        faults,
        outcome.reads(),
        hot.lags.len(),
        milliseconds(rank(&hot.lags, 50)),
        milliseconds(rank(&hot.lags, 100)),
        hot.violations,
        EFFECT.as_secs(),
    );
    let reasons = reasons(&outcome, &hot);
    let mut open = Vec::new();
    if revocations < WANTED {
        open.push(format!(
            "{revocations} of the {WANTED} revocations wanted (the rest with --full)"
        ));
    }
    Ok(Line {
        row: Row::Revocation,
        measured,
        outcome: Outcome::unless_open(&reasons, &open),
    })
}

/// What is against it.
fn reasons(outcome: &Outcomes, hot: &Hot) -> Vec<String> {
    let ([median, _, most], violations) = (outcome.lags(), outcome.violations());
    let (lags, late) = (&hot.lags, hot.violations);
    let mut reasons = Vec::new();
    if median > MEDIAN || rank(lags, 50) > MEDIAN {
        reasons.push(format!(
            "the median is {} ms, and {} ms of rights in memory; one is above 60 ms",
            milliseconds(median),
            milliseconds(rank(lags, 50))
        ));
    }
    let longest = most.max(rank(lags, 100));
    if longest > BOUND {
        reasons.push(format!(
            "a right was granted for {} ms after it was taken away, which is above a second",
            milliseconds(longest)
        ));
    }
    if late > 0 {
        reasons.push(format!(
            "{late} rights in memory still counted {} s after they were taken away",
            EFFECT.as_secs()
        ));
    }
    if violations > 0 {
        reasons.push(format!(
            "{violations} reads were against the rules: granted too late, or wrongly refused"
        ));
    }
    if !outcome.is_enough() {
        let unseen = outcome.unseen().join(", ");
        reasons.push(format!("too little was judged, or not enough of: {unseen}"));
    }
    reasons
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

/// What came of rights that were in memory.
#[derive(Debug, Default)]
struct Hot {
    /// Nanoseconds from the acknowledged commit to the last question that was still allowed, in order.
    lags: Vec<u64>,
    /// Those that still counted when nobody waited any more; their lag is at least that.
    violations: u64,
}

/// Takes a membership away that was just counted, again and again; not any more after a few that did not end.
async fn hot(bench: &Bench) -> Result<Hot, BenchError> {
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
        let answer = exchange(&mut connection, &request).await?;
        Ok::<_, BenchError>(answer.status == StatusCode::OK)
    };
    let mut hot = Hot::default();
    for round in 0..if bench.full { 1_000 } else { 100 } {
        client.batch_execute(GIVE).await?;
        let known = sidegate.metric(MEMORY).await?;
        let end = Instant::now() + WARM;
        while sidegate.metric(MEMORY).await? < known + 3 {
            if Instant::now() > end {
                let why = format!(
                    "a right that was given is not in memory after {} s",
                    WARM.as_secs()
                );
                return Err(BenchError::Silent(why));
            }
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
            if asked > EFFECT {
                hot.violations += 1;
                break;
            }
            sleep(MOMENT).await;
        }
        let lag = u64::try_from(last.as_nanos()).unwrap_or(u64::MAX);
        hot.lags.push(lag);
        if hot.violations >= MOST_VIOLATIONS {
            break;
        }
    }
    hot.lags.sort_unstable();
    Ok(hot)
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
/// Until a right that was given is in memory, and until one that was taken away does not count any more.
const WARM: Duration = Duration::from_secs(30);
const EFFECT: Duration = Duration::from_secs(5);
/// More of them say nothing new, and each takes its time.
const MOST_VIOLATIONS: u64 = 3;
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
