//! An administrator says that facts have changed: every instance asks the database again about them, and
//! about nothing else.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::caching::{metric, started, status};
use crate::database::Database;
use crate::process::{ALICE, BINARY, MINE, Sidegate, YOURS, eventually};
use crate::recorder::Recorder;
use crate::wire::{Reply, ask};

/// What the admin listener says to tags.
fn post(sidegate: &Sidegate, body: &Value) -> Reply {
    let body = body.to_string();
    let head = format!(
        "POST /invalidate HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        sidegate.admin,
        body.len()
    );
    ask(sidegate.admin, head + &body)
}

/// `sidegate invalidate` with an instance's configuration.
fn command(sidegate: &Sidegate, tags: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["invalidate", "--json", "--config"])
        .arg(sidegate.folder().join("sidegate.yaml"))
        .args(tags)
        .output()
        .unwrap()
}

/// Questions that the database was asked for requests.
fn asked(sidegate: &Sidegate) -> u64 {
    metric(sidegate, "sidegate_answers_total{tier=\"store\"}").unwrap()
}

/// Asks until the answer comes from memory, and then how many had to come from the database so far.
fn warm(sidegate: &Sidegate) -> u64 {
    eventually("an answer from memory", || {
        let before = asked(sidegate);
        assert_eq!(status(sidegate, &format!("/g/{MINE}")), 200);
        (asked(sidegate) == before).then_some(before)
    })
}

#[test]
fn what_is_invalidated_is_asked_again_by_every_instance_and_nothing_else_is() {
    let database = Database::example();
    let recorder = Recorder::start();
    let one = started(&database, &recorder, "");
    let config = database.config(recorder.address, "", "");
    let two = Sidegate::run_in(crate::database::folder(&config));
    let mine = format!("resource:generation:{MINE}");
    let before = [warm(&one), warm(&two)];

    // Another row's: both go on from memory, though both know of it.
    let reply = post(&one, &json!({ "tags": [format!("user:{YOURS}")] }));
    assert_eq!(reply.status, 200, "{:?}", reply.json());
    assert_eq!(reply.json()["applied_here"], true);
    let other = command(&two, &[&format!("resource:generation:{YOURS}")]);
    assert!(other.status.success(), "{other:?}");
    assert_eq!([warm(&one), warm(&two)], before);

    // Through one instance, in the owner's words, and by the command: each counts for both.
    for round in 1..=2 {
        if round == 1 {
            let tags = json!({ "tags": [format!("ownership:{ALICE}:{}", MINE.to_uppercase())] });
            let reply = post(&one, &tags);
            assert_eq!(reply.json()["tags"], json!([mine]), "{:?}", reply.json());
            assert_eq!(asked(&one), before[0]);
            assert_eq!(status(&one, &format!("/g/{MINE}")), 200);
            assert_eq!(
                asked(&one),
                before[0] + 1,
                "applied here, before the answer"
            );
        } else {
            let output = command(&one, &["*"]);
            assert!(output.status.success(), "{output:?}");
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(said["tags"], json!(["*"]));
        }
        for (at, sidegate) in [&one, &two].into_iter().enumerate() {
            eventually("a question to the database", || {
                assert_eq!(status(sidegate, &format!("/g/{MINE}")), 200);
                (asked(sidegate) >= before[at] + round).then_some(())
            });
        }
    }
}

#[test]
fn what_is_no_tag_is_refused_and_a_directory_file_needs_none() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, "");
    let logged = || {
        database.rows(
            crate::database::SUPERUSER,
            "select count(*) from sidegate.change_log where tags[1] not like 'canary:%'",
        )
    };
    let before = logged();
    for body in [
        json!({ "tags": [] }),
        json!({ "tags": [format!("user:{ALICE}"), "user:alice"] }),
        json!({ "tags": ["team:t"], }),
        json!({ "tag": "*" }),
        json!(["*"]),
    ] {
        let reply = post(&sidegate, &body);
        assert_eq!(reply.status, 400, "{body}");
        assert!(
            reply.json()["error"].to_string().contains("expected"),
            "{body}"
        );
    }
    let output = command(&sidegate, &["user:alice"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("`user:alice`: expected an id of type uuid"),
        "{said}"
    );
    assert_eq!(command(&sidegate, &[]).status.code(), Some(2));
    assert_eq!(logged(), before, "nothing of it is written");

    let embedded = Sidegate::start(recorder.address, "");
    assert_eq!(post(&embedded, &json!({ "tags": ["*"] })).status, 409);
    assert_eq!(command(&embedded, &["*"]).status.code(), Some(1));
}
