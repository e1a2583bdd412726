//! Instructions of one request through Sidegate and through bare Pingora.
//!
//! Promises: both answer the same requests from warm memory under callgrind, one after the other over one
//! connection; without valgrind, or without one of the two, it is said that nothing was counted. Does not: count the
//! kernel's work, which is most of a proxy's time.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::peer::Peer;
use super::process::find;
use super::stage::{FROM_MEMORY, Stage};
use super::{Comparison, PeersError};
use crate::bench::BenchError;
use crate::bench::callgrind::Callgrind;
use crate::bench::stage::wait;
use crate::process::Sidegate;

/// Per request, of the thread that serves.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Instructions {
    /// Both.
    Counted {
        /// Sidegate's.
        sidegate: f64,
        /// Bare Pingora's.
        bare: f64,
    },
    /// Why there are none.
    NotCounted(String),
}

pub(super) async fn count(
    stage: &Stage,
    comparison: &Comparison,
) -> Result<Instructions, PeersError> {
    let Some(bare) = &comparison.bare else {
        return Ok(Instructions::NotCounted(
            "no bare Pingora was named".to_owned(),
        ));
    };
    if !stage.peers.iter().any(|it| it.peer == Peer::Sidegate) {
        return Ok(Instructions::NotCounted(
            "sidegate was not asked for".to_owned(),
        ));
    }
    if find(Path::new("valgrind")).is_none() {
        return Ok(Instructions::NotCounted(
            "valgrind is not installed".to_owned(),
        ));
    }
    Ok(Instructions::Counted {
        sidegate: of_sidegate(stage, &comparison.sidegate).await?,
        bare: of_bare(stage, bare).await?,
    })
}

async fn of_sidegate(stage: &Stage, program: &Path) -> Result<f64, PeersError> {
    let callgrind = Callgrind::new()?;
    let configuration = stage.surroundings.sidegate("{}", PATIENCE)?;
    let under = callgrind.command();
    let sidegate = Sidegate::start_with_under(&under, program, &configuration).await?;
    wait(&sidegate, "sidegate_cache_open", 1)
        .await
        .map_err(Box::new)?;
    let request = stage.request(Some(&stage.token));
    let watched = callgrind.watch(sidegate.id(), sidegate.proxy(), &request, REQUESTS);
    watched.await.map_err(Box::new)?;
    let memory = sidegate.metric(FROM_MEMORY).await?;
    if memory < u64::from(REQUESTS) {
        let why = format!("{memory} of {REQUESTS} answers were from memory");
        return Err(Box::new(BenchError::Silent(why)).into());
    }
    drop(sidegate);
    Ok(callgrind.instructions(REQUESTS)?)
}

async fn of_bare(stage: &Stage, program: &Path) -> Result<f64, PeersError> {
    let callgrind = Callgrind::new()?;
    let under = callgrind.command();
    let bare = stage.surroundings.bare(&under, program).await?;
    let (request, address) = (
        stage.request(Some(&stage.token)),
        bare.address().to_string(),
    );
    let watched = callgrind.watch(bare.id(), &address, &request, REQUESTS);
    watched.await.map_err(Box::new)?;
    drop(bare);
    Ok(callgrind.instructions(REQUESTS)?)
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counted { sidegate, bare } => write!(
                f,
                "Instructions per request outside of the kernel: Sidegate {sidegate:.0}, bare Pingora {bare:.0}: {:.2} x.",
                sidegate / bare
            ),
            Self::NotCounted(why) => write!(f, "Instructions were not counted: {why}."),
        }
    }
}

const REQUESTS: u32 = 1000;
/// Seconds for one question: under valgrind everything is fifty times as slow.
const PATIENCE: &str = "30";
