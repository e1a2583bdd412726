//! What ends beside the right: the credential, its key, the rules, the time.

use std::fs;
use std::time::{Duration, Instant};

use super::flow::{Flow, Kind, go_on};
use super::{BOUND, LONG, Scene, ended};
use crate::process::{ALICE, DIRECTORY, ISSUER, Sidegate, config, eventually, token, token_until};
use crate::provider::{Provider, Signer};
use crate::streaming::Stage;
use crate::wire::{ask, request};

const TALK: &str = "  - { methods: [GET], path: /talk, access: authenticated, websocket: true }
";
const EITHER: [Kind; 2] = [Kind::Busy, Kind::Idle];

/// In front of a directory file, with this issuer.
fn started(issuer: &str) -> (Stage, Sidegate) {
    let stage = Stage::start();
    let sidegate = Sidegate::run(&with_issuer(&stage, issuer));
    (stage, sidegate)
}

fn with_issuer(stage: &Stage, issuer: &str) -> String {
    let plain = config(stage.address, TALK);
    let line = plain.lines().find(|line| line.contains("issuer:")).unwrap();
    let line = line.to_owned();
    plain.replace(
        &line,
        &format!("  - {{ issuer: \"{ISSUER}\", audiences: [api], leeway: 0s, {issuer} }}"),
    )
}

fn talks(at: (&Sidegate, &Stage), token: &str) -> Vec<Flow> {
    EITHER
        .map(|kind| Flow::open(at, kind, "/talk", Some(token)))
        .into()
}

#[test]
fn what_lasts_ends_with_its_token() {
    let keys = format!(
        "algorithms: [HS256], keys: [{{ secret: \"{}\" }}]",
        crate::process::SECRET
    );
    let (stage, sidegate) = started(&keys);
    let long = talks((&sidegate, &stage), &token(ALICE));
    let end = Instant::now() + Duration::from_secs(4);
    let short = talks((&sidegate, &stage), &token_until(ALICE, 4));
    short.iter().for_each(|flow| flow.has_ended(end, BOUND));
    ended(&sidegate, "credential", 2);
    go_on(&long, LONG);
}

#[test]
fn what_lasts_ends_with_the_key_that_was_withdrawn_and_with_no_other() {
    let (old, new, unknown) = (
        Signer::new("old"),
        Signer::new("new"),
        Signer::new("unknown"),
    );
    let provider = Provider::start();
    provider.keys(&[&old]);
    let source = format!(
        "keys: [{{ jwks_uri: \"http://{}/jwks\", refresh_interval: 10s }}]",
        provider.address
    );
    let (stage, sidegate) = started(&format!("algorithms: [ES256], {source}"));
    eventually("keys are there", || {
        (sidegate.admin("/readyz")["ready"] == true).then_some(())
    });
    let olds = talks((&sidegate, &stage), &old.token());
    // A key is added: whoever presents it first makes the set be fetched.
    provider.keys(&[&old, &new]);
    let news = talks((&sidegate, &stage), &new.token());
    go_on(&olds, LONG);
    provider.keys(&[&new]);
    let authorization = format!("Bearer {}", unknown.token());
    eventually("the old key is withdrawn", || {
        let headers = [("Authorization", authorization.as_str())];
        let before = provider.fetches();
        let _ = ask(sidegate.proxy, request("GET", "/me", &headers));
        (provider.fetches() > before).then_some(())
    });
    let withdrawn = Instant::now();
    olds.iter()
        .for_each(|flow| flow.has_ended(withdrawn, BOUND));
    go_on(&news, LONG);
    // While the provider is silent, the keys are as good as they were.
    provider.die();
    go_on(&news, LONG);
}

