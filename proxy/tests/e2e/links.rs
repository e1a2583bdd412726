//! Links over a real database: who has one needs no credential, and gets what the link's subject may have
//! at that moment, of that resource and by that path.

use std::net::SocketAddr;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::caching::{metric, started};
use crate::database::{Database, SUPERUSER};
use crate::process::{ALICE, BINARY, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{Reply, ask, request};

/// A user who may read [`MINE`] as a viewer in its team.
pub(crate) const BOB: &str = "b0b00000-0000-4000-8000-000000000002";
/// The team, and the project, that [`MINE`] is in.
pub(crate) const TEAM: &str = "7ea00000-0000-4000-8000-000000000001";

const LINKS: &str = r#"  - { id: linked, methods: [GET], path: "/m/{id}", links: true, action: read, resource: { kind: generation, id: { path: id } } }
  - { id: also-linked, methods: [GET], path: "/also/{id}", links: true, action: read, resource: { kind: generation, id: { path: id } } }
links: { key: 9f8e7d6c5b4a39281706f5e4d3c2b1a0, max_ttl: 10m }
"#;

/// Bob becomes a viewer of what is Alice's.
pub(crate) fn let_bob_view(database: &Database) {
    database.run(
        SUPERUSER,
        &format!(
            "insert into users values ('{BOB}', 'bob@example');
             insert into teams values ('{TEAM}', 'team');
             insert into team_members values ('{TEAM}', '{BOB}', 'viewer');
             insert into public.projects (id, user_id, team_id) values ('{TEAM}', '{ALICE}', '{TEAM}');
             update generations set project_id = '{TEAM}' where id = '{MINE}'"
        ),
    );
}

/// `sidegate link create` with an instance's configuration.
pub(crate) fn create(sidegate: &Sidegate, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["link", "create", "--config"])
        .arg(sidegate.folder().join("sidegate.yaml"))
        .args(arguments)
        .output()
        .unwrap()
}

/// A link to a path for a subject.
pub(crate) fn link(sidegate: &Sidegate, subject: &str, path: &str) -> String {
    let output = create(sidegate, &["--subject", subject, path]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    said.trim_end().to_owned()
}

fn post(admin: SocketAddr, body: &Value) -> Reply {
    let body = body.to_string();
    let head = format!(
        "POST /links HTTP/1.1\r\nHost: {admin}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    ask(admin, head + &body)
}

fn get(sidegate: &Sidegate, target: &str) -> Reply {
    ask(sidegate.proxy, request("GET", target, &[]))
}

#[test]
fn a_link_needs_no_credential_and_is_not_forwarded() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, LINKS);
    let_bob_view(&database);
    let path = format!("/m/{MINE}");
    let link = link(&sidegate, BOB, &format!("{path}?size=%2f&x"));
    let signature = link.rsplit_once("sig=").unwrap().1;

    let reply = get(&sidegate, &link);
    // A cache that others share would answer without asking anybody.
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (200, Some("private"))
    );
    let received = recorder.only();
    let line = format!("GET {path}?size=%2f&x HTTP/1.1");
    assert_eq!(received.request_line(), line);
    assert_eq!(received.values("x-sidegate-subject"), [BOB]);
    let all = received.lines.join("\n");
    assert!(!all.contains(signature) && !all.contains("sig="), "{all}");
    let mut wire = crate::wire::Wire::connect(sidegate.proxy);
    wire.send(request("HEAD", &link, &[]));
    assert_eq!(wire.reply_to("HEAD").unwrap().status, 200);
    assert_eq!(recorder.only().values("x-sidegate-subject"), [BOB]);
}

#[test]
fn a_link_is_good_for_nothing_else() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, LINKS);
    let_bob_view(&database);
    let path = format!("/m/{MINE}");
    let link = link(&sidegate, BOB, &path);
    let (_, query) = link.split_once('?').unwrap();
    let signature = link.rsplit_once("sig=").unwrap().1;

    // Another path, resource, subject or life: the same answer to all of them.
    let mut answers = Vec::new();
    for target in [
        format!("/also/{MINE}?{query}"),
        format!("/m/{YOURS}?{query}"),
        link.replace(BOB, ALICE),
        link.replace("expires=1", "expires=2"),
        link.replace("sig=", "sig=A"),
        format!("{link}&SIG={signature}"),
        format!("{path}?sig=x"),
    ] {
        let refused = get(&sidegate, &target);
        let challenge = refused.header("www-authenticate").map(str::to_owned);
        let mut body = refused.json();
        body["decision_id"] = json!(null);
        answers.push((refused.status, challenge, body));
    }
    assert_eq!(answers[0].0, 401);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    // Beside another credential, and where no route accepts links.
    let bearer = format!("Bearer {}", token(ALICE));
    for value in [&*bearer, "Basic eDp5"] {
        let doubled = request("GET", &link, &[("Authorization", value)]);
        assert_eq!(ask(sidegate.proxy, doubled).status, 400);
    }
    assert_eq!(get(&sidegate, &format!("/g/{MINE}?{query}")).status, 401);
    assert_eq!(ask(sidegate.proxy, request("POST", &link, &[])).status, 404);
    assert!(recorder.received().is_empty());
    // Of no meaning to a route without links, they are the application's.
    let target = format!("/g/{MINE}?{query}");
    let plain = request("GET", &target, &[("Authorization", &bearer)]);
    assert_eq!(ask(sidegate.proxy, plain).status, 200);
    let line = format!("GET {target} HTTP/1.1");
    assert_eq!(recorder.only().request_line(), line);

    let count = |result: &str| {
        let name = format!("sidegate_links_total{{result=\"{result}\"}}");
        metric(&sidegate, &name).unwrap()
    };
    assert_eq!((count("good"), count("doubled")), (0, 2));
    assert!(count("signature") >= 3 && count("parameters") == 2);
    assert_eq!(get(&sidegate, "/m/last?sig=x").status, 404);
    let lines = sidegate.logged_until("no_route").join("\n");
    assert!(lines.contains("invalid_link") && lines.contains("the link's signature is wrong"));
    assert!(
        !lines.contains(signature) && !lines.contains("sig="),
        "{lines}"
    );
}

