//! What lasts ends with its credential: one that was revoked, a key that was rotated away or revoked, a token whose
//! issuer says no; and nobody else's does.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::flow::{Flow, Kind, go_on};
use super::{BOUND, LONG, OWNER, Scene, ended};
use crate::introspection::endpoint::Endpoint;
use crate::process::{ALICE, BINARY, Sidegate, config};
use crate::revocations::{known, signed};
use crate::streaming::Stage;

const KEYS: &str =
    "service_keys: { pepper: \"a pepper of this test, 32 bytes or more\", sources: [bearer] }\n";
const EITHER: [Kind; 2] = [Kind::Busy, Kind::Idle];

/// `sidegate` with a scene's configuration.
fn done(sidegate: &Sidegate, arguments: &[&str]) -> Value {
    let output = Command::new(BINARY)
        .args([arguments[0], "--json", "--config"])
        .arg(sidegate.folder().join("sidegate.yaml"))
        .args(&arguments[1..])
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn talks(scene: &Scene, token: &str) -> Vec<Flow> {
    let open = |kind| scene.open_on(kind, "/talk", token);
    EITHER.map(open).into()
}

#[test]
fn what_lasts_ends_with_a_revocation_of_its_token_session_or_subject_and_of_no_other() {
    let scene = Scene::new("");
    known(&scene.sidegate);
    let token = |subject: &str, name: &str| {
        signed(
            subject,
            &json!({ "jti": name, "sid": format!("session-{name}") }),
        )
    };
    let others = talks(&scene, &token(super::BOB, "b"));
    for (count, (name, revoke)) in [
        ("1", ["revoke", "token", "1"]),
        ("2", ["revoke", "session", "session-2"]),
        ("3", ["revoke", "user", ALICE]),
    ]
    .into_iter()
    .enumerate()
    {
        let mine = talks(&scene, &token(ALICE, name));
        let next = talks(&scene, &token(OWNER, name.repeat(2).as_str()));
        go_on(&next, LONG);
        done(&scene.sidegate, &revoke);
        let revoked = Instant::now();
        mine.iter().for_each(|flow| flow.has_ended(revoked, BOUND));
        let count = u64::try_from(count).unwrap();
        ended(&scene.sidegate, "credential", 2 * (count + 1));
        go_on(&next, LONG);
    }
    go_on(&others, LONG);
    let now =
        humantime::format_rfc3339_seconds(std::time::SystemTime::now() - Duration::from_secs(5));
    done(&scene.sidegate, &["revoke", "before", &now.to_string()]);
    let revoked = Instant::now();
    others
        .iter()
        .for_each(|flow| flow.has_ended(revoked, BOUND));
}

#[test]
fn what_lasts_ends_with_its_service_key() {
    let scene = Scene::new(KEYS);
    known(&scene.sidegate);
    let create = || {
        let made = ["key", "create", "--subject", ALICE, "--scope", "talk"];
        let made = done(&scene.sidegate, &made);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        crate::secrets::note_token(&text("key"));
        (text("id"), text("key"))
    };
    let ((first, key), (second, other)) = (create(), create());
    let (mine, others) = (talks(&scene, &key), talks(&scene, &other));
    go_on(&others, LONG);
    // With an overlap it goes on; the next rotation ends what the secret before let in.
    done(
        &scene.sidegate,
        &["key", "rotate", &first, "--overlap", "1h"],
    );
    go_on(&mine, LONG);
    done(
        &scene.sidegate,
        &["key", "rotate", &first, "--overlap", "0s"],
    );
    let rotated = Instant::now();
    mine.iter().for_each(|flow| flow.has_ended(rotated, BOUND));
    ended(&scene.sidegate, "credential", 2);
    go_on(&others, LONG);
    done(&scene.sidegate, &["key", "revoke", &second]);
    let revoked = Instant::now();
    others
        .iter()
        .for_each(|flow| flow.has_ended(revoked, BOUND));
    ended(&scene.sidegate, "credential", 4);

    // With another configuration of keys nobody knows whether it would be let in.
    let (_, key) = create();
    let (mine, others) = (
        talks(&scene, &key),
        talks(&scene, &crate::process::token(ALICE)),
    );
    go_on(&mine, LONG);
    let file = scene.sidegate.folder().join("sidegate.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let edited = text.replace("sources: [bearer]", "sources: [bearer], forward: true");
    scene.sidegate.edit(&edited);
    scene.sidegate.logged("the configuration was read");
    let read = Instant::now();
    mine.iter().for_each(|flow| flow.has_ended(read, BOUND));
    go_on(&others, LONG);
}

#[test]
fn what_lasts_ends_once_its_issuer_says_no() {
    const TTL: Duration = Duration::from_secs(1);
    let (stage, endpoint) = (Stage::start(), Endpoint::start());
    let plain = config(
        stage.address,
        "  - { methods: [GET], path: /talk, access: authenticated, websocket: true }\n",
    );
    let line = plain.lines().find(|line| line.contains("issuer:")).unwrap();
    let asked = format!(
        "  - {{ issuer: \"{}\", audiences: [api], introspection: {{ url: \"http://{}/introspect\", client_id: me, \
         client_secret: \"a secret of this test\", fallback: deny, ttl: {}s }} }}",
        crate::process::ISSUER,
        endpoint.address,
        TTL.as_secs()
    );
    let sidegate = Sidegate::run(&plain.replace(line, &asked));
    for token in ["opaque-1", "opaque-2"] {
        endpoint.activate(token, json!({ "sub": ALICE, "aud": "api" }));
    }
    let open = |token: &str| -> Vec<Flow> {
        EITHER
            .map(|kind| Flow::open((&sidegate, &stage), kind, "/talk", Some(token)))
            .into()
    };
    let (mine, others) = (open("opaque-1"), open("opaque-2"));
    go_on(&others, LONG);
    let asked = endpoint.asked();
    assert!(asked >= 4, "asked again while they last: {asked}");
    endpoint.revoke("opaque-1");
    let revoked = Instant::now();
    mine.iter()
        .for_each(|flow| flow.has_ended(revoked, TTL + BOUND));
    go_on(&others, LONG);
    // Nobody can know, and nobody has chosen to go on.
    endpoint.be_away(true);
    let away = Instant::now();
    let patience = Duration::from_secs(3);
    others
        .iter()
        .for_each(|flow| flow.has_ended_later(away, TTL + BOUND, TTL + BOUND + patience));
}
