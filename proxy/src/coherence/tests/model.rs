//! Transactions, polls and fills in any order, against what was true when.

use proptest::prelude::*;

use super::*;
use crate::coherence::effect::carry_out;
use crate::coherence::feed::{Asked, Feed};
use crate::coherence::poll::{Answer, Changes};
use crate::coherence::snapshot::Snapshot;

const TAGS: [&str; 3] = ["user:a", "user:b", "user:c"];

/// A database whose only values are how often a tag was changed.
#[derive(Debug, Default)]
struct Model {
    next: u64,
    running: Vec<(u64, usize)>,
    /// In the order of the commits: also the clock.
    committed: Vec<(u64, usize)>,
}

impl Model {
    fn snapshot(&self) -> Snapshot {
        let xmax = self.next + 3;
        let mut in_progress: Vec<u64> = self.running.iter().map(|(xid, _)| *xid).collect();
        in_progress.sort_unstable();
        let xmin = in_progress.first().copied().unwrap_or(xmax);
        let listed: Vec<String> = in_progress.iter().map(u64::to_string).collect();
        format!("{xmin}:{xmax}:{}", listed.join(","))
            .parse()
            .unwrap()
    }

    fn answer(&self, asked: &Asked, history: &History) -> Answer {
        let untold = |xid: &u64| {
            asked
                .cursor
                .as_ref()
                .is_some_and(|cursor| !cursor.sees(*xid))
        };
        let told = self.committed.iter().filter(|(xid, _)| untold(xid));
        Answer {
            snapshot: self.snapshot(),
            history: history.clone(),
            floor: 3,
            fingerprint: "same".into(),
            changes: Changes::Told(
                told.map(|(xid, tag)| (*xid, vec![TAGS[*tag].to_owned()]))
                    .collect(),
            ),
            credentials: Vec::new(),
        }
    }

    /// When a tag has which value: from its n-th change to the next one.
    fn value(&self, tag: usize, time: usize) -> usize {
        self.committed[..time]
            .iter()
            .filter(|(_, of)| *of == tag)
            .count()
    }

    fn end(&self, tag: usize, value: usize) -> usize {
        let mut changes = self
            .committed
            .iter()
            .enumerate()
            .filter(|(_, (_, of))| *of == tag);
        changes.nth(value).map_or(usize::MAX, |(time, _)| time)
    }
}

struct Kept {
    version: Version,
    tag: usize,
    /// When it was read, in commits.
    time: usize,
}

