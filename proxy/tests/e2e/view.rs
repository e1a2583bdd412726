//! The materialized view, from outside: it grants what has not changed since it was built, and nothing else;
//! it fills memory at the start; and it says where to look for what somebody may see.

use std::path::Path;

use serde_json::Value;

use crate::caching::{metric, status};
use crate::database::{Database, LOGIN, SUPERUSER, folder, migrate};
use crate::process::{ALICE, MINE, Sidegate, YOURS, eventually};
use crate::recorder::Recorder;

const TEAM: &str = "7ea00000-0000-4000-8000-000000000001";
const PROJECT: &str = "94000000-0000-4000-8000-000000000001";
/// Somebody else's, in a project of Alice's team.
const OURS: &str = "6e000000-0000-4000-8000-000000000009";

struct Scene {
    database: Database,
    recorder: Recorder,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            database: Database::example(),
            recorder: Recorder::start(),
        };
        scene.run(&format!(
            "insert into users values ('{ALICE}', 'alice@example'), ('{YOURS}', 'you@example');
             insert into teams values ('{TEAM}', 'team');
             insert into team_members values ('{TEAM}', '{ALICE}', 'viewer');
             insert into projects (id, user_id, team_id, visibility) values ('{PROJECT}', '{YOURS}', '{TEAM}', 'private');
             insert into generations (id, user_id, project_id) values
                 ('{MINE}', '{ALICE}', null), ('{YOURS}', '{YOURS}', null), ('{OURS}', '{YOURS}', '{PROJECT}')"
        ));
        scene
    }

    fn run(&self, sql: &str) {
        self.database.run(SUPERUSER, sql);
    }

    fn config(&self, view: &str, more: &str) -> String {
        let view = format!("  view: {{ {view} }}\n");
        self.database.config(self.recorder.address, &view, more)
    }

    fn instance(&self, view: &str, more: &str) -> Sidegate {
        let folder = folder(&self.config(view, more));
        migrate(folder.path(), &[]);
        let sidegate = Sidegate::run_in(folder);
        eventually("an open cache", || {
            (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
        });
        sidegate
    }

    fn pairs(&self) -> Option<u64> {
        let rows = self
            .database
            .rows(SUPERUSER, "select pairs from sidegate.mv_meta");
        rows.first()?.first()?.parse().ok()
    }
}

fn answers(sidegate: &Sidegate, tier: &str) -> u64 {
    metric(
        sidegate,
        &format!("sidegate_answers_total{{tier=\"{tier}\"}}"),
    )
    .unwrap()
}

/// Waits until it knows that the view is good.
fn is_good(sidegate: &Sidegate) {
    eventually("a view that is known", || {
        (metric(sidegate, "sidegate_view_good") == Some(1)).then_some(())
    });
}

