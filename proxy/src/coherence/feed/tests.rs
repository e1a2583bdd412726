//! What answers mean, made up and in every order.

use super::*;
use crate::coherence::poll::parameters;

const FINGERPRINT: &str = "as it should be";

fn history(incarnation: Option<&str>) -> History {
    History {
        system: "1".into(),
        timeline: "00000001".into(),
        incarnation: incarnation.map(Box::from),
    }
}

fn answer(snapshot: &str, told: &[(u64, &str)]) -> Answer {
    let told = told
        .iter()
        .map(|(xid, tag)| (*xid, vec![(*tag).to_owned()]));
    Answer {
        snapshot: snapshot.parse().unwrap(),
        history: history(Some("first")),
        floor: 3,
        fingerprint: FINGERPRINT.into(),
        changes: Changes::Told(told.collect()),
        credentials: Vec::new(),
    }
}

fn touch(told: &[(u64, &str)]) -> Effect {
    let told = told
        .iter()
        .map(|(xid, tag)| (*xid, vec![(*tag).to_owned()]));
    Effect::Touch(told.collect())
}

/// The feed with its thread's numbers.
#[derive(Default)]
struct Rig {
    feed: Feed,
    number: u64,
}

impl Rig {
    /// One that has applied this snapshot and is open.
    fn open(snapshot: &str) -> Self {
        let mut rig = Self::default();
        rig.poll(answer(snapshot, &[]));
        rig.examined(Ok(&[]));
        assert_eq!(rig.poll(answer(snapshot, &[])), [Effect::Publish]);
        rig
    }

    fn ask(&mut self) -> Asked {
        self.number += 1;
        self.feed
            .ask(self.number, BootTime::from_nanos(self.number))
    }

    fn answered(&mut self, asked: &Asked, answer: Answer) -> Vec<Effect> {
        let decision = self.feed.decide(asked, answer);
        self.feed = decision.feed;
        decision.effects
    }

    fn poll(&mut self, answer: Answer) -> Vec<Effect> {
        let asked = self.ask();
        self.answered(&asked, answer)
    }

    fn examined(&mut self, found: Result<&[&str], &str>) -> Vec<Effect> {
        let found = found.map(|reasons| reasons.iter().map(|it| (*it).to_owned()).collect());
        let decision = self
            .feed
            .examined(self.number, found.map_err(str::to_owned));
        self.feed = decision.feed;
        decision.effects
    }
}

fn is_new_life(effects: &[Effect]) -> bool {
    matches!(
        effects,
        [
            Effect::Close(_),
            Effect::Flush(_),
            Effect::Follow(_),
            Effect::Examine
        ]
    )
}

#[test]
fn a_commit_out_of_order_is_told_when_it_is_seen() {
    let mut rig = Rig::open("10:12:10");
    let asked = rig.ask();
    let sent = parameters(asked.cursor.as_deref());
    assert_eq!(sent, (Some("12".to_owned()), Some("{10}".to_owned())));
    let effects = rig.answered(&asked, answer("12:13:12", &[(10, "user:a")]));
    assert_eq!(effects, [touch(&[(10, "user:a")]), Effect::Publish]);
    let sent = parameters(rig.ask().cursor.as_deref());
    assert_eq!(sent, (Some("13".to_owned()), Some("{12}".to_owned())));
}

#[test]
fn a_poll_that_was_repeated_is_never_applied_itself() {
    let mut rig = Rig::open("10:10:");
    let (given_up, repeated) = (rig.ask(), rig.ask());
    assert_eq!(given_up.cursor, repeated.cursor);
    let effects = rig.answered(&repeated, answer("12:12:", &[(11, "user:a")]));
    assert_eq!(effects, [touch(&[(11, "user:a")]), Effect::Publish]);
    assert_eq!(rig.answered(&given_up, answer("11:11:", &[])), []);
    assert_eq!(rig.answered(&given_up, answer("20:20:", &[])), []);
    let sent = parameters(rig.ask().cursor.as_deref());
    assert_eq!(sent, (Some("12".to_owned()), Some("{}".to_owned())));
}

