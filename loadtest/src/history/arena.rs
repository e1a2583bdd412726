//! What all who take part in one case share: the world, what was written, and who is told of it.
//!
//! Promises: a change is noted under the lock under which its effect is worked out, so that "granted" and
//! "revoked" are told in the order of the commits of each scene. Does not: write to the database.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{RwLock, watch};

use super::clock::{Clock, Moment};
use super::rule::Key;
use super::scene::{Change, Shape};
use super::timeline::Timeline;
use super::world::World;

/// A change of one scene.
pub(super) type Step = (usize, Change);

/// Shared by writers, readers, probes and the fault.
#[derive(Debug)]
pub(super) struct Arena {
    pub(super) clock: Clock,
    pub(super) world: World,
    /// Where the database is, past every relay.
    pub(super) url: String,
    /// Held by a writer for each step; taken whole by a fault that changes what is the writers'.
    pub(super) gate: RwLock<()>,
    /// False until the case ends.
    pub(super) stop: watch::Sender<bool>,
    timelines: Mutex<Vec<Timeline>>,
    /// How often each scene has begun to change.
    steps: Vec<AtomicU64>,
    revocations: AtomicU64,
    lost: AtomicU64,
    probes: UnboundedSender<Probe>,
}

/// A question to be asked of every instance now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    pub(super) question: usize,
    pub(super) scene: usize,
    /// The scene's count of steps, after which the answer means something else.
    pub(super) step: u64,
    /// The acknowledgement of the commit.
    pub(super) since: Moment,
    /// Ask until it is refused, and measure.
    pub(super) revoked: bool,
}

impl Arena {
    pub(super) fn new(
        clock: Clock,
        world: World,
        url: String,
        probes: UnboundedSender<Probe>,
    ) -> Self {
        Self {
            clock,
            url,
            gate: RwLock::new(()),
            stop: watch::Sender::new(false),
            timelines: Mutex::new(world.first.iter().copied().map(Timeline::new).collect()),
            steps: world.scenes.iter().map(|_| AtomicU64::new(0)).collect(),
            revocations: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            probes,
            world,
        }
    }

    /// What a scene would do next, given its values.
    pub(super) fn with_values<T>(&self, take: impl FnOnce(&dyn Fn(Key) -> u32) -> T) -> T {
        let timelines = self.timelines.lock();
        take(&|key| timelines.get(key).map_or(0, Timeline::value))
    }

    /// Whether any question of the scene is to be allowed.
    pub(super) fn is_granted(&self, scene: usize) -> bool {
        self.with_values(|value| self.allowed(scene, &value).into_iter().any(|it| it))
    }

    /// Called before the statements of a step: earlier probes of its scenes end.
    pub(super) fn begin(&self, scenes: impl IntoIterator<Item = usize>) {
        for scene in scenes {
            if let Some(step) = self.steps.get(scene) {
                step.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    pub(super) fn step(&self, scene: usize) -> u64 {
        self.steps
            .get(scene)
            .map_or(0, |step| step.load(Ordering::SeqCst))
    }

    /// The steps were committed, all in one transaction.
    pub(super) fn committed(&self, steps: &[Step], call: Moment, ack: Moment) {
        let scenes: BTreeSet<usize> = steps.iter().map(|(scene, _)| *scene).collect();
        let mut timelines = self.timelines.lock();
        let allowed = |timelines: &[Timeline], scene| {
            self.allowed(scene, &|key: Key| {
                timelines.get(key).map_or(0, Timeline::value)
            })
        };
        let before: Vec<_> = scenes
            .iter()
            .map(|scene| allowed(&timelines, *scene))
            .collect();
        for (_, change) in steps {
            if let Some(timeline) = timelines.get_mut(change.key) {
                timeline.committed(change.value, call, ack);
            }
        }
        for (scene, before) in scenes.into_iter().zip(before) {
            let after = allowed(&timelines, scene);
            self.tell(scene, &before, &after, ack);
        }
    }

    /// Nobody knows whether the steps were committed.
    pub(super) fn uncertain(&self, steps: &[Step], call: Moment) {
        let mut timelines = self.timelines.lock();
        for (_, change) in steps {
            if let Some(timeline) = timelines.get_mut(change.key) {
                timeline.uncertain(change.value, call);
            }
        }
    }

    /// The database's own word on the facts of these scenes, after it was lost sight of at `call`.
    pub(super) fn found(
        &self,
        scenes: &[usize],
        facts: &HashMap<String, String>,
        call: Moment,
        ack: Moment,
    ) {
        let mut timelines = self.timelines.lock();
        for scene in scenes
            .iter()
            .filter_map(|scene| self.world.scenes.get(*scene))
        {
            for key in scene.shape.keys() {
                if let (Some(fact), Some(timeline)) =
                    (self.world.facts.get(key), timelines.get_mut(key))
                {
                    let text = facts.get(&fact.name()).map(String::as_str);
                    let value = fact.value(text);
                    if timeline.contradicts(value) {
                        self.lost.fetch_add(1, Ordering::Relaxed);
                    }
                    timeline.committed(value, call, ack);
                }
            }
        }
    }

    /// Rights that ended by a commit.
    pub(super) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::Relaxed)
    }

    /// Facts whose last commit was acknowledged, and which the database then did not have.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What was written, as it is known now.
    pub(super) fn timelines(&self) -> Vec<Timeline> {
        self.timelines.lock().clone()
    }

    fn allowed(&self, scene: usize, value: &impl Fn(Key) -> u32) -> Vec<bool> {
        let questions = self
            .world
            .scenes
            .get(scene)
            .map(|scene| scene.questions.iter());
        let questions = questions.into_iter().flatten();
        questions
            .filter_map(|at| self.world.questions.get(*at))
            .map(|question| question.judgement.allow().holds(value))
            .collect()
    }

    fn tell(&self, scene: usize, before: &[bool], after: &[bool], since: Moment) {
        let Some(about) = self.world.scenes.get(scene) else {
            return;
        };
        let always = matches!(about.shape, Shape::Moving { .. });
        let changes = about.questions.iter().zip(before.iter().zip(after));
        for (question, (before, after)) in changes {
            let revoked = *before && !*after;
            if revoked {
                self.revocations.fetch_add(1, Ordering::Relaxed);
            }
            if before != after || always {
                let step = self.step(scene);
                // At the end of a case nobody asks any more.
                let _ = self.probes.send(Probe {
                    question: *question,
                    scene,
                    step,
                    since,
                    revoked,
                });
            }
        }
    }
}
