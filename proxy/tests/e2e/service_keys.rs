//! Service keys from outside: made, used, rotated, revoked, brought along; and kept nowhere.

mod at_rest;

use std::process::{Command, Output};

use serde_json::Value;

use crate::caching::metric;
use crate::database::{Database, SUPERUSER, folder, migrate};
use crate::process::{ALICE, BINARY, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::revocations::known;
use crate::wire::{Reply, ask, request};

const PEPPER: &str = "a pepper of this test, 32 bytes or more";

/// Two instances over a database, with routes for keys.
struct World {
    database: Database,
    recorder: Recorder,
    sidegates: [Sidegate; 2],
}

impl World {
    fn start(more: &str) -> Self {
        let database = Database::example();
        let recorder = Recorder::start();
        database.run(
            SUPERUSER,
            &format!(
                "insert into users values ('{ALICE}', 'alice@example'), ('{YOURS}', 'you@example');
                 insert into generations (id, user_id) values ('{MINE}', '{ALICE}'), ('{YOURS}', '{YOURS}')"
            ),
        );
        let keys = format!(
            "service_keys: {{ pepper: \"{PEPPER}\", sources: [bearer, {{ header: X-Api-Key }}] }}\n{more}"
        );
        let config = database
            .config(recorder.address, "", &keys)
            .replace(
                "action: read,",
                "action: read, stale_if_error: 20s, scopes: [media.read, all],",
            )
            .replace(
                "access: authenticated }",
                "access: authenticated, scopes: [all] }",
            );
        let first = folder(&config);
        migrate(first.path(), &[]);
        let sidegates = [Sidegate::run_in(first), Sidegate::run_in(folder(&config))];
        sidegates.iter().for_each(known);
        Self {
            database,
            recorder,
            sidegates,
        }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY)
            .args(["key", "--json", "--config"])
            .arg(self.sidegates[0].folder().join("sidegate.yaml"))
            .args(arguments)
            .output()
            .unwrap()
    }

    fn done(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A key of Alice's: its id and what is presented.
    fn create(&self, arguments: &[&str]) -> (String, String) {
        let made = self.done(&[&["create", "--subject", ALICE], arguments].concat());
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let key = text("key");
        crate::secrets::note_token(&key);
        (text("id"), key)
    }
}

fn get(sidegate: &Sidegate, path: &str, header: (&str, &str)) -> Reply {
    ask(sidegate.proxy, request("GET", path, &[header]))
}

fn status(sidegate: &Sidegate, path: &str, key: &str) -> u16 {
    get(sidegate, path, ("X-Api-Key", key)).status
}

#[test]
fn a_key_speaks_for_its_subject_where_it_is_for_and_is_never_forwarded() {
    let world = World::start("");
    let [one, two] = &world.sidegates;
    let (_, key) = world.create(&["--scope", "media.read"]);
    let (mine, yours) = (format!("/g/{MINE}"), format!("/g/{YOURS}"));
    // At once, though neither has heard of it: refusals are fresh.
    for sidegate in [one, two] {
        assert_eq!(status(sidegate, &mine, &key), 200);
        assert_eq!(status(sidegate, &yours, &key), 403, "its subject may not");
        assert_eq!(status(sidegate, "/me", &key), 403, "it is not for that");
    }
    world.recorder.received();
    let bearer = format!("Bearer {key}");
    assert_eq!(get(one, &mine, ("Authorization", &bearer)).status, 200);
    let received = world.recorder.only();
    assert_eq!(received.values("X-Sidegate-Subject-Type"), ["service"]);
    assert_eq!(received.values("X-Sidegate-Subject"), [ALICE]);
    assert!(received.values("Authorization").is_empty());
    // Nobody looks at it on a public route, and the application does not either.
    for header in [("Authorization", bearer.as_str()), ("X-Api-Key", &key)] {
        assert_eq!(get(one, "/a", header).status, 200);
        assert!(!format!("{:?}", world.recorder.only()).contains(&key));
    }
    let other = format!("Bearer {}", token(ALICE));
    assert_eq!(get(one, "/a", ("Authorization", &other)).status, 200);
    assert_eq!(
        world.recorder.only().values("Authorization"),
        [other.as_str()]
    );

    let explained = Command::new(BINARY)
        .args(["explain", "--config"])
        .arg(one.folder().join("sidegate.yaml"))
        .args(["--token", &key, "GET", &mine])
        .output()
        .unwrap();
    let said = String::from_utf8(explained.stdout).unwrap();
    assert!(said.contains("says the service key"), "{said}");
    assert!(!said.contains(&key) && said.contains("ownership"), "{said}");

    // A key that is another one in any part of it, or two credentials.
    let (head, tail) = key.split_at(key.len() - 1);
    let last = if tail == "A" { "B" } else { "A" };
    for bad in [
        format!("{head}{last}"),
        head.to_owned(),
        key.replace("sgk_", "sgk_0"),
        "sgk_".to_owned(),
        "sgk_x".to_owned(),
        "anything".to_owned(),
    ] {
        assert_eq!(status(one, &mine, &bad), 401, "{bad}");
    }
    let both = [("X-Api-Key", key.as_str()), ("Authorization", &other)];
    assert_eq!(ask(one.proxy, request("GET", &mine, &both)).status, 400);
    // One that is for everything, and whose subject loses what it may.
    let (_, key) = world.create(&["--scope", "all"]);
    assert_eq!(status(two, "/me", &key), 200);
    let sql = format!("update users set is_active = false where id = '{ALICE}'");
    world.database.run(SUPERUSER, &sql);
    for sidegate in [one, two] {
        eventually("it is refused", || {
            (status(sidegate, "/me", &key) == 403).then_some(())
        });
    }
}

#[test]
fn a_key_ends_when_it_is_revoked_rotated_away_or_over() {
    let world = World::start("");
    let mine = format!("/g/{MINE}");
    let (id, key) = world.create(&["--scope", "all", "--owner", "me", "--note", "for a test"]);
    let (other, kept) = world.create(&["--scope", "all", "--expires-in", "1h"]);
    let now = |key: &str| [0, 1].map(|at| status(&world.sidegates[at], &mine, key));
    assert_eq!((now(&key), now(&kept)), ([200; 2], [200; 2]));

    // Both are good for a while; then the old one is not, and the new one stays.
    let rotated = world.done(&["rotate", &id, "--overlap", "1h"]);
    let new = rotated["key"].as_str().unwrap();
    crate::secrets::note_token(new);
    assert_eq!((now(new), now(&key)), ([200; 2], [200; 2]));
    let sql =
        "update sidegate.service_keys set previous_until = now() where previous_until is not null";
    world.database.run(SUPERUSER, sql);
    eventually("the old one is over", || {
        (now(&key) == [401; 2]).then_some(())
    });
    assert_eq!(now(new), [200; 2]);
    let again = world.done(&["rotate", &id, "--overlap", "0s"]);
    let newest = again["key"].as_str().unwrap();
    crate::secrets::note_token(newest);
    eventually("no overlap", || (now(new) == [401; 2]).then_some(()));

    let said = world.done(&["revoke", &id]);
    assert_eq!(said["revoked"], true);
    eventually("it is revoked", || (now(newest) == [401; 2]).then_some(()));
    assert_eq!(now(&kept), [200; 2], "and no other");
    assert_eq!(world.command(&["rotate", &id]).status.code(), Some(1));
    assert_eq!(world.command(&["revoke", "nobody"]).status.code(), Some(1));

    let listed = world.done(&["list"]);
    assert_eq!(listed[0]["state"], "revoked");
    assert_eq!(
        (&listed[0]["owner"], &listed[0]["note"]),
        (&"me".into(), &"for a test".into())
    );
    assert_eq!(listed[1]["state"], "good");
    let sql = format!("update sidegate.service_keys set expires_at = now() where id = '{other}'");
    world.database.run(SUPERUSER, &sql);
    eventually("it is over", || (now(&kept) == [401; 2]).then_some(()));
    let operations: Vec<_> = world
        .database
        .rows(
            SUPERUSER,
            "select operation from sidegate.audit order by at",
        )
        .concat();
    let expected = [
        "create", "create", "rotate", "change", "rotate", "revoke", "change",
    ];
    assert_eq!(operations, expected);
}

#[test]
fn a_key_of_another_make_is_known_by_its_digest_and_a_users_keys_end_with_it() {
    use aws_lc_rs::digest::{SHA256, digest};
    let world = World::start("");
    let mine = format!("/g/{MINE}");
    let brought = "legacy-key-0123456789";
    let hash = digest(&SHA256, brought.as_bytes());
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let import = [
        "import",
        "--id",
        "legacy1",
        "--sha256",
        &hash,
        "--subject",
        ALICE,
        "--scope",
        "all",
    ];
    let made = world.done(&import);
    assert!(made.get("key").is_none());
    let now = |key: &str| [0, 1].map(|at| status(&world.sidegates[at], &mine, key));
    assert_eq!((now(brought), now(&hash)), ([200; 2], [401; 2]));
    // Beside tokens only what Sidegate has made is taken for a key.
    let bearer = format!("Bearer {brought}");
    assert_eq!(
        get(&world.sidegates[0], &mine, ("Authorization", &bearer)).status,
        401
    );
    let rotated = world.done(&["rotate", "legacy1"]);
    let new = rotated["key"].as_str().unwrap();
    crate::secrets::note_token(new);
    assert_eq!((now(brought), now(new)), ([200; 2], [200; 2]));
    for wrong in [
        &["import", "--id", "a", "--sha256", "00", "--subject", ALICE][..],
        &["create", "--subject", "alice"],
    ] {
        let code = world.command(wrong).status.code();
        assert_eq!(code, Some(1), "{wrong:?}");
    }
    let revoked = Command::new(BINARY)
        .args(["revoke", "--config"])
        .arg(world.sidegates[0].folder().join("sidegate.yaml"))
        .args(["user", ALICE])
        .status();
    assert!(revoked.unwrap().success());
    eventually("all of hers", || {
        ((now(brought), now(new)) == ([401; 2], [401; 2])).then_some(())
    });
    // Also after the revocation's own row is gone.
    world
        .database
        .run(SUPERUSER, "delete from sidegate.revocations");
    eventually("the change is known", || {
        (metric(&world.sidegates[0], "sidegate_register_revocations") == Some(0)).then_some(())
    });
    assert_eq!(now(new), [401; 2]);
}

#[test]
fn another_pepper_than_the_keys_were_made_with_makes_no_keys() {
    let world = World::start("");
    let (id, _) = world.create(&["--scope", "all"]);
    let config = world.sidegates[0].folder().join("sidegate.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let other = world.sidegates[1].folder().join("other.yaml");
    std::fs::write(&other, text.replace(PEPPER, &PEPPER.to_uppercase())).unwrap();
    let refused = Command::new(BINARY)
        .args(["key", "--config"])
        .arg(&other)
        .args(["rotate", &id])
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("service_keys.pepper: expected"), "{said}");
    // Once none of them is left, another one may begin.
    world.done(&["revoke", &id]);
    let made = Command::new(BINARY)
        .args(["key", "--config"])
        .arg(&other)
        .args(["create", "--subject", ALICE])
        .status();
    assert!(made.unwrap().success());
    let old = world.command(&["create", "--subject", ALICE]);
    assert_eq!(old.status.code(), Some(1));
}

#[test]
fn unknown_keys_ask_the_database_nothing_and_a_known_one_outlives_it_as_its_route_says() {
    let world = World::start("");
    let sidegate = &world.sidegates[0];
    let mine = format!("/g/{MINE}");
    let (_, key) = world.create(&["--scope", "all"]);
    assert_eq!(status(sidegate, &mine, &key), 200);
    let asked = |ending: &str| {
        let name =
            format!("sidegate_database_queries_total{{pool=\"service_keys\",result=\"{ending}\"}}");
        metric(sidegate, &name).unwrap_or_default()
    };
    for number in 0..200 {
        assert_eq!(
            status(sidegate, &mine, &format!("sgk_unknown{number}_secret")),
            401
        );
        assert_eq!(status(sidegate, &mine, &format!("another-{number}")), 401);
    }
    assert_eq!(asked("answered"), 0, "nobody was asked");
    eventually("an answer from memory", || {
        (status(sidegate, &mine, &key) == 200).then_some(())
    });
    world.database.run(SUPERUSER, "checkpoint");
    world.database.cluster.pause().unwrap();
    // The lease has ended once it is marked.
    eventually("allowed as the route accepts", || {
        let reply = get(sidegate, &mine, ("X-Api-Key", &key));
        assert_eq!(reply.status, 200);
        reply.header("x-sidegate-degraded").is_some().then_some(())
    });
    assert_eq!(
        status(sidegate, "/me", &key),
        503,
        "another route accepts nothing"
    );
    assert_eq!(status(sidegate, &mine, "sgk_a_b"), 503, "nobody knows");
    world.database.cluster.resume().unwrap();
}