#[test]
fn what_is_interrupted_is_asked_and_told_again() {
    let mut rig = Rig::open("10:10:");
    let asked = rig.ask();
    let first = rig.feed.decide(&asked, answer("12:12:", &[(11, "user:a")]));
    // Nothing is known to have been done: the next poll goes on from where this one did.
    let again = rig.ask();
    assert_eq!(again.cursor, asked.cursor);
    let second = rig.answered(&again, answer("13:13:", &[(11, "user:a"), (12, "*")]));
    assert_eq!(first.effects, [touch(&[(11, "user:a")]), Effect::Publish]);
    assert_eq!(
        second,
        [touch(&[(11, "user:a"), (12, "*")]), Effect::Publish]
    );
}

#[test]
fn numbers_that_fall_are_another_life() {
    for fallen in ["9:9:", "10:19:10,12", "10:20:10,11,12", "9:20:9,10,12"] {
        let mut rig = Rig::open("10:20:10,12");
        assert!(is_new_life(&rig.poll(answer(fallen, &[]))), "{fallen}");
        // Also under the fingerprint that had passed.
        assert_eq!(
            rig.poll(answer(fallen, &[(8, "user:a")])),
            [touch(&[(8, "user:a")])]
        );
        assert_eq!(rig.examined(Ok(&[])), []);
        assert_eq!(rig.poll(answer(fallen, &[])), [Effect::Publish]);
    }
}

#[test]
fn another_history_is_another_life_and_gets_an_id() {
    let mut rig = Rig::open("10:10:");
    let mut crashed = answer("10:10:", &[]);
    crashed.history = history(None);
    for _poll in 0..2 {
        let effects = rig.poll(crashed.clone());
        assert!(matches!(
            effects[..],
            [Effect::Close(_), Effect::Flush(0), Effect::BeginIncarnation]
        ));
        assert_eq!(parameters(rig.ask().cursor.as_deref()), (None, None));
    }
    crashed.history = history(Some("second"));
    assert!(is_new_life(&rig.poll(crashed.clone())));
    crashed.history.timeline = "00000002".into();
    assert!(is_new_life(&rig.poll(crashed)));
}

#[test]
fn what_may_be_gone_from_the_log_makes_everything_void() {
    let mut rig = Rig::open("10:12:10");
    let mut cleaned = answer("13:13:", &[(12, "user:a")]);
    cleaned.floor = 10;
    let told = touch(&[(12, "user:a")]);
    assert_eq!(rig.poll(cleaned.clone()), [told.clone(), Effect::Publish]);
    let mut rig = Rig::open("10:12:10");
    cleaned.floor = 11;
    assert_eq!(
        rig.poll(cleaned),
        [told, Effect::Flush(12), Effect::Publish]
    );
    let mut many = answer("14:14:", &[]);
    many.changes = Changes::TooMany;
    assert_eq!(rig.poll(many), [Effect::Flush(13), Effect::Publish]);
}

#[test]
fn another_fingerprint_closes_until_an_examination_lies_between_two_polls() {
    let mut rig = Rig::open("10:10:");
    let mut off = answer("11:11:", &[]);
    off.fingerprint = "a trigger is off".into();
    let effects = rig.poll(off);
    assert!(matches!(
        effects[..],
        [
            Effect::Close(_),
            Effect::Flush(10),
            Effect::Void,
            Effect::Examine
        ]
    ));
    // On again, which is a third fingerprint; had it been the first one, the same.
    let effects = rig.poll(answer("12:12:", &[]));
    assert!(matches!(
        effects[..],
        [
            Effect::Close(_),
            Effect::Flush(11),
            Effect::Void,
            Effect::Examine
        ]
    ));
    // A poll that was sent before the examination ended may have seen what was before it.
    let early = rig.ask();
    assert_eq!(rig.examined(Ok(&[])), []);
    assert_eq!(rig.answered(&early, answer("12:12:", &[])), []);
    assert_eq!(rig.poll(answer("12:12:", &[])), [Effect::Publish]);
}

