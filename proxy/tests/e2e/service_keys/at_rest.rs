//! Where a secret could lie after use, and does not.

use std::process::Command;

use super::{PEPPER, World, status};
use crate::database::SUPERUSER;
use crate::process::MINE;
use crate::wire::ask;

#[test]
fn a_secret_is_nowhere_at_rest() {
    let redis = sidegate_loadtest::redis::Redis::start().unwrap();
    let more = format!(
        "redis: {{ url: \"{}\", mac_keys: [\"a key of this test, 32 bytes or more\"] }}",
        redis.url()
    );
    let mut world = World::start(&more);
    let (id, key) = world.create(&["--scope", "all"]);
    let secret = key.rsplit_once(&format!("{id}_")).unwrap().1.to_owned();
    for path in [format!("/g/{MINE}"), "/me".to_owned(), "/a".to_owned()] {
        for sidegate in &world.sidegates {
            assert_eq!(status(sidegate, &path, &key), 200);
        }
    }
    let rotated = world.done(&["rotate", &id]);
    let new = rotated["key"].as_str().unwrap().to_owned();
    let listed = world.done(&["list"]).to_string();
    let dump = Command::new("pg_dump")
        .args(["--dbname", &world.database.url(SUPERUSER)])
        .output()
        .unwrap();
    assert!(dump.status.success());
    let mut places = vec![
        ("the list", listed.into_bytes()),
        ("the database", dump.stdout),
    ];
    let names: Vec<String> = redis.command(&["KEYS", "*"]).unwrap();
    assert!(!names.is_empty(), "answers are shared");
    for name in names {
        places.push(("Redis", redis.command(&["GET", &name]).unwrap()));
        places.push(("Redis", name.into_bytes()));
    }
    for sidegate in &mut world.sidegates {
        for path in ["/metrics", "/config", "/readyz"] {
            let head = format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                sidegate.admin
            );
            places.push(("the admin listener", ask(sidegate.admin, head).body));
        }
        for entry in std::fs::read_dir(sidegate.folder()).unwrap() {
            places.push(("a file", std::fs::read(entry.unwrap().path()).unwrap()));
        }
        sidegate.signal("TERM");
        places.push(("the log", sidegate.rest_of_log().into_bytes()));
    }
    let found =
        |text: &[u8], secret: &str| text.windows(secret.len()).any(|it| it == secret.as_bytes());
    for (place, text) in &places {
        assert!(!found(text, &secret) && !found(text, &new), "{place}");
    }
    // What is looked for would be found: the id is there, and so is what a file holds.
    assert!(found(&places[1].1, &id) && found(&places[0].1, &id));
    assert!(
        places.iter().any(|(_, text)| found(text, PEPPER)),
        "the configuration has the pepper"
    );
}
