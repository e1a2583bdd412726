//! A hundred thousand requests that nobody wrote by hand, judged by rules written a second time.
//!
//! Promise: the application either received exactly the method, path, query and host that the
//! sender may ask for, with our headers once and no copy of the client's in any spelling, or was
//! never called. Who may do what comes from a model of its own ([`model`]) and what was sent from
//! its own parts ([`request`]): neither is read with Sidegate's code.
//!
//! `SIDEGATE_ORACLE_SEED` is the seed of another run; a failure names it, with the request.

mod client;
pub(crate) mod dice;
mod judge;
pub(crate) mod model;
mod names;
pub(crate) mod paths;
mod request;
mod tricks;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;

use self::client::{Answer, Client};
use self::model::DIRECTORY;
use self::paths::{TWISTS, Twist};
use self::request::{Request, Tokens};
use self::tricks::{TRICKS, Trick};
use crate::process::{Sidegate, config};
use crate::recorder::{Received, Recorder};

const REQUESTS: u64 = 100_000;
/// Judged together, so that what was received need not all be kept.
const ROUND: u64 = 10_000;
/// Connections at a time.
const CLIENTS: u64 = 8;
/// What Sidegate says to a client that it refuses.
const REFUSALS: [u16; 10] = [400, 401, 403, 404, 405, 408, 413, 414, 417, 431];

/// The seed of a run.
pub(crate) fn seed() -> u64 {
    let text = std::env::var("SIDEGATE_ORACLE_SEED");
    text.map_or(1, |text| {
        text.parse().expect("SIDEGATE_ORACLE_SEED is a number")
    })
}

/// How often something was sent, and how often it arrived.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    sent: u64,
    arrived: u64,
}

/// What has become of the requests so far.
#[derive(Debug, Default)]
struct Tally {
    all: Count,
    twists: BTreeMap<Twist, Count>,
    tricks: BTreeMap<Trick, Count>,
}

impl Tally {
    fn add(&mut self, sent: &Request, arrived: bool) {
        let add = |count: &mut Count| {
            count.sent += 1;
            count.arrived += u64::from(arrived);
        };
        add(&mut self.all);
        for twist in &sent.twists {
            add(self.twists.entry(*twist).or_default());
        }
        for trick in &sent.tricks {
            add(self.tricks.entry(*trick).or_default());
        }
    }

    /// A test of requests that are all refused, or all let through, would test nothing.
    fn is_telling(&self) -> bool {
        let refused = |count: &Count| count.sent - count.arrived;
        let harmless = [
            self.twists[&Twist::Escapes],
            self.twists[&Twist::Query],
            self.tricks[&Trick::OurName],
            self.tricks[&Trick::Hop],
            self.tricks[&Trick::Override],
            self.tricks[&Trick::Length],
            self.tricks[&Trick::Chunks],
            self.tricks[&Trick::OtherHost],
        ];
        let counts = self.twists.values().chain(self.tricks.values());
        self.twists.len() == TWISTS.len()
            && self.tricks.len() == TRICKS.len()
            && counts
                .clone()
                .all(|count| count.sent > 1000 && refused(count) > 500)
            && harmless.iter().all(|count| count.arrived > 300)
            && self.all.arrived > self.all.sent / 5
            && refused(&self.all) > self.all.sent / 5
    }
}

/// Where the requests come from.
struct Source {
    seed: u64,
    tokens: Tokens,
}

impl Source {
    fn request(&self, number: u64) -> Request {
        Request::draw(self.seed, number, &self.tokens)
    }

    /// What one client heard to every so many of the requests of a round.
    fn ask(&self, to: SocketAddr, first: u64, end: u64) -> Vec<(u64, Option<Answer>)> {
        let mut client = Client::new(to);
        let numbers = (first..end).step_by(usize::try_from(CLIENTS).unwrap());
        let ask = |number| (number, client.ask(&self.request(number)));
        numbers.map(ask).collect()
    }
}

/// A Sidegate in front of a recording application.
struct World {
    source: Source,
    recorder: Recorder,
    sidegate: Sidegate,
}