#[test]
fn findings_close_and_not_being_able_to_look_does_not() {
    let mut rig = Rig::open("10:10:");
    assert_eq!(rig.examined(Err("no connection")), []);
    assert_eq!(rig.examined(Ok(&[])), []);
    assert_eq!(rig.poll(answer("10:10:", &[])), [Effect::Publish]);
    let found = Effect::Close(vec!["a subscription".to_owned()]);
    let effects = rig.examined(Ok(&["a subscription"]));
    assert_eq!(effects, [found.clone(), Effect::Flush(9)]);
    assert_eq!(rig.examined(Ok(&["a subscription"])), [found]);
    assert_eq!(rig.poll(answer("10:10:", &[])), []);
    let effects = rig.examined(Err("no connection"));
    assert_eq!(effects, [Effect::Close(vec!["no connection".to_owned()])]);
    rig.examined(Ok(&[]));
    assert_eq!(rig.poll(answer("10:10:", &[])), [Effect::Publish]);
}

fn loaded(incarnation: &str, floor: u64) -> Loaded {
    Loaded {
        history: history(Some(incarnation)),
        floor,
        rows: 0,
    }
}

fn shared(effects: &[Effect]) -> Option<Arc<Shared>> {
    let mut found = None;
    for effect in effects {
        if let Effect::Share(shared) = effect {
            found = Some(Arc::clone(shared));
        }
    }
    found
}

#[test]
fn values_of_others_count_once_the_log_of_this_life_is_known() {
    let mut rig = Rig::default();
    rig.feed.set_policy(Some([7; 32]));
    let effects = rig.poll(answer("10:10:", &[]));
    assert_eq!(effects.last(), Some(&Effect::Load));
    assert!(
        effects.contains(&Effect::Flush(0)),
        "no value of others is void"
    );
    rig.examined(Ok(&[]));
    assert_eq!(rig.poll(answer("10:10:", &[])), [Effect::Publish]);
    assert!(rig.feed.loaded(&loaded("another", 3)).is_none());
    assert_eq!(rig.poll(answer("10:10:", &[])), [Effect::Publish]);
    rig.feed = rig.feed.loaded(&loaded("first", 3)).unwrap();
    let effects = rig.poll(answer("11:11:", &[(10, "user:a")]));
    let first = shared(&effects).unwrap();
    // After the touches and before the poll is published.
    let whole = [
        touch(&[(10, "user:a")]),
        Effect::Share(Arc::clone(&first)),
        Effect::Publish,
    ];
    assert_eq!(effects, whole);
    assert_eq!(rig.poll(answer("11:11:", &[])), [Effect::Publish], "once");

    // Other triggers or views: what was read under the former ones does not count any more.
    let changed = || Answer {
        fingerprint: "otherwise".into(),
        ..answer("12:12:", &[])
    };
    assert!(rig.poll(changed()).contains(&Effect::Flush(11)));
    rig.examined(Ok(&[]));
    let second = shared(&rig.poll(changed())).unwrap();
    assert_ne!(first.namespace(), second.namespace());

    // Another life: its log has to be known.
    let mut crashed = answer("9:9:", &[]);
    crashed.history = history(Some("second"));
    let effects = rig.poll(crashed.clone());
    assert!(effects.contains(&Effect::Load) && effects.contains(&Effect::Flush(0)));
    rig.examined(Ok(&[]));
    assert_eq!(rig.poll(crashed.clone()), [Effect::Publish]);
    rig.feed = rig.feed.loaded(&loaded("second", 3)).unwrap();
    let third = shared(&rig.poll(crashed)).unwrap();
    assert_ne!(first.namespace(), third.namespace());
}

#[test]
fn a_life_that_goes_back_voids_what_either_side_of_it_has_written() {
    let mut rig = Rig::default();
    rig.feed.set_policy(Some([7; 32]));
    rig.poll(answer("20:20:", &[]));
    let effects = rig.poll(answer("10:10:", &[]));
    assert!(effects.contains(&Effect::Flush(19)) && effects.contains(&Effect::Load));
}
