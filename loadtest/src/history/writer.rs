//! A writer: takes the steps of its scenes, each when it is due, and notes what was committed when.
//!
//! Promises: a key has one writer, apart from a fault that holds the gate. After a lost connection the
//! writer asks the database what became of its facts before it goes on: commits may be lost that were
//! acknowledged.
//!
//! Does not: wait for anybody's answer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::HistoryError;
use super::arena::{Arena, Step};
use super::clock::Moment;
use super::dice::Dice;
use super::scene::{Change, Shape};
use super::session::Session;

/// How a writer commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Statements and commit in one go.
    Plain,
    /// The first statement gives the transaction its id; then it stands still, and others overtake it.
    Stalled,
    /// Every other time something is rolled back first.
    Rollbacks,
    /// As a replication worker, whom ordinary triggers do not see.
    Replica,
}

/// The scenes of one connection.
#[derive(Debug)]
pub(super) struct Writer {
    arena: Arc<Arena>,
    scenes: Vec<usize>,
    style: Style,
    /// Scenes in one transaction, at most.
    batch: usize,
    dice: Dice,
    session: Session,
    /// When the connection was last known to be good.
    good: Moment,
    /// What is due when; with the scene's count of steps, because a fault may come in between.
    due: BinaryHeap<Reverse<(Instant, usize, u64)>>,
}

impl Writer {
    pub(super) async fn new(
        arena: Arc<Arena>,
        scenes: Vec<usize>,
        style: Style,
        batch: usize,
        seed: u64,
    ) -> Result<Self, HistoryError> {
        let session = open(&arena.url, style).await?;
        let good = arena.clock.now();
        let mut dice = Dice::new(seed);
        let first = |scene: &usize| {
            let wait = dice.time(Duration::ZERO, Duration::from_secs(1));
            Reverse((Instant::now() + wait, *scene, 0))
        };
        let due = scenes.iter().map(first).collect();
        Ok(Self {
            arena,
            scenes,
            style,
            batch,
            dice,
            session,
            good,
            due,
        })
    }

    /// Until the case ends.
    pub(super) async fn write(mut self) -> Result<(), HistoryError> {
        let mut stop = self.arena.stop.subscribe();
        loop {
            let Some(Reverse((due, ..))) = self.due.peek() else {
                return Ok(());
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                () = sleep_until(*due) => {}
            }
            self.turn().await?;
        }
    }

    async fn turn(&mut self) -> Result<(), HistoryError> {
        let arena = Arc::clone(&self.arena);
        let gate = arena.gate.read().await;
        let steps = self.next_steps();
        if steps.is_empty() {
            return Ok(());
        }
        arena.begin(steps.iter().map(|(scene, _)| *scene));
        let (call, committed) = self.commit(&steps).await;
        match committed {
            Ok(ack) => {
                self.good = ack;
                arena.committed(&steps, call, ack);
                for (scene, _) in steps {
                    self.plan(scene);
                }
            }
            Err(_) => {
                arena.uncertain(&steps, call);
                self.recover().await?;
            }
        }
        drop(gate);
        Ok(())
    }

    /// The steps that are due. A scene that somebody else has changed gets another time.
    fn next_steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        while steps.len() < self.batch {
            match self.due.peek() {
                Some(Reverse((due, ..))) if *due <= Instant::now() => {}
                Some(_) | None => break,
            }
            let Some(Reverse((_, scene, planned))) = self.due.pop() else {
                break;
            };
            if self.arena.step(scene) != planned {
                self.plan(scene);
                continue;
            }
            let Some(about) = self.arena.world.scenes.get(scene) else {
                continue;
            };
            let dice = &mut self.dice;
            let change = self
                .arena
                .with_values(|value| about.shape.next(value, dice));
            steps.push((scene, change));
        }
        steps
    }

    /// The call of the commit and, if all went well, its acknowledgement.
    async fn commit(&mut self, steps: &[Step]) -> (Moment, Result<Moment, HistoryError>) {
        let arena = Arc::clone(&self.arena);
        let sql = statements(&arena, steps.iter().map(|(_, change)| change));
        let mut call = arena.clock.now();
        let done = match self.style {
            Style::Plain | Style::Replica => self.session.run(&sql).await,
            Style::Rollbacks if self.dice.chance(1, 2) => {
                let undone = format!(
                    "begin; {sql}; rollback; begin; savepoint a; {sql}; rollback to a; {sql}; commit"
                );
                self.session.run(&undone).await
            }
            Style::Rollbacks => self.session.run(&sql).await,
            Style::Stalled => match self.session.run(&format!("begin; {sql}")).await {
                Ok(()) => {
                    sleep(self.dice.time(STALL / 2, STALL)).await;
                    call = arena.clock.now();
                    self.session.run("commit").await
                }
                Err(error) => Err(error),
            },
        };
        (call, done.map(|()| arena.clock.now()))
    }

    /// Opens a new connection, and takes the database's word for what became of the facts.
    async fn recover(&mut self) -> Result<(), HistoryError> {
        let reopened = timeout(PATIENCE, async {
            loop {
                if let Ok(session) = open(&self.arena.url, self.style).await
                    && let Ok(facts) = session.facts(self.arena.world.credentials).await
                {
                    return (session, facts);
                }
                sleep(RETRY).await;
            }
        });
        let Ok((session, facts)) = reopened.await else {
            return Err(HistoryError::Silent("the database did not come back"));
        };
        self.session = session;
        let now = self.arena.clock.now();
        self.arena.begin(self.scenes.iter().copied());
        self.arena.found(&self.scenes, &facts, self.good, now);
        self.good = now;
        self.due.clear();
        for scene in self.scenes.clone() {
            self.plan(scene);
        }
        Ok(())
    }

    /// Long enough for a cached allow to become wrong, mostly; sometimes as fast as it goes.
    fn plan(&mut self, scene: usize) {
        let about = self.arena.world.scenes.get(scene);
        let moving = about.is_some_and(|about| matches!(about.shape, Shape::Moving { .. }));
        let exchange = about.is_some_and(|about| matches!(about.shape, Shape::Exchange(_)));
        let (least, most) = if moving && self.dice.chance(3, 10) {
            // Two steps between two polls.
            (5, 30)
        } else if moving {
            (100, 500)
        } else if !exchange && self.arena.is_granted(scene) {
            (150, 600)
        } else if self.dice.chance(3, 10) {
            (20, 300)
        } else {
            (1_200, 1_800)
        };
        let wait = self
            .dice
            .time(Duration::from_millis(least), Duration::from_millis(most));
        let step = self.arena.step(scene);
        self.due.push(Reverse((Instant::now() + wait, scene, step)));
    }
}

/// The statements of changes.
pub(super) fn statements<'a>(arena: &Arena, changes: impl Iterator<Item = &'a Change>) -> String {
    let set = |change: &Change| {
        let fact = arena.world.facts.get(change.key);
        fact.map(|fact| fact.set(change.value))
    };
    changes.filter_map(set).collect::<Vec<_>>().join("; ")
}

async fn open(url: &str, style: Style) -> Result<Session, HistoryError> {
    let session = Session::open(url).await?;
    if style == Style::Replica {
        session
            .run("set session_replication_role = replica")
            .await?;
    }
    Ok(session)
}

/// Several polls long.
const STALL: Duration = Duration::from_millis(200);

/// For a server that starts again.
const PATIENCE: Duration = Duration::from_secs(30);

const RETRY: Duration = Duration::from_millis(20);
