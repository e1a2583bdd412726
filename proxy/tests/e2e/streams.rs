//! What lasts ends with the right behind it, in both directions, busy or idle, and nobody else's does.

mod credentials;
mod flow;
mod others;

use std::time::{Duration, Instant};

use crate::caching::{metric, sum};
use crate::database::{Database, SUPERUSER};
use crate::process::{ALICE, MINE, Sidegate, YOURS as BOB, eventually, token};
use crate::streaming::Stage;
use flow::{Flow, Kind, go_on};

const TEAM: &str = "7ea30000-0000-4000-8000-000000000001";
const PROJECT: &str = "a0ec7000-0000-4000-8000-000000000001";
const OWNER: &str = "0e0e0000-0000-4000-8000-000000000001";

/// The bound, and what a busy machine may need to notice.
const BOUND: Duration = Duration::from_millis(1000 + 1000);
/// Pieces that take well longer than the bound.
const LONG: usize = 110;

/// Routes on which everything lasts that may.
const ROUTES: &str = "  - { methods: [GET], path: \"/ws/{id}\", action: read, websocket: true, resource: { kind: generation, id: { path: id } } }
  - { methods: [GET], path: \"/long/{id}\", action: read, stale_if_error: 30s, resource: { kind: generation, id: { path: id } } }
  - { methods: [GET], path: /talk, access: authenticated, websocket: true, scopes: [talk] }
";

/// What a user gets of the team's generation.
fn path(kind: Kind) -> String {
    match kind {
        Kind::Download | Kind::Upload => format!("/g/{MINE}"),
        Kind::Busy | Kind::Idle => format!("/ws/{MINE}"),
    }
}

/// A database in which Alice and Bob may edit what is another one's, because they are in the team.
struct Scene {
    database: Database,
    stage: Stage,
    sidegate: Sidegate,
}

impl Scene {
    fn new(more: &str) -> Self {
        let (database, stage) = (Database::example(), Stage::start());
        database.run(
            SUPERUSER,
            &format!(
                "insert into users values ('{ALICE}', 'alice@example'), ('{BOB}', 'bob@example'),
                     ('{OWNER}', 'owner@example');
                 insert into teams values ('{TEAM}', 'team');
                 insert into team_members values ('{TEAM}', '{ALICE}', 'editor'), ('{TEAM}', '{BOB}', 'editor');
                 insert into projects (id, user_id, team_id) values ('{PROJECT}', '{OWNER}', '{TEAM}');
                 insert into generations (id, user_id, project_id) values ('{MINE}', '{OWNER}', '{PROJECT}')"
            ),
        );
        let config = Self::config(&database, &stage, more);
        let folder = crate::database::folder(&config);
        crate::database::migrate(folder.path(), &[]);
        let scene = Self {
            database,
            stage,
            sidegate: Sidegate::run_in(folder),
        };
        if !more.contains("l1_size_mb: 0") {
            eventually("an open cache", || {
                (metric(&scene.sidegate, "sidegate_cache_open") == Some(1)).then_some(())
            });
        }
        scene
    }

    fn config(database: &Database, stage: &Stage, more: &str) -> String {
        let limits = "\nlimits: { min_body_rate: 0, decision_timeout: 600ms }\n";
        let more = if more.contains("limits:") {
            more.to_owned()
        } else {
            format!("{limits}{more}")
        };
        // Where nobody waits for an outage to be noticed, a busy machine may take its time.
        let query_timeout = if more.starts_with(limits) {
            "300ms"
        } else {
            "5s"
        };
        let config = database.config(
            stage.address,
            &format!("  query_timeout: {query_timeout}\n"),
            &format!("{ROUTES}{more}"),
        );
        config.replace(
            "viewer: [read] }",
            "viewer: [read], editor: [read, write] }",
        )
    }

    fn run(&self, sql: &str) {
        self.database.run(SUPERUSER, sql);
    }

    fn open(&self, kind: Kind, user: &str) -> Flow {
        self.open_on(kind, &path(kind), &token(user))
    }

    fn open_on(&self, kind: Kind, path: &str, token: &str) -> Flow {
        Flow::open((&self.sidegate, &self.stage), kind, path, Some(token))
    }

    /// That so many have ended for this reason by now.
    fn ended(&self, why: &str, count: u64) {
        ended(&self.sidegate, why, count);
    }

    /// That all of a user's end within the bound after a change, and none of the other one's. `ended` is how
    /// many have by then.
    fn takes_away(&self, sql: &str, ended: u64) {
        let alices: Vec<_> = Kind::ALL.map(|kind| self.open(kind, ALICE)).into();
        let bobs: Vec<_> = Kind::ALL.map(|kind| self.open(kind, BOB)).into();
        // They last already: what is renewed is renewed.
        go_on(&bobs, LONG);
        let session = self.database.session(SUPERUSER);
        session.run(sql);
        let changed = Instant::now();
        alices
            .iter()
            .for_each(|flow| flow.has_ended(changed, BOUND));
        go_on(&bobs, LONG);
        self.ended("denied", ended);
    }
}

/// That so many requests have been ended for a reason.
fn ended(sidegate: &Sidegate, why: &str, count: u64) {
    let name = format!("sidegate_streams_ended_total{{why=\"{why}\"}}");
    eventually(&format!("{count} ended: {why}"), || {
        (metric(sidegate, &name) == Some(count)).then_some(())
    });
}

#[test]
fn what_lasts_ends_within_a_second_of_its_right_and_nobody_elses_does() {
    let scene = Scene::new("");
    scene.takes_away(
        &format!("delete from team_members where user_id = '{ALICE}'"),
        4,
    );
    let line = scene.sidegate.logged("\"ended\":\"denied\"");
    for part in ["decision_id", "\"reason\":\"no_role\"", ALICE] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let cut_off = "sidegate_connections_ended_total{why=\"cut_off\"}";
    eventually("four connections that were cut off", || {
        (metric(&scene.sidegate, cut_off) == Some(4)).then_some(())
    });
    scene.run(&format!(
        "insert into team_members values ('{TEAM}', '{ALICE}', 'editor')"
    ));
    scene.takes_away(
        &format!("update users set is_active = false where id = '{ALICE}'"),
        8,
    );
    // They are counted as what they were: allowed.
    let allowed = "sidegate_requests_total{outcome=\"allow\",reason=\"team_access\",";
    eventually("all of them are counted", || {
        (sum(&scene.sidegate, allowed) == 16).then_some(())
    });
    eventually("nothing lasts any more", || {
        (metric(&scene.sidegate, "sidegate_streams") == Some(0)).then_some(())
    });
}

#[test]
fn without_anything_in_memory_the_same_holds() {
    let scene = Scene::new("cache: { l1_size_mb: 0 }\n");
    scene.takes_away(
        &format!("delete from team_members where user_id = '{ALICE}'"),
        4,
    );
}

#[test]
fn what_has_changed_and_still_allows_goes_on() {
    let scene = Scene::new("");
    let flows: Vec<_> = Kind::ALL.map(|kind| scene.open(kind, ALICE)).into();
    let sides = [
        format!("update team_members set role = 'owner' where user_id = '{ALICE}'"),
        format!("update team_members set role = 'editor' where user_id = '{ALICE}'"),
        format!("update projects set visibility = 'team_open' where id = '{PROJECT}'"),
        format!("insert into team_members values ('{TEAM}', '{OWNER}', 'viewer')"),
        "select sidegate.invalidate('{*}')".to_owned(),
    ];
    for change in sides {
        scene.run(&change);
        go_on(&flows, LONG);
    }
    scene.ended("denied", 0);
    scene.ended("unknown", 0);
    // A membership that ends by itself.
    scene.run(&format!(
        "update team_members set expires_at = now() + interval '3 s' where user_id = '{ALICE}'"
    ));
    let end = Instant::now() + Duration::from_secs(3);
    flows.iter().for_each(|flow| flow.has_ended(end, BOUND));
    // And not before: whoever talks has talked until then.
    let talking = flows.iter().take(3);
    let early = end - Duration::from_secs(1);
    assert!(talking.map(Flow::last_byte).all(|last| last > early));
}

#[test]
fn while_nobody_can_say_nothing_passes_where_nobody_has_opted_in() {
    let patience = Duration::from_secs(4);
    let scene = Scene::new("\nlimits: { min_body_rate: 0, decision_timeout: 4s }\n");
    let strict: Vec<_> = Kind::ALL.map(|kind| scene.open(kind, ALICE)).into();
    let stale = scene.open_on(Kind::Download, &format!("/long/{MINE}"), &token(BOB));
    stale.goes_on(LONG);
    scene.run("checkpoint");
    scene.database.cluster.pause().unwrap();
    let paused = Instant::now();
    // Held for as long as a decision may take, then ended.
    for flow in &strict {
        flow.has_ended_later(paused, BOUND, BOUND + patience);
    }
    scene.ended("unknown", 4);
    stale.goes_on(LONG);
    scene.database.cluster.resume().unwrap();
    // It is over, and a right that is taken away counts as ever.
    stale.goes_on(LONG);
    eventually("an open cache", || {
        (metric(&scene.sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    stale.goes_on(LONG);
    scene.run(&format!("delete from team_members where user_id = '{BOB}'"));
    stale.has_ended(Instant::now(), BOUND);
}

#[test]
fn a_process_that_was_stopped_passes_nothing_before_it_has_looked() {
    let scene = Scene::new("\nlimits: { min_body_rate: 0, decision_timeout: 4s }\n");
    let flows: Vec<_> = Kind::ALL.map(|kind| scene.open(kind, ALICE)).into();
    let others: Vec<_> = Kind::ALL.map(|kind| scene.open(kind, BOB)).into();
    go_on(&flows, LONG);
    scene.sidegate.signal("STOP");
    let change = format!("delete from team_members where user_id = '{ALICE}'");
    scene.run(&change);
    let changed = Instant::now();
    eventually("the bound is over", || {
        (changed.elapsed() > BOUND).then_some(())
    });
    // Whatever was written before has arrived; what both sides have written since waits in the kernel.
    let before: Vec<_> = flows.iter().map(Flow::arrived).collect();
    scene.sidegate.signal("CONT");
    let resumed = Instant::now();
    flows.iter().for_each(|flow| flow.has_ended(resumed, BOUND));
    let after: Vec<_> = flows.iter().map(Flow::arrived).collect();
    assert_eq!(before, after);
    go_on(&others, LONG);
}