struct Rig {
    model: Model,
    history: Arc<History>,
    coherence: Coherence,
    feed: Feed,
    asked: Option<Asked>,
    answer: Option<(Asked, Answer)>,
    late: Vec<(Asked, Answer)>,
    /// When each poll was sent, in commits.
    sent: Vec<usize>,
    fill: Option<(Before, usize, Option<usize>)>,
    kept: Vec<Kept>,
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self {
            model: Model::default(),
            history: life("first"),
            coherence: Coherence::new(1 << 16),
            feed: Feed::default(),
            asked: None,
            answer: None,
            late: Vec::new(),
            sent: vec![0],
            fill: None,
            kept: Vec::new(),
        };
        #[cfg(feature = "fault-injection")]
        rig.feed.set_faults(rig.coherence.faults);
        for _poll in 0..2 {
            (0..3).for_each(|step| rig.step(4 + step, 0));
            rig.feed = rig
                .feed
                .examined(rig.sent.len() as u64 - 1, Ok(Vec::new()))
                .feed;
        }
        (0..3).for_each(|step| rig.step(4 + step, 0));
        assert!(rig.coherence.read().is_some());
        rig
    }

    fn step(&mut self, event: u8, with: usize) {
        let time = self.model.committed.len();
        match event {
            0..=3 => self.transact(event, with),
            4..=8 => self.poll(event, with),
            9..=11 => self.fill(event, with),
            _ if with.is_multiple_of(8) => self.coherence.flush(),
            _ => {}
        }
        // Flushes take numbers too.
        let numbers = self.coherence.started.load(Ordering::SeqCst);
        let numbers = usize::try_from(numbers).unwrap() + 1;
        self.sent.resize(numbers, time);
    }

    fn transact(&mut self, event: u8, with: usize) {
        let Model {
            next,
            running,
            committed,
        } = &mut self.model;
        if event == 0 {
            running.push((*next + 3, with % TAGS.len()));
            *next += 1;
        } else if !running.is_empty() {
            let ended = running.remove(with % running.len());
            // One in ten is rolled back.
            if with % 10 != 9 {
                committed.push(ended);
            }
        }
    }

    fn poll(&mut self, event: u8, with: usize) {
        match event {
            4 if self.asked.is_none() && self.answer.is_none() => {
                let number = self.coherence.take_number();
                self.asked = Some(self.feed.ask(number, BootTime::from_nanos(number)));
            }
            5 => {
                if let Some(asked) = self.asked.take() {
                    let answer = self.model.answer(&asked, &self.history);
                    self.answer = Some((asked, answer));
                }
            }
            6 => {
                if let Some((asked, answer)) = self.answer.take() {
                    self.apply(&asked, answer);
                }
            }
            // Given up on; its answer comes all the same.
            7 => {
                self.late.extend(self.answer.take());
                if let Some(asked) = self.asked.take() {
                    let answer = self.model.answer(&asked, &self.history);
                    self.late.push((asked, answer));
                }
            }
            8 if !self.late.is_empty() => {
                let (asked, answer) = self.late.remove(with % self.late.len());
                self.apply(&asked, answer);
            }
            _ => {}
        }
    }

    fn fill(&mut self, event: u8, with: usize) {
        let time = self.model.committed.len();
        match (event, &mut self.fill) {
            (9, None) => {
                let before = self.coherence.begin().unwrap();
                self.fill = Some((before, with % TAGS.len(), None));
            }
            (10, Some((_, _, read))) => {
                read.get_or_insert(time);
            }
            (11, Some((before, tag, Some(time)))) => {
                let admitted = self.coherence.admit(*before, &origin(&self.history));
                let (tag, time) = (*tag, *time);
                self.kept
                    .extend(admitted.map(|version| Kept { version, tag, time }));
                self.fill = None;
            }
            _ => {}
        }
    }

    fn apply(&mut self, asked: &Asked, answer: Answer) {
        let decision = self.feed.decide(asked, answer);
        carry_out(&self.coherence, asked, decision.effects);
        self.feed = decision.feed;
    }

    /// Whatever counts was true when the last applied poll was sent, or later; what combines was true
    /// at one instant.
    fn check(&self) {
        let reading = self.coherence.read().unwrap();
        let sent = self.sent[usize::try_from(reading.applied()).unwrap()];
        let counts = |kept: &&Kept| {
            let slot = match kept.tag {
                0 => Tag::User("a"),
                1 => Tag::User("b"),
                _ => Tag::User("c"),
            };
            reading.untouched(&kept.version, self.coherence.slot(slot))
        };
        let spans: Vec<_> = self
            .kept
            .iter()
            .filter(counts)
            .map(|kept| {
                let value = self.model.value(kept.tag, kept.time);
                (kept, self.model.end(kept.tag, value))
            })
            .collect();
        for (kept, end) in &spans {
            assert!(
                *end >= sent,
                "{} was changed before the poll",
                TAGS[kept.tag]
            );
            for (other, other_end) in &spans {
                // Each was true when it was read; the earlier one still has to be when the later one was.
                let together = *end >= other.time && *other_end >= kept.time;
                assert!(!reading.combines([&kept.version, &other.version]) || together);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_counts_was_true_when_the_last_poll_was_sent(
        events in prop::collection::vec((0_u8..13, 0_usize..64), 0..160)
    ) {
        let mut rig = Rig::new();
        for (event, with) in events {
            rig.step(event, with);
            rig.check();
        }
    }
}