impl World {
    fn start(mode: &str) -> Self {
        let recorder = Recorder::start();
        // Whoever tries so much would soon be asked to wait.
        let more = format!(
            "\nlimits: {{ drain_timeout: 10ms, max_failed_authentications: 0 }}\n\
             hardening: {{ mode: {mode} }}\n"
        );
        // A slow machine is no fault of the application.
        let config = config(recorder.address, &more).replace("500ms }", "20s }");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("directory.yaml"), DIRECTORY).unwrap();
        fs::write(folder.path().join("sidegate.yaml"), config).unwrap();
        Self {
            source: Source {
                seed: seed(),
                tokens: Tokens::new(),
            },
            recorder,
            sidegate: Sidegate::run_in(folder),
        }
    }

    /// Sends a round of requests over several connections.
    fn answers(&self, from: u64) -> HashMap<u64, Option<Answer>> {
        let (source, to) = (&self.source, self.sidegate.proxy);
        std::thread::scope(|scope| {
            let clients: Vec<_> = (from..from + CLIENTS)
                .map(|first| scope.spawn(move || source.ask(to, first, from + ROUND)))
                .collect();
            let answers = clients.into_iter().map(|client| client.join().unwrap());
            answers.flatten().collect()
        })
    }

    fn stop(&self, number: u64, why: &str, more: &dyn std::fmt::Debug) -> ! {
        let sent = self.source.request(number);
        panic!(
            "seed {}, request {number}: {why}\n{:?} {:?}\n{}\n{more:#?}",
            self.source.seed,
            sent.twists,
            sent.tricks,
            sent.bytes().escape_ascii()
        );
    }

    /// What arrived, by number; each once.
    fn arrived(&self) -> HashMap<u64, Received> {
        let mut arrived = HashMap::new();
        for received in self.recorder.received() {
            let number = judge::number(&received)
                .unwrap_or_else(|why| panic!("seed {}: {why}: {received:#?}", self.source.seed));
            if let Some(first) = arrived.insert(number, received) {
                self.stop(number, "it arrived twice", &first);
            }
        }
        arrived
    }

    fn judge(
        &self,
        number: u64,
        sent: &Request,
        answer: Option<&Answer>,
        received: Option<&Received>,
    ) {
        let status = answer.map(|answer| answer.status);
        if let Some(received) = received {
            if let Err(why) = judge::fault(sent, received) {
                self.stop(number, &why, received);
            }
            // An error of the body may be found when the head has been passed on.
            if ![None, Some(200), Some(400)].contains(&status) {
                self.stop(number, "it arrived and was refused", &(answer, received));
            }
            let decision = answer.and_then(|answer| answer.decision.as_deref());
            if status == Some(200) && decision != Some(received.values("x-sidegate-decision-id")[0])
            {
                self.stop(
                    number,
                    "the answer is to another request",
                    &(answer, received),
                );
            }
        } else if status.is_some_and(|status| !REFUSALS.contains(&status)) {
            self.stop(number, "it did not arrive and was not refused", &answer);
        }
        let path = sent.target.as_slice();
        let may = model::may(&sent.method, &model::decode(path), sent.speaker).is_some();
        if sent.is_plain() && (may, status == Some(200)) != (received.is_some(), may) {
            self.stop(
                number,
                "a plain request was not decided as the model does",
                &answer,
            );
        }
    }
}

#[test]
fn what_arrives_is_what_was_asked_for_by_somebody_who_may() {
    // As it is, and with every rule relaxed that may be: what is behind them has to hold then.
    let worlds = ["strict", "report_only"].map(World::start);
    let mut tally = Tally::default();
    let rounds = (0..REQUESTS).step_by(usize::try_from(ROUND).unwrap());
    for (from, world) in rounds.zip(worlds.iter().cycle()) {
        let answers = world.answers(from);
        let arrived = world.arrived();
        for (number, answer) in &answers {
            let sent = world.source.request(*number);
            let received = arrived.get(number);
            tally.add(&sent, received.is_some());
            world.judge(*number, &sent, answer.as_ref(), received);
        }
        if let Some(other) = arrived.keys().find(|number| !answers.contains_key(number)) {
            world.stop(*other, "it arrived in another round", &arrived[other]);
        }
    }
    assert!(tally.is_telling(), "{tally:#?}");
}
