//! Why was this allowed or refused? From the id in an answer to the explanation, with the command that an operator
//! would type.

mod kept;

use std::process::{Command, Output};

use serde_json::Value;
use uuid::Uuid;

use crate::cli;
use crate::database::{Database, SUPERUSER, folder, migrate};
use crate::process::{ALICE, BINARY, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{ask, request};

const BOB: &str = "b0b00000-0000-4000-8000-000000000002";
const TEAM: &str = "7ea30000-0000-4000-8000-000000000001";
const PROJECT: &str = "94120000-0000-4000-8000-000000000002";

/// The status of a request, and the id of its decision.
fn asked(sidegate: &Sidegate, method: &str, path: &str, token: Option<&str>) -> (u16, Uuid) {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = authorization
        .iter()
        .map(|value| ("Authorization", value.as_str()))
        .collect();
    let reply = ask(sidegate.proxy, request(method, path, &headers));
    let id = reply.header("x-sidegate-decision-id").expect("an id");
    (reply.status, Uuid::try_parse(id).unwrap())
}

/// `GET` of the admin listener.
fn admin(sidegate: &Sidegate, path: &str, headers: &str) -> (u16, Value) {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}Connection: close\r\n\r\n",
        sidegate.admin
    );
    let reply = ask(sidegate.admin, head);
    let body = serde_json::from_slice(&reply.body).unwrap_or_default();
    (reply.status, body)
}

fn has(sidegate: &Sidegate, id: Uuid) -> bool {
    admin(sidegate, &format!("/decisions/{id}"), "").0 == 200
}

/// The explanation of a decision. It is kept once the answer was given.
fn explained(sidegate: &Sidegate, id: Uuid) -> Value {
    eventually("an explanation", || {
        let (status, body) = admin(sidegate, &format!("/decisions/{id}"), "");
        (status == 200).then_some(body)
    })
}

