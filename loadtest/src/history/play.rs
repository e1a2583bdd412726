//! Plays one case: sets the stage, lets them write and read while the fault goes on, and judges.
//!
//! Promises: whoever takes part has ended before the history is judged; a case in which nothing was read
//! or revoked could not be played, and is no pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::HistoryError;
use super::case::{Fault, Scale, Size};
use super::checker::{Example, Judgement, Read, check};
use super::outcome::{Report, Seen};
use super::reader::{probe, read};
use super::stage::{Actor, Stage};
use super::watcher::watch;
use super::writer::Writer;

/// Plays the case. With `shares` it goes on until its part of the scale's goal is reached, for a while.
pub(super) async fn play(
    actor: &Actor,
    fault: Fault,
    scale: Scale,
    shares: Option<usize>,
) -> Result<Report, HistoryError> {
    let size = scale.size();
    let late = matches!(fault, Fault::LateFill | Fault::OldFill);
    let patience = if late { LONG_PATIENCE } else { PATIENCE };
    let (stage, probes) =
        Stage::set(actor, size.scenes, patience, fault == Fault::StaleView).await?;
    let mut asking = JoinSet::new();
    for (number, front) in stage.fronts.iter().enumerate() {
        for reader in 0..size.readers {
            let seed = u64::try_from(number * size.readers + reader).unwrap_or_default();
            let (arena, log) = (Arc::clone(&stage.arena), Arc::clone(&stage.log));
            asking.spawn(read(arena, Arc::clone(front), log, size.pace, seed));
        }
        for question in &stage.watched {
            let seed = u64::try_from(number * stage.watched.len() + *question).unwrap_or_default();
            let (arena, log) = (Arc::clone(&stage.arena), Arc::clone(&stage.log));
            asking.spawn(watch(arena, Arc::clone(front), log, *question, seed));
        }
    }
    let (arena, log, lags) = (
        Arc::clone(&stage.arena),
        Arc::clone(&stage.log),
        Arc::clone(&stage.lags),
    );
    asking.spawn(probe(arena, stage.fronts.clone(), log, lags, probes));
    let mut writing = JoinSet::new();
    for (number, scenes) in stage.parts(size.writers).into_iter().enumerate() {
        let seed = u64::try_from(number).unwrap_or_default();
        let arena = Arc::clone(&stage.arena);
        let writer = Writer::new(arena, scenes, fault.style(number), size.batch, seed).await?;
        writing.spawn(writer.write());
    }

    tokio::select! {
        done = rounds(&stage, fault, size, goal(scale, shares)) => done?,
        // Before the end a writer ends only with an error.
        Some(ended) = writing.join_next() => ended??,
    }
    stage.arena.stop.send_replace(true);
    while let Some(ended) = writing.join_next().await {
        ended??;
    }
    while let Some(ended) = asking.join_next().await {
        ended?;
    }
    tokio::task::spawn_blocking(move || judge(&stage)).await?
}

/// Revocations and reads of one case.
fn goal(scale: Scale, shares: Option<usize>) -> Option<(u64, u64)> {
    let shares = u64::try_from(shares?).ok()?.max(1);
    let (revocations, reads) = scale.goal();
    Some((revocations.div_ceil(shares), reads.div_ceil(shares)))
}

async fn rounds(
    stage: &Stage,
    fault: Fault,
    size: Size,
    goal: Option<(u64, u64)>,
) -> Result<(), HistoryError> {
    sleep(WARM_UP).await;
    let begun = Instant::now();
    // Where there is no goal it is to be found out whether something goes wrong: that may take a while.
    let least = if goal.is_some() { size.least } else { LONG };
    let (revocations, reads) = goal.unwrap_or_default();
    loop {
        stage.round(fault).await?;
        let enough = stage.arena.revocations() >= revocations && stage.log.count() >= reads;
        let elapsed = begun.elapsed();
        if elapsed >= size.most || (elapsed >= least && enough) {
            break;
        }
    }
    sleep(WIND_DOWN).await;
    Ok(())
}

fn judge(stage: &Stage) -> Result<Report, HistoryError> {
    if let Some(status) = stage.log.strange() {
        return Err(HistoryError::Strange(status));
    }
    let (timelines, reads) = (stage.arena.timelines(), stage.log.take());
    let judgements: Vec<Judgement> = stage
        .arena
        .world
        .questions
        .iter()
        .map(|question| question.judgement.clone())
        .collect();
    let pieces = stage.log.take_pieces();
    let all: Vec<Read> = reads.iter().chain(&pieces).copied().collect();
    let findings = check(&timelines, &judgements, &all);
    let count = |reads: &[Read]| u64::try_from(reads.len()).unwrap_or(u64::MAX);
    let report = Report {
        revocations: stage.arena.revocations(),
        reads: count(&reads),
        streamed: count(&pieces),
        seen: seen(stage, &all),
        unanswered: stage.log.unanswered(),
        stale_allows: findings.stale_allows,
        stale_refusals: findings.stale_refusals,
        lost: stage.arena.lost(),
        unprobed: stage.lags.unprobed(),
        examples: findings
            .examples
            .iter()
            .map(|example| describe(stage, example))
            .collect(),
        lags: stage.lags.take(),
    };
    if report.reads == 0 || report.revocations == 0 {
        return Err(HistoryError::Silent("nothing was read, or nothing revoked"));
    }
    if report.streamed == 0 && !stage.watched.is_empty() {
        return Err(HistoryError::Silent("nothing has arrived of any stream"));
    }
    Ok(report)
}

/// How often each kind of question was answered, and how.
fn seen(stage: &Stage, reads: &[Read]) -> BTreeMap<&'static str, Seen> {
    let mut all: BTreeMap<&'static str, Seen> = BTreeMap::new();
    let questions = &stage.arena.world.questions;
    for read in reads {
        if let Some(question) = questions.get(read.question) {
            let seen = all.entry(question.about).or_default();
            let count = match (read.is_piece, read.allowed) {
                (true, _) => &mut seen.streamed,
                (false, true) => &mut seen.allowed,
                (false, false) => &mut seen.refused,
            };
            *count = count.saturating_add(1);
        }
    }
    all
}

fn describe(stage: &Stage, example: &Example) -> String {
    let Example { read, late_by } = example;
    let verdict = match (read.is_piece, read.allowed) {
        (true, _) => "piece of a stream",
        (false, true) => "allow",
        (false, false) => "refusal",
    };
    let about = stage
        .arena
        .world
        .questions
        .get(read.question)
        .map_or("", |it| it.about);
    let right = match late_by {
        Some(late_by) => format!("last right {} ms before the question", late_by.as_millis()),
        None => "right at no time".to_owned(),
    };
    format!(
        "{verdict} of question {} ({about}) by instance {} at {:.3} s, answered within {} ms: {right}",
        read.question,
        read.instance,
        Duration::from_nanos(read.sent.0).as_secs_f64(),
        read.answered.since(read.sent).as_millis(),
    )
}

/// For one question to the database, in seconds.
const PATIENCE: u32 = 2;

/// The same where answers are late: opening a connection takes several of them.
const LONG_PATIENCE: u32 = 8;

/// How long a case without a goal goes on at least.
const LONG: Duration = Duration::from_secs(3);

/// Until both instances know the world.
const WARM_UP: Duration = Duration::from_millis(700);

/// Longer than the bound: what is stale then is seen.
const WIND_DOWN: Duration = Duration::from_millis(1_300);
