//! A breaker by example, and against a model that knows nothing but what has happened.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SETTINGS: BreakerSettings = BreakerSettings {
    failures: 3,
    open: Duration::from_secs(10),
    successes: 2,
};

fn at(seconds: u64) -> BootTime {
    BootTime::from_nanos(seconds * 1_000_000_000)
}

#[test]
fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    let mut breaker = Breaker::new(&SETTINGS);
    for _ in 0..5 {
        breaker.failed(at(0));
        breaker.failed(at(0));
        assert!(breaker.is_closed());
        breaker.succeeded();
    }
    for _ in 0..3 {
        assert!(breaker.is_closed());
        breaker.failed(at(0));
    }
    assert!(!breaker.is_closed());
    // What was under way when it opened neither closes it nor keeps it open.
    breaker.succeeded();
    breaker.failed(at(5));
    assert!(!breaker.is_closed() && !breaker.probe(at(9)));
    assert!(breaker.probe(at(10)));
    // Nor does it end the probe, for better or for worse.
    for _ in 0..5 {
        breaker.succeeded();
        breaker.failed(at(10));
        assert!(!breaker.is_closed() && !breaker.probe(at(99)));
    }
}

#[test]
fn one_probe_at_a_time_and_two_that_go_well_close_it() {
    let mut breaker = Breaker::new(&SETTINGS);
    (0..3).for_each(|_| breaker.failed(at(0)));
    assert!(breaker.probe(at(10)) && !breaker.probe(at(10)));
    breaker.probe_failed(at(11));
    assert!(!breaker.probe(at(20)) && breaker.probe(at(21)));
    breaker.probe_succeeded();
    assert!(!breaker.is_closed(), "one is not enough");
    assert!(breaker.probe(at(21)) && !breaker.probe(at(99)));
    breaker.abandoned();
    assert!(breaker.probe(at(21)));
    breaker.probe_succeeded();
    assert!(breaker.is_closed() && !breaker.probe(at(99)));
    breaker.failed(at(99));
    assert!(breaker.is_closed(), "it counts anew");
}

/// What may happen to a breaker.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// So many seconds go by.
    Passes(u64),
    /// Something that was sent while it was closed ends, now or long after.
    Call { well: bool },
    /// Somebody asks whether a probe may pass.
    Asks,
    /// The probe that is under way ends; without one there is nobody to say so.
    Probe { well: bool },
    /// It is given up.
    Abandons,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0_u64..15).prop_map(Event::Passes),
        3 => any::<bool>().prop_map(|well| Event::Call { well }),
        4 => Just(Event::Asks),
        3 => prop::bool::weighted(0.7).prop_map(|well| Event::Probe { well }),
        1 => Just(Event::Abandons),
    ]
}

fn settings() -> impl Strategy<Value = BreakerSettings> {
    (1_u32..5, 1_u64..20, 1_u32..4).prop_map(|(failures, seconds, successes)| BreakerSettings {
        failures,
        open: Duration::from_secs(seconds),
        successes,
    })
}

/// What has happened since it last closed or opened.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    /// The ends of calls, the last ones first, while it is closed.
    calls: Vec<bool>,
    /// When it opened.
    opened: Option<u64>,
    /// Probes that went well since then, and whether one is under way.
    good: u32,
    probing: bool,
}

impl Model {
    /// What must come of an event; for [`Event::Asks`] whether the probe passes.
    fn next(&mut self, event: Event, settings: &BreakerSettings) -> bool {
        match event {
            Event::Passes(seconds) => self.now += seconds,
            Event::Call { well } if self.opened.is_none() => {
                self.calls.insert(0, well);
                let failures = self.calls.iter().take_while(|well| !**well).count();
                if failures >= settings.failures as usize {
                    self.open();
                }
            }
            Event::Call { .. } => {}
            Event::Asks => {
                let due = |opened: u64| self.now >= opened + settings.open.as_secs();
                let passes = self.opened.is_some_and(due) && !self.probing;
                self.probing |= passes;
                return passes;
            }
            Event::Probe { well: true } if self.probing => {
                self.probing = false;
                self.good += 1;
                if self.good >= settings.successes {
                    let now = self.now;
                    *self = Self {
                        now,
                        ..Self::default()
                    };
                }
            }
            Event::Probe { well: false } if self.probing => self.open(),
            Event::Probe { .. } => {}
            Event::Abandons => self.probing = false,
        }
        false
    }

    fn open(&mut self) {
        let now = self.now;
        *self = Self {
            now,
            opened: Some(now),
            ..Self::default()
        };
    }
}

/// The same for the breaker.
fn apply(breaker: &mut Breaker, event: Event, now: BootTime) -> bool {
    match event {
        Event::Passes(_) => {}
        Event::Call { well: true } => breaker.succeeded(),
        Event::Call { well: false } => breaker.failed(now),
        Event::Asks => return breaker.probe(now),
        Event::Probe { well: true } => breaker.probe_succeeded(),
        Event::Probe { well: false } => breaker.probe_failed(now),
        Event::Abandons => breaker.abandoned(),
    }
    false
}

proptest! {
    /// It opens at exactly its threshold, lets nothing through before its time, one probe at a time after
    /// it, and closes after exactly so many probes in a row that went well.
    #[test]
    fn it_does_what_has_happened_says(settings in settings(), events in prop::collection::vec(event(), 0..200)) {
        let (mut breaker, mut model) = (Breaker::new(&settings), Model::default());
        for event in events {
            let may = breaker.may_pass(at(model.now));
            let passes = model.next(event, &settings);
            if let Event::Asks = event {
                prop_assert_eq!(may, passes || model.opened.is_none());
            }
            prop_assert_eq!(apply(&mut breaker, event, at(model.now)), passes, "{:?}", event);
            prop_assert_eq!(breaker.is_closed(), model.opened.is_none(), "{:?}", event);
        }
    }

    /// Whatever has happened, it closes once its dependency is well for long enough.
    #[test]
    fn it_is_never_stuck(settings in settings(), events in prop::collection::vec(event(), 0..200)) {
        let (mut breaker, mut now) = (Breaker::new(&settings), 0);
        for event in events {
            now += if let Event::Passes(seconds) = event { seconds } else { 0 };
            apply(&mut breaker, event, at(now));
        }
        breaker.abandoned();
        let later = at(now).after(settings.open);
        let mut probes = 0;
        while breaker.probe(later) {
            breaker.probe_succeeded();
            probes += 1;
        }
        prop_assert!(breaker.is_closed() && probes <= settings.successes);
    }
}
