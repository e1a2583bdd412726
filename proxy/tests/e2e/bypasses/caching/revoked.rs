//! Rights that a database gives and takes, as two instances with rows in memory see them.
//!
//! How soon, and under every fault, is measured by `scripts/check-history`.

use sidegate_loadtest::redis::Redis;

use crate::bypasses::by_alice;
use crate::caching::{metric, status};
use crate::database::{Database, LOGIN, SUPERUSER, folder, migrate};
use crate::process::{ALICE, MINE, Sidegate, YOURS, eventually};
use crate::recorder::Recorder;
use crate::sharing::{is_sharing, redis};
use crate::storms::Relay;
use crate::wire::Wire;

const TEAM: &str = "7ea00000-0000-4000-8000-000000000001";
const PROJECT: &str = "94000000-0000-4000-8000-000000000001";
/// Somebody else's, in a project of Alice's team.
const OURS: &str = "6e000000-0000-4000-8000-000000000009";
/// How often something that must not come back is asked for.
const AGAIN: usize = 20;

/// The example's tables, and an application that records.
pub(in crate::bypasses) struct Scene {
    pub(in crate::bypasses) database: Database,
    pub(in crate::bypasses) recorder: Recorder,
}

impl Scene {
    pub(in crate::bypasses) fn new() -> Self {
        let scene = Self {
            database: Database::example(),
            recorder: Recorder::start(),
        };
        scene.run(&format!(
            "insert into users values ('{ALICE}', 'alice@example'), ('{YOURS}', 'you@example');
             insert into teams values ('{TEAM}', 'team');
             insert into team_members values ('{TEAM}', '{ALICE}', 'viewer');
             insert into projects (id, user_id, team_id) values ('{PROJECT}', '{YOURS}', '{TEAM}');
             insert into generations (id, user_id, project_id) values
                 ('{MINE}', '{ALICE}', null), ('{YOURS}', '{YOURS}', null), ('{OURS}', '{YOURS}', '{PROJECT}')"
        ));
        migrate(folder(&scene.config("", "")).path(), &[]);
        scene
    }

    pub(in crate::bypasses) fn config(&self, database: &str, more: &str) -> String {
        self.database.config(self.recorder.address, database, more)
    }

    fn run(&self, sql: &str) {
        self.database.run(SUPERUSER, sql);
    }

    fn instance(&self, more: &str) -> Sidegate {
        is_caching(Sidegate::run_in(folder(&self.config("", more))))
    }

    /// The application hears of what is allowed, and of nothing else.
    pub(in crate::bypasses) fn allows(&self, sidegate: &Sidegate, path: &str) -> bool {
        self.recorder.received();
        let status = status(sidegate, path);
        let arrived = self.recorder.received().len();
        assert!(
            matches!((status, arrived), (200, 1) | (403 | 503, 0)),
            "{path}: {status}, and {arrived} arrived"
        );
        status == 200
    }

    /// It is refused before long, and then always.
    fn ends(&self, sidegate: &Sidegate, path: &str) {
        eventually("a refusal", || (!self.allows(sidegate, path)).then_some(()));
        for _ in 0..AGAIN {
            assert!(!self.allows(sidegate, path), "{path}: it came back");
        }
    }

    /// It is allowed, also from memory.
    pub(in crate::bypasses) fn is_warm(&self, sidegate: &Sidegate, path: &str) {
        eventually("an answer from memory", || {
            let from_memory = || metric(sidegate, "sidegate_answers_total{tier=\"l1\"}");
            let before = from_memory();
            assert!(self.allows(sidegate, path), "{path}");
            (from_memory() > before).then_some(())
        });
    }
}

fn is_caching(sidegate: Sidegate) -> Sidegate {
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    sidegate
}

fn generation(id: &str) -> String {
    format!("/g/{id}")
}

/// Claims were kept, and a role that was taken away went on counting.
#[test]
fn c5_cve_2021_41230() {
    let scene = Scene::new();
    let (one, two) = (scene.instance(""), scene.instance(""));
    let (ours, mine) = (generation(OURS), generation(MINE));
    for sidegate in [&one, &two] {
        scene.is_warm(sidegate, &ours);
        scene.is_warm(sidegate, &mine);
    }
    scene.run(&format!(
        "delete from team_members where user_id = '{ALICE}'"
    ));
    for sidegate in [&one, &two] {
        scene.ends(sidegate, &ours);
        assert!(scene.allows(sidegate, &mine), "nothing else has ended");
    }
    scene.run(&format!(
        "update users set is_active = false where id = '{ALICE}'"
    ));
    for sidegate in [&one, &two] {
        scene.ends(sidegate, &mine);
    }
}

/// A grant, its end and another grant: what was kept under the first one counted again.
#[test]
fn c6_langflow_14594() {
    let scene = Scene::new();
    let (one, two) = (scene.instance(""), scene.instance(""));
    let mine = generation(MINE);
    for _ in 0..5 {
        for owner in [ALICE, YOURS] {
            scene.run(&format!(
                "update generations set user_id = '{owner}' where id = '{MINE}'"
            ));
            for sidegate in [&one, &two] {
                if owner == ALICE {
                    scene.is_warm(sidegate, &mine);
                } else {
                    scene.ends(sidegate, &mine);
                }
            }
        }
    }
}