#[test]
fn a_link_ends_with_the_right_of_its_subject() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, LINKS);
    let_bob_view(&database);
    let path = format!("/m/{MINE}");
    let link = link(&sidegate, BOB, &path);
    let status = || get(&sidegate, &link).status;
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    for _ in 0..20 {
        assert_eq!(status(), 200);
    }
    database.run(
        SUPERUSER,
        &format!("delete from team_members where user_id = '{BOB}'"),
    );
    eventually("a refusal", || (status() == 403).then_some(()));
    // Nobody makes another one.
    let refused = create(&sidegate, &["--subject", BOB, &path]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("may not read it: denied: no_role"), "{said}");
    assert!(refused.stdout.is_empty());

    // Back in the team the link serves again, to its end; a person who is let go has none.
    let back = format!("insert into team_members values ('{TEAM}', '{BOB}', 'viewer')");
    database.run(SUPERUSER, &back);
    assert_eq!(status(), 200);
    database.run(
        SUPERUSER,
        &format!("update users set is_active = false where id = '{BOB}'"),
    );
    eventually("a refusal", || (status() == 403).then_some(()));
    assert!(status() == 403);
}

#[test]
fn a_link_ends_by_itself() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, LINKS);
    let path = format!("/m/{MINE}");
    let short = create(
        &sidegate,
        &["--subject", ALICE, "--ttl", "3s", "--json", &path],
    );
    let said: Value = serde_json::from_slice(&short.stdout).unwrap();
    assert_eq!(said["resource"], format!("generation:{MINE}"));
    let link = said["path"].as_str().unwrap();
    eventually("its end", || {
        (get(&sidegate, link).status == 401).then_some(())
    });
    sidegate.logged("the link has expired");
    for arguments in [
        &["--subject", ALICE, "--ttl", "11m", &path][..],
        &["--subject", ALICE, "--ttl", "500ms", &path],
        &["--subject", "alice", &path],
        &["--subject", ALICE, "/a"],
        &["--subject", ALICE, &format!("/g/{MINE}")],
        &["--subject", ALICE, "/none"],
    ] {
        let refused = create(&sidegate, arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?} {refused:?}");
    }
    assert_eq!(create(&sidegate, &[&path]).status.code(), Some(2));
}

#[test]
fn an_administrator_makes_links_and_asks_why() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, LINKS);
    let path = format!("/m/{MINE}");
    let wish = |subject: &str, ttl: &str| json!({ "subject": subject, "path": path, "ttl": ttl });
    let reply = post(sidegate.admin, &wish(ALICE, "1m"));
    assert_eq!(reply.status, 200, "{:?}", reply.json());
    let link = reply.json()["path"].as_str().unwrap().to_owned();
    assert_eq!(get(&sidegate, &link).status, 200);
    let line = sidegate.logged("a link was minted");
    for part in ["\"by\":\"admin\"", ALICE, "linked", MINE] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("sig="), "{line}");
    assert_eq!(metric(&sidegate, "sidegate_links_minted_total"), Some(1));

    let denied = post(sidegate.admin, &wish(YOURS, "1m"));
    assert_eq!(
        (denied.status, &denied.json()["reason"]),
        (403, &json!("no_role"))
    );
    for (body, status) in [
        (wish(ALICE, "1h"), 400),
        (wish(ALICE, "soon"), 400),
        (wish("alice", "1m"), 400),
        (json!({ "subject": ALICE, "path": "/me" }), 400),
        (json!({ "subject": ALICE, "path": "//" }), 400),
        (json!({ "subject": ALICE }), 400),
    ] {
        assert_eq!(post(sidegate.admin, &body).status, status, "{body}");
    }
    let plain = Sidegate::start(recorder.address, "");
    assert_eq!(post(plain.admin, &wish(ALICE, "1m")).status, 409);

    let explain = |path: &str| {
        let output = Command::new(BINARY)
            .args(["explain", "--config"])
            .arg(sidegate.folder().join("sidegate.yaml"))
            .args(["GET", path])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let said = explain(&link);
    assert!(
        said.starts_with("ALLOW (ownership)") && said.contains("link "),
        "{said}"
    );
    assert!(!said.contains("sig="), "{said}");
    let said = explain(&format!("{link}x"));
    assert!(
        said.starts_with("DENY (invalid_link)") && !said.contains("sig="),
        "{said}"
    );
}