#[test]
fn a_key_that_is_taken_out_of_a_file_ends_what_it_let_in() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let stage = Stage::start();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let next = folder.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, folder.path().join(name)).unwrap();
    };
    let set = |keys: &[&Signer]| {
        let keys: Vec<_> = keys.iter().map(|signer| &signer.jwk).collect();
        serde_json::json!({ "keys": keys }).to_string()
    };
    write("directory.yaml", DIRECTORY);
    write("keys.json", &set(&[&old, &new]));
    write(
        "sidegate.yaml",
        &with_issuer(
            &stage,
            "algorithms: [ES256], keys: [{ jwks_file: keys.json }]",
        ),
    );
    let keys = folder.path().join("keys.json");
    let sidegate = Sidegate::run_in(folder);
    let olds = talks((&sidegate, &stage), &old.token());
    let news = talks((&sidegate, &stage), &new.token());
    let next = keys.with_file_name("next");
    fs::write(&next, set(&[&new])).unwrap();
    fs::rename(next, keys).unwrap();
    sidegate.logged("the configuration was read");
    let read = Instant::now();
    olds.iter().for_each(|flow| flow.has_ended(read, BOUND));
    go_on(&news, LONG);
}

#[test]
fn what_lasts_ends_with_an_edit_of_the_directory() {
    let keys = format!(
        "algorithms: [HS256], keys: [{{ secret: \"{}\" }}]",
        crate::process::SECRET
    );
    let (stage, sidegate) = started(&keys);
    let flows = talks((&sidegate, &stage), &token(ALICE));
    let edit = |text: &str| {
        let next = sidegate.folder().join("next.yaml");
        fs::write(&next, text).unwrap();
        fs::rename(next, sidegate.directory()).unwrap();
    };
    edit(&DIRECTORY.replace("[artist]", "[painter]"));
    go_on(&flows, LONG);
    edit(&DIRECTORY.replace("active: true", "active: false"));
    let edited = Instant::now();
    flows.iter().for_each(|flow| flow.has_ended(edited, BOUND));
}

#[test]
fn a_reload_ends_nothing_but_what_was_decided_by_other_rules() {
    let scene = Scene::new("");
    let flows: Vec<_> = Kind::ALL.map(|kind| scene.open(kind, ALICE)).into();
    let open = Flow::open(
        (&scene.sidegate, &scene.stage),
        Kind::Download,
        "/public/x",
        None,
    );
    let config = Scene::config(&scene.database, &scene.stage, "");
    let other = config.replace("path: /talk,", "path: /talk-to-me,");
    assert_ne!(other, config);
    scene.sidegate.edit(&other);
    scene.sidegate.logged("the configuration was read");
    go_on(&flows, LONG);

    scene
        .sidegate
        .edit(&config.replace("viewer: [read]", "viewer: [read, write]"));
    scene.sidegate.logged("the configuration was read");
    let read = Instant::now();
    flows.iter().for_each(|flow| flow.has_ended(read, BOUND));
    scene.ended("replaced", 4);
    // Nothing was decided about it.
    open.goes_on(LONG);
}

#[test]
fn nothing_lasts_longer_than_it_may() {
    let scene = Scene::new("\nlimits: { max_stream_age: 3s, min_body_rate: 0 }\n");
    let begun = Instant::now();
    let mut flows: Vec<_> = Kind::ALL.map(|kind| scene.open(kind, ALICE)).into();
    flows.push(Flow::open(
        (&scene.sidegate, &scene.stage),
        Kind::Download,
        "/public/x",
        None,
    ));
    for flow in &flows {
        flow.has_ended(begun + Duration::from_secs(3), BOUND);
    }
    assert!(flows[0].last_byte() > begun + Duration::from_secs(2));
    scene.ended("age", 5);
    // A connection of many short requests is none of it.
    let mut wire = crate::wire::Wire::connect(scene.sidegate.proxy);
    while begun.elapsed() < Duration::from_secs(8) {
        wire.send(request("GET", "/public/x", &[]));
        let (_, mut app) = scene.stage.next();
        std::io::Write::write_all(
            app.get_mut(),
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
        assert_eq!(wire.reply().unwrap().status, 200);
    }
    scene.ended("age", 5);
}
