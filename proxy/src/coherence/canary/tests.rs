//! Canaries with made-up times, and through made-up polls.

use std::sync::Arc;

use super::*;
use crate::coherence::effect::{Effect, carry_out};
use crate::coherence::feed::Asked;
use crate::coherence::tally::Told;
use crate::store::History;

const MS: u64 = 1_000_000;

fn at(milliseconds: u64) -> BootTime {
    BootTime::from_nanos(milliseconds * MS)
}

/// Seen, lost, and the sum of the lags in milliseconds.
fn results(tally: &Tally) -> (u64, u64, f64) {
    let lag = tally.revocation_lag();
    assert_eq!(lag.get_sample_count(), tally.canaries(Flight::Seen));
    let sum = (lag.get_sample_sum() * 1000.0).round();
    (
        tally.canaries(Flight::Seen),
        tally.canaries(Flight::Lost),
        sum,
    )
}

#[test]
fn a_lag_is_from_the_acknowledgement_until_it_counts() {
    let (canary, tally) = (Canary::new(), Tally::new());
    let begun = canary.begin();
    canary.acknowledged(begun, 7, at(1000), &tally);
    canary.told(&[6], 0, at(1020), &tally);
    assert_eq!(results(&tally), (0, 0, 0.0), "another one");
    canary.told(&[7], 0, at(1040), &tally);
    assert_eq!(results(&tally), (1, 0, 40.0));
    canary.told(&[7], 0, at(1090), &tally);
    assert_eq!(results(&tally), (1, 0, 40.0), "it is told once more");

    // It counts before it is known to be committed.
    canary.told(&[8], 0, at(2000), &tally);
    canary.acknowledged(begun, 8, at(2003), &tally);
    assert_eq!(results(&tally), (2, 0, 40.0));
    // That of one whose acknowledgement never came is no other's.
    canary.told(&[9], 0, at(3000), &tally);
    canary.acknowledged(begun, 10, at(3500), &tally);
    canary.told(&[10], 0, at(3501), &tally);
    assert_eq!(results(&tally), (3, 0, 41.0));

    // Two that were held up are told together.
    canary.acknowledged(begun, 11, at(4000), &tally);
    canary.acknowledged(begun, 12, at(5000), &tally);
    canary.told(&[12, 11], 0, at(6500), &tally);
    assert_eq!(results(&tally), (5, 0, 4041.0));
}

#[test]
fn one_that_does_not_count_within_ten_seconds_is_lost_once() {
    let (canary, tally) = (Canary::new(), Tally::new());
    let begun = canary.begin();
    canary.acknowledged(begun, 7, at(0), &tally);
    canary.acknowledged(begun, 8, at(5000), &tally);
    canary.expire(at(10_000), &tally);
    assert_eq!(results(&tally), (0, 0, 0.0));
    canary.expire(at(10_001), &tally);
    canary.expire(at(10_002), &tally);
    assert_eq!(results(&tally), (0, 1, 0.0));
    canary.told(&[7], 0, at(10_100), &tally);
    assert_eq!(results(&tally), (0, 1, 0.0), "it was lost");
    // The machine slept: nobody came to look for lost ones.
    canary.told(&[8], 0, at(60_000), &tally);
    assert_eq!(results(&tally), (0, 2, 0.0));
}

#[test]
fn everything_that_becomes_void_is_told_with_it() {
    let (canary, tally) = (Canary::new(), Tally::new());
    let begun = canary.begin();
    canary.acknowledged(begun, 7, at(100), &tally);
    canary.acknowledged(begun, 9, at(100), &tally);
    canary.told(&[], 8, at(130), &tally);
    assert_eq!(results(&tally), (1, 0, 30.0), "the other one came later");
    canary.acknowledged(begun, 8, at(140), &tally);
    assert_eq!(results(&tally), (2, 0, 30.0), "before it was acknowledged");
    canary.told(&[9], 0, at(150), &tally);
    assert_eq!(results(&tally), (3, 0, 80.0));
}

#[test]
fn while_caching_is_off_none_counts() {
    let (canary, tally) = (Canary::new(), Tally::new());
    let begun = canary.begin();
    canary.acknowledged(begun, 7, at(100), &tally);
    canary.void();
    // Numbers of transactions may be given again.
    canary.told(&[7], 0, at(200), &tally);
    canary.acknowledged(begun, 7, at(300), &tally);
    canary.expire(at(60_000), &tally);
    assert_eq!(results(&tally), (0, 0, 0.0));
    let begun = canary.begin();
    canary.acknowledged(begun, 8, at(400), &tally);
    canary.told(&[8], 0, at(410), &tally);
    assert_eq!(results(&tally), (1, 0, 10.0));
}

#[test]
fn a_poll_sees_the_own_one_and_takes_none_for_a_change() {
    let coherence = Coherence::new(1 << 16);
    let (tally, own) = (coherence.tally(), coherence.canary.tag.to_string());
    let life = Arc::new(History {
        system: "1".into(),
        timeline: "1".into(),
        incarnation: Some("1".into()),
    });
    let poll = |told: &[(u64, &str)], open: bool| {
        let asked = Asked {
            number: coherence.take_number(),
            start: BootTime::now(),
            cursor: None,
        };
        let told = told
            .iter()
            .map(|(xid, tag)| (*xid, vec![(*tag).to_owned()]));
        let mut effects = vec![
            Effect::Follow(Arc::clone(&life)),
            Effect::Touch(told.collect()),
        ];
        effects.extend(open.then_some(Effect::Publish));
        carry_out(&coherence, &asked, effects);
    };
    let flip = |xid| {
        let begun = coherence.canary.begin();
        let now = BootTime::now();
        coherence.canary.acknowledged(begun, xid, now, tally);
    };
    let seen = || tally.canaries(Flight::Seen);
    poll(&[], true);
    assert_ne!(own, *Coherence::new(1).canary.tag, "of its own");
    flip(7);
    poll(&[(7, "canary:of another instance"), (5, "user:u")], true);
    assert_eq!((seen(), coherence.last_change()), (0, 5));
    poll(&[(7, &own)], false);
    assert_eq!(seen(), 0, "no lease");
    poll(&[(7, &own), (8, &own)], true);
    assert_eq!((seen(), coherence.last_change()), (1, 5));
    assert!(tally.revocation_lag().get_sample_sum() > 0.0);
    flip(8);
    assert_eq!(seen(), 2);
    let counted = Told::ALL.map(|told| tally.changes(told));
    assert_eq!(counted, [1, 4, 0]);
    // The gate shuts on one that is on its way, and another feed begins.
    flip(9);
    coherence.shut();
    poll(&[(9, &own)], true);
    assert_eq!((seen(), tally.canaries(Flight::Lost)), (2, 0));
}
