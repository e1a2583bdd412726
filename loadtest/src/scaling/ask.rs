//! Questions as fast as a few clients get their answers.
//!
//! Promises: each of a row of arrivals is asked once, in about their order; every answer is checked; it ends after
//! five minutes at most.
//!
//! Does not: say how long an answer takes. A closed loop sends less to a slow server, so only counts are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{SEED, ScalingError};
use crate::connection::Connection;
use crate::plan::Plan;
use crate::process::Sidegate;
use crate::scenario::{Draw, Ground, load};
use crate::schedule::Schedule;

/// Which arrivals of which draw.
pub(super) struct Questions {
    pub(super) draw: Draw,
    pub(super) first: u64,
    pub(super) count: u64,
    /// Clients at once.
    pub(super) clients: usize,
}

/// Asks them all.
pub(super) async fn ask(
    ground: &Ground,
    sidegate: &Sidegate,
    questions: Questions,
) -> Result<(), ScalingError> {
    let Questions {
        draw,
        first,
        count,
        clients,
    } = questions;
    // Only what is asked is taken from the plan, not when.
    let never = Schedule::new(1, Duration::ZERO, Duration::from_secs(1))?;
    let plan = Arc::new(load(ground, sidegate, draw, never, clients, SEED, first).await?);
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for _client in 0..clients {
        asking.spawn(client(Arc::clone(&plan), Arc::clone(&next), count, begun));
    }
    let (mut asked, mut bad) = (0, 0);
    while let Some(told) = asking.join_next().await {
        let (all, unexpected) = told?;
        asked += all;
        bad += unexpected;
    }
    if bad * FEW > asked {
        return Err(ScalingError::Answers { bad, asked });
    }
    if asked < count {
        return Err(ScalingError::Slow {
            asked,
            wanted: count,
        });
    }
    Ok(())
}

/// How many it has asked, and how many answers were to be others.
async fn client(plan: Arc<Plan>, next: Arc<AtomicU64>, count: u64, begun: Instant) -> (u64, u64) {
    let (mut asked, mut bad) = (0, 0);
    let mut open = None;
    while begun.elapsed() < LONGEST {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= count {
            break;
        }
        let shot = plan.shot(index);
        let connection = open.get_or_insert_with(|| Connection::new(shot.origin.clone()));
        asked += 1;
        match timeout(PATIENCE, connection.exchange(&shot.request)).await {
            Ok(Ok(answer)) if shot.expected.is(answer.status) => {}
            Ok(Ok(_)) => bad += 1,
            Ok(Err(_)) | Err(_) => {
                bad += 1;
                connection.close();
            }
        }
    }
    (asked, bad)
}

/// For all of them.
pub(super) const LONGEST: Duration = Duration::from_secs(300);
/// For one.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of so many one may fail.
const FEW: u64 = 1_000;