/// What had been read before an invalidation was written after it.
#[test]
fn c7_odyssey_1618() {
    let scene = Scene::new();
    let url = scene.database.url(LOGIN);
    let place = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
    let relay = Relay::to(place.parse().unwrap());
    // Questions go through the relay, the change feed does not; nobody gives up while answers are held.
    let through = url.replace(place, &relay.address.to_string());
    let patient = format!("  feed_url: {url}\n  query_timeout: 30s\n");
    let limits = "\nlimits: { decision_timeout: 30s, drain_timeout: 200ms }";
    let config = scene
        .config(&patient, limits)
        .replace(&format!("  url: {url}"), &format!("  url: {through}"));
    let sidegate = is_caching(Sidegate::run_in(folder(&config)));
    let session = scene.database.session(SUPERUSER);
    let (mine, ours) = (generation(MINE), generation(OURS));
    scene.is_warm(&sidegate, &ours);

    relay.hold(true);
    let from = session.value("select clock_timestamp()");
    let mut late = Wire::connect(sidegate.proxy);
    late.send(by_alice("GET", &mine, &[]));
    // The database has answered, and Sidegate has not heard it yet.
    let answered = format!(
        "select count(*) from pg_stat_activity where usename = '{LOGIN}' and state = 'idle'
         and query like '%memberships%' and query_start > '{from}'"
    );
    eventually("an answer on its way", || {
        (session.value(&answered) != "0").then_some(())
    });
    session.run(&format!(
        "update generations set user_id = '{YOURS}' where id = '{MINE}'"
    ));
    let polls = || metric(&sidegate, "sidegate_polls_begun_total").unwrap();
    let enough = polls() + 3;
    eventually("polls that tell of it", || {
        (polls() >= enough).then_some(())
    });
    relay.hold(false);
    // It was asked for before the right was taken away; what has come of it is not kept.
    let status = late.reply().expect("an answer").status;
    assert!(matches!(status, 200 | 403), "{status}");
    for _ in 0..AGAIN {
        assert!(!scene.allows(&sidegate, &mine), "it came back");
    }
    assert!(scene.allows(&sidegate, &ours));
}

/// An error was kept as if it had been a decision.
#[test]
fn c8_envoy_44874() {
    let scene = Scene::new();
    // Nothing is in memory: everything is a question, and errors are all that could be kept.
    let config = scene.config("  query_timeout: 300ms\n", "cache: { l1_size_mb: 0 }\n");
    let sidegate = Sidegate::run_in(folder(&config));
    let (mine, yours) = (generation(MINE), generation(YOURS));
    let ready = || (scene.allows(&sidegate, &mine)).then_some(());
    eventually("an answer", ready);
    let busy = scene.database.session(SUPERUSER);
    for _ in 0..2 {
        busy.run("begin; lock table users in access exclusive mode");
        for path in [&mine, &yours] {
            assert_eq!(status(&sidegate, path), 503);
        }
        busy.run("rollback");
        eventually("an answer", ready);
        assert_eq!(status(&sidegate, &yours), 403);
    }
    // The application's errors are no decisions either.
    assert_eq!(status(&sidegate, "/public/late"), 502);
    assert_eq!(status(&sidegate, "/public/x"), 200);
}

/// That there was nothing was kept, on one node, for ever. Also Kong/kong#6813.
#[test]
fn c9_kong_6808() {
    let scene = Scene::new();
    let (one, two) = (scene.instance(""), scene.instance(""));
    for number in 0..5 {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let path = generation(&id);
        for sidegate in [&one, &two, &one] {
            assert!(!scene.allows(sidegate, &path), "there is none");
        }
        scene.run(&format!(
            "insert into generations (id, user_id) values ('{id}', '{ALICE}')"
        ));
        for sidegate in [&one, &two] {
            assert!(scene.allows(sidegate, &path), "at once");
        }
    }
    // A membership that was missing.
    scene.run(&format!(
        "delete from team_members where user_id = '{ALICE}'"
    ));
    let ours = generation(OURS);
    for sidegate in [&one, &two] {
        scene.ends(sidegate, &ours);
    }
    scene.run(&format!(
        "insert into team_members values ('{TEAM}', '{ALICE}', 'viewer')"
    ));
    for sidegate in [&one, &two] {
        assert!(scene.allows(sidegate, &ours), "at once");
    }
}

/// Messages of a Redis that were lost, a Redis that was emptied, and one that came back with what it had.
#[test]
fn c10_lost_messages() {
    let scene = Scene::new();
    let mut shared = Redis::start().unwrap();
    let more = redis(&shared.url(), "  breaker: { open: 100ms }\n");
    let (one, two) = (scene.instance(&more), scene.instance(&more));
    let (ours, mine) = (generation(OURS), generation(MINE));
    for sidegate in [&one, &two] {
        is_sharing(sidegate);
        scene.is_warm(sidegate, &ours);
        scene.is_warm(sidegate, &mine);
    }
    shared.kill().unwrap();
    scene.run(&format!(
        "delete from team_members where user_id = '{ALICE}'"
    ));
    for sidegate in [&one, &two] {
        scene.ends(sidegate, &ours);
    }
    shared.resume().unwrap();
    for sidegate in [&one, &two] {
        is_sharing(sidegate);
        assert!(!scene.allows(sidegate, &ours), "what Redis had is no right");
        assert!(scene.allows(sidegate, &mine));
    }
    // One that was not there when it happened.
    let three = scene.instance(&more);
    is_sharing(&three);
    assert!(!scene.allows(&three, &ours));
    shared.command::<String>(&["FLUSHALL"]).unwrap();
    for sidegate in [&one, &two, &three] {
        assert!(!scene.allows(sidegate, &ours));
        assert!(scene.allows(sidegate, &mine));
    }
}