/// `sidegate explain --decision` with the configuration of a running one.
fn command(sidegate: &Sidegate, id: &str, more: &[&str]) -> Output {
    let admin = format!("http://{}", sidegate.admin);
    Command::new(BINARY)
        .args(["explain", "--config"])
        .arg(sidegate.folder().join("sidegate.yaml"))
        .args(["--admin", &admin, "--decision", id])
        .args(more)
        .output()
        .unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Bob's generation, in a private project of a team in which Alice is a viewer.
fn team_world(recorder: &Recorder) -> (Database, Sidegate) {
    let database = Database::example();
    database.run(
        SUPERUSER,
        &format!(
            "insert into users values ('{ALICE}', 'alice@example'), ('{BOB}', 'bob@example');
             insert into teams values ('{TEAM}', 'us');
             insert into team_members values ('{TEAM}', '{ALICE}', 'viewer', null);
             insert into projects (id, user_id, team_id) values ('{PROJECT}', '{BOB}', '{TEAM}');
             insert into generations (id, user_id) values ('{MINE}', '{ALICE}');
             insert into generations (id, user_id, project_id) values ('{YOURS}', '{BOB}', '{PROJECT}')"
        ),
    );
    let config = database.config(recorder.address, "", "").replace(
        "  kinds:",
        "  visibility_roles: { public: viewer }\n  kinds:",
    );
    let folder = folder(&config);
    migrate(folder.path(), &[]);
    (database, Sidegate::run_in(folder))
}

/// Every change of every way, as `change row now [values]`.
fn changes(explained: &Value) -> Vec<Vec<String>> {
    let ways = explained["other_answer"]["ways"].as_array().unwrap();
    let told = |change: &Value| {
        let text = |name: &str| change[name].as_str().unwrap_or("-").to_owned();
        let values = change["values"].as_array().cloned().unwrap_or_default();
        let values: Vec<_> = values.iter().map(|it| it.as_str().unwrap()).collect();
        let parts = [text("change"), text("row"), text("now"), values.join(",")];
        parts.join(" ").trim_end().to_owned()
    };
    let way = |way: &Value| way.as_array().unwrap().iter().map(told).collect();
    ways.iter().map(way).collect()
}

/// A viewer who wrote.
fn is_told_as_a_denial(denial: &Value) {
    for (place, expected) in [
        ("/outcome", "deny"),
        ("/reason", "role_lacks_action"),
        ("/decision/method", "POST"),
        ("/provenance/tier", "l1"),
    ] {
        assert_eq!(denial.pointer(place).unwrap(), expected, "{denial}");
    }
    assert_eq!(denial["status"], 403);
    let list = |place: &str, name: &str| -> Vec<String> {
        let all = denial.pointer(place).unwrap().as_array().unwrap().iter();
        all.map(|it| it[name].as_str().unwrap().to_owned())
            .collect()
    };
    let stages = list("/decision/stages", "stage");
    assert_eq!(stages, ["route", "authenticate", "authorize", "answer"]);
    let age = denial["provenance"]["age_ms"].as_f64().unwrap();
    assert!((0.0..1000.0).contains(&age), "{age}");
    assert_eq!(
        list("/provenance/tags", "tag"),
        [
            format!("user:{ALICE}"),
            format!("resource:generation:{YOURS}"),
            format!("project:{PROJECT}"),
            format!("member:{TEAM}:{ALICE}"),
            format!("credential:user:{ALICE}"),
            "credential:all:*".to_owned(),
        ]
    );
    assert_eq!(denial["provenance"]["changed_since"], false);
    assert_eq!(
        changes(denial),
        [
            [format!("own resource:generation:{YOURS} {BOB}")],
            [format!("join member:{TEAM}:{ALICE} viewer owner")],
        ]
    );
}

/// What the command prints, with everything that is expected in it.
fn prints(sidegate: &Sidegate, id: &str, expected: &[&str]) {
    let (code, text) = said(&command(sidegate, id, &[]));
    assert_eq!(code, Some(0), "{text}");
    for expected in expected {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_denial_and_an_allow_are_explained_by_their_ids_and_what_is_said_to_turn_them_does() {
    let recorder = Recorder::start();
    let (database, sidegate) = team_world(&recorder);
    let (token, yours) = (token(ALICE), format!("/g/{YOURS}"));
    eventually("an answer from memory", || {
        let (status, id) = asked(&sidegate, "GET", &yours, Some(&token));
        let explained = (status == 200).then(|| explained(&sidegate, id))?;
        (explained["provenance"]["tier"] == "l1").then_some(())
    });
    // A viewer does not write.
    let (status, denied) = asked(&sidegate, "POST", &yours, Some(&token));
    assert_eq!(status, 403);
    let denial = explained(&sidegate, denied);
    is_told_as_a_denial(&denial);
    // But reads.
    let (status, allowed) = asked(&sidegate, "GET", &yours, Some(&token));
    assert_eq!(status, 200);
    let way = format!("no longer `owner` or `viewer` in the team {TEAM} (now: viewer)");
    let expected = [
        "ALLOW (team_access): forwarded to the application -> 200",
        "grants      team_access: role `viewer`",
        "to be refused, one of:",
        &way,
        "would have to be inactive, or gone",
    ];
    prints(&sidegate, &allowed.to_string(), &expected);

    // What was named as what would let her write is done, and it does.
    let sql = format!("update team_members set role = 'owner' where user_id = '{ALICE}'");
    database.run(SUPERUSER, &sql);
    let after = eventually("the change is known", || {
        let explained = explained(&sidegate, denied);
        (explained["provenance"]["changed_since"] == true).then_some(explained)
    });
    let tags = after["provenance"]["tags"].as_array().unwrap();
    let member = tags.iter().find(|it| it["of"] == "membership").unwrap();
    assert_eq!(member["changed_since"], true);
    assert!(member["last_transaction"].as_u64() > Some(0), "{member}");
    assert_eq!(asked(&sidegate, "POST", &yours, Some(&token)).0, 200);
    // The decision that was made is told as it was made.
    assert_eq!(changes(&after), changes(&denial));
    let way = format!("would have to be `owner` in the team {TEAM} (now: viewer)");
    let expected = [
        "DENY (role_lacks_action)",
        "-> 403",
        "facts       from this process's memory",
        "SINCE THE DECISION",
        "to be allowed, one of:",
        "would have to own the generation",
        &way,
    ];
    let spelled = format!("{{{denied}}}\r").to_uppercase();
    prints(&sidegate, &spelled, &expected);
}

#[test]
fn an_explanation_holds_no_credential_and_no_path_and_its_keys_are_taken_by_invalidate() {
    let recorder = Recorder::start();
    let (_database, sidegate) = team_world(&recorder);
    let (token, yours) = (token(ALICE), format!("/g/{YOURS}"));
    let (_, denied) = asked(&sidegate, "POST", &yours, Some(&token));
    let denial = explained(&sidegate, denied);
    let (code, text) = said(&command(&sidegate, &denied.to_string(), &["--json"]));
    assert_eq!(code, Some(0), "{text}");
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(
        !text.contains(&yours) && !text.contains(signature),
        "{text}"
    );
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["reason"], "role_lacks_action");

    let config = sidegate.folder().join("sidegate.yaml");
    let config = config.display().to_string();
    let keys = denial["provenance"]["cache_keys"].as_array().unwrap();
    assert_eq!(keys.len(), 4);
    for key in keys {
        let key = key.as_str().unwrap();
        let output = cli::run(&["invalidate", "--config", &config, key]);
        assert!(output.status.success(), "{key}: {output:?}");
    }
}

#[test]
fn what_is_asked_about_is_explained_alike_and_without_a_feed_there_are_no_versions() {
    let recorder = Recorder::start();
    let (_database, sidegate) = team_world(&recorder);
    let config = sidegate.folder().join("sidegate.yaml");
    let output = cli::run(&[
        "explain",
        "--config",
        &config.display().to_string(),
        "--json",
        "--subject",
        ALICE,
        "POST",
        &format!("/g/{YOURS}"),
    ]);
    let offline: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(offline["reason"], "role_lacks_action");
    assert!(offline["decision"].is_null());
    let provenance = &offline["provenance"];
    assert_eq!(provenance["tier"], "store");
    assert!(provenance["tags"][0]["last_poll"].is_null() && provenance["changed_since"].is_null());
    let note = provenance["note"].as_str().unwrap();
    assert!(note.contains("nobody follows changes here"), "{note}");

    let body = format!("{{\"method\":\"POST\",\"path\":\"/g/{YOURS}\",\"subject\":\"{ALICE}\"}}");
    let head = format!(
        "POST /explain HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        sidegate.admin,
        body.len()
    );
    let request = head + &body;
    let online = eventually("somebody follows changes", || {
        let online = ask(sidegate.admin, &request).json();
        let is_followed = online["provenance"]["tags"][0]["last_poll"].is_u64();
        is_followed.then_some(online)
    });
    assert_eq!(changes(&online), changes(&offline));
}

#[test]
fn who_may_not_ask_learns_nothing_and_who_asks_wrongly_is_told() {
    let recorder = Recorder::start();
    let token_of_admin = "0123456789abcdef";
    let more = format!("\nadmin: {{ listen: \"127.0.0.1:0\", token: {token_of_admin} }}\n");
    let sidegate = Sidegate::start(recorder.address, &more);
    let (status, id) = asked(
        &sidegate,
        "GET",
        &format!("/g/{YOURS}"),
        Some(&token(ALICE)),
    );
    assert_eq!(status, 403);
    let path = format!("/decisions/{id}");
    let with = format!("Authorization: Bearer {token_of_admin}\r\n");
    eventually("it is kept", || {
        (admin(&sidegate, &path, &with).0 == 200).then_some(())
    });
    assert_eq!(admin(&sidegate, &path, "").0, 401);
    assert_eq!(
        admin(&sidegate, &path, "Authorization: Bearer x\r\n").0,
        401
    );
    // And on the data port there is no such thing.
    assert_eq!(ask(sidegate.proxy, request("GET", &path, &[])).status, 404);
    assert_eq!(admin(&sidegate, "/decisions/x", &with).0, 400);
    assert_eq!(
        admin(&sidegate, &format!("{path}?format=xml"), &with).0,
        400
    );

    let (code, text) = said(&command(&sidegate, &id.to_string(), &[]));
    assert!(code == Some(0) && text.contains("DENY (no_role)"), "{text}");
    let (code, text) = said(&command(&sidegate, &Uuid::new_v4().to_string(), &[]));
    assert_eq!(code, Some(1), "{text}");
    for expected in [
        "not among the decisions kept here",
        "denied: ",
        "ask the one that answered",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    for wrong in [
        vec!["--decision", "x"],
        vec!["--decision", MINE, "GET", "/a"],
        vec!["--decision", MINE, "--subject", ALICE],
        vec!["--admin", "http://127.0.0.1:1", "GET", "/a"],
        vec![],
    ] {
        let arguments = [vec!["explain", "--config", "x.yaml"], wrong].concat();
        assert_eq!(cli::run(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    let nobody = [
        "explain",
        "--admin",
        "http://127.0.0.1:1",
        "--decision",
        MINE,
    ];
    let (code, text) = said(&cli::run(&nobody));
    assert!(
        code == Some(1) && text.contains("cannot be reached"),
        "{text}"
    );
}