fn view(folder: &Path, arguments: &[&str]) -> Value {
    let config = folder.join("sidegate.yaml");
    let config = config.to_str().unwrap();
    let all = [&["view", "--json", "--config", config], arguments].concat();
    let output = crate::cli::run(&all);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_view_grants_what_has_not_changed_since_and_nothing_else() {
    let scene = Scene::new();
    let sidegate = scene.instance(
        "refresh: manual, route: true",
        "\ncache: { warming: false }\n",
    );
    let path = |id: &str| format!("/g/{id}");
    assert_eq!(
        view(sidegate.folder(), &["status"])["built_at"],
        Value::Null
    );
    assert_eq!(status(&sidegate, &path(MINE)), 200);
    assert_eq!(answers(&sidegate, "store"), 1, "it is empty");
    // Two users own themselves, one is in a team; two own three generations and a project, which the other sees.
    let built = view(sidegate.folder(), &["refresh"]);
    assert_eq!(scene.pairs(), built["pairs"].as_u64());
    let good = view(sidegate.folder(), &["status"]);
    assert_eq!(good["is_good"], true, "{good}");

    // Another process, whose memory is empty; once it knows of the view.
    let fresh = scene.instance(
        "refresh: manual, route: true",
        "\ncache: { warming: false }\n",
    );
    is_good(&fresh);
    let store = answers(&fresh, "store");
    assert_eq!(status(&fresh, &path(OURS)), 200, "through the team");
    assert_eq!(status(&fresh, &path(MINE)), 200);
    assert_eq!(
        (answers(&fresh, "store"), answers(&fresh, "view")),
        (store, 2)
    );
    // A pair that is missing proves nothing, and is no grant.
    assert_eq!(status(&fresh, &path(YOURS)), 403);
    assert!(answers(&fresh, "store") > store);

    // What has changed since is asked of the tables, also where the view would have granted it.
    let third = scene.instance(
        "refresh: manual, route: true",
        "\ncache: { warming: false }\n",
    );
    is_good(&third);
    scene.run(&format!(
        "delete from team_members where user_id = '{ALICE}'"
    ));
    eventually("a refusal", || {
        (status(&third, &path(OURS)) == 403).then_some(())
    });
    scene.run(&format!(
        "insert into team_members values ('{TEAM}', '{ALICE}', 'viewer')"
    ));
    eventually("a grant", || {
        (status(&third, &path(OURS)) == 200).then_some(())
    });
    assert_eq!(
        view(third.folder(), &["status"])["is_good"],
        true,
        "as old as it is"
    );
    // Other triggers: nothing of it counts.
    scene.run("alter table team_members disable trigger user");
    scene.run("alter table team_members enable always trigger sidegate_insert, enable always trigger sidegate_update,
               enable always trigger sidegate_delete, enable always trigger sidegate_truncate");
    assert_eq!(view(third.folder(), &["status"])["is_good"], false);
}

#[test]
fn memory_is_warm_after_a_start_and_an_interval_or_a_change_builds_the_view_anew() {
    let scene = Scene::new();
    let first = scene.instance("refresh: interval, interval: 1s", "");
    eventually("a view", || scene.pairs());
    first.logged("memory is warm");
    let second = scene.instance("refresh: on_change, debounce: 100ms", "");
    second.logged("memory is warm");
    for id in [MINE, OURS] {
        assert_eq!(status(&second, &format!("/g/{id}")), 200);
    }
    assert_eq!((answers(&second, "l1"), answers(&second, "store")), (2, 0));
    // Not routed to, it answers nothing.
    assert_eq!(status(&second, &format!("/g/{YOURS}")), 403);
    assert_eq!(answers(&second, "view"), 0);
    drop(first);

    let before = scene.pairs();
    scene.run(&format!(
        "update generations set user_id = '{ALICE}' where id = '{YOURS}'"
    ));
    scene.run(&format!(
        "delete from team_members where user_id = '{ALICE}'"
    ));
    eventually("a view of after the change", || {
        (scene.pairs() != before).then_some(())
    });
}

#[test]
fn the_view_says_where_to_look_and_the_tables_what_is_so() {
    let scene = Scene::new();
    let sidegate = scene.instance("refresh: manual", "");
    view(sidegate.folder(), &["refresh"]);
    let list = || {
        let found = view(sidegate.folder(), &["list", ALICE]);
        let mut found: Vec<String> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                format!(
                    "{} {}",
                    it["id"].as_str().unwrap(),
                    it["reason"].as_str().unwrap()
                )
            })
            .collect();
        found.sort();
        found
    };
    assert_eq!(
        list(),
        [format!("{MINE} ownership"), format!("{OURS} team_access")]
    );
    scene.run(&format!(
        "delete from team_members where user_id = '{ALICE}'"
    ));
    assert_eq!(
        list(),
        [format!("{MINE} ownership")],
        "the view is old, the tables are not"
    );
    let write = view(sidegate.folder(), &["list", ALICE, "--action", "write"]);
    assert_eq!(write.as_array().unwrap().len(), 1);

    // It may be read and built by the login, and changed by nobody; it goes where a table is let go, and comes
    // back; without a strategy there is none.
    let login = scene.database.session(LOGIN);
    assert_eq!(
        login.refused("update sidegate.mv_meta set xid = '99999'"),
        "42501"
    );
    let there = || {
        let sql = "select to_regclass('sidegate.mv_user_authorization_context') is not null";
        scene.database.rows(SUPERUSER, sql)[0][0] == "t"
    };
    migrate(sidegate.folder(), &["--release", "generations"]);
    assert!(!there());
    migrate(sidegate.folder(), &[]);
    assert!(there() && scene.pairs().is_none());
    let off = folder(&scene.config("refresh: off", ""));
    migrate(off.path(), &[]);
    assert!(!there());
    assert_eq!(
        status(&sidegate, &format!("/g/{MINE}")),
        200,
        "and nobody needs it"
    );
}
