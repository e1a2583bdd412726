//! Credentials that are taken away: a user's, a session's, one token, everybody's; on every instance, within the bound,
//! and nobody else's.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::caching::{metric, started};
use crate::database::{Database, SUPERUSER};
use crate::process::{ALICE, BINARY, ISSUER, SECRET, Sidegate, YOURS, eventually};
use crate::recorder::Recorder;
use crate::wire::{Reply, ask, request};

/// What was revoked for longer than this is never allowed again (DESIGN §5, R1).
const BOUND: Duration = Duration::from_secs(1);

/// A token of a subject with these further claims.
pub(crate) fn signed(subject: &str, more: &Value) -> String {
    let now = humantime_now();
    let mut claims = json!({
        "iss": ISSUER, "aud": "api", "sub": subject, "iat": now - 60, "exp": now + 600
    });
    let more = more.as_object().unwrap().clone();
    claims.as_object_mut().unwrap().extend(more);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    crate::secrets::note_token(&token);
    token
}

fn humantime_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_secs()).unwrap()
}

fn status(sidegate: &Sidegate, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    ask(sidegate.proxy, request("GET", "/me", &headers)).status
}

fn revoke(sidegate: &Sidegate, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["revoke", "--json", "--note", "a test", "--config"])
        .arg(sidegate.folder().join("sidegate.yaml"))
        .args(arguments)
        .output()
        .unwrap()
}

fn post(sidegate: &Sidegate, body: &Value) -> Reply {
    let body = body.to_string();
    let head = format!(
        "POST /revocations HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        sidegate.admin,
        body.len()
    );
    ask(sidegate.admin, head + &body)
}

/// Two instances over one database whose registers are known.
fn two(database: &Database, recorder: &Recorder) -> [Sidegate; 2] {
    let one = started(database, recorder, "");
    let config = database.config(recorder.address, "", "");
    let both = [one, Sidegate::run_in(crate::database::folder(&config))];
    for sidegate in &both {
        known(sidegate);
    }
    both
}

/// Waits until an instance knows all credentials, so that no request asks for them.
pub(crate) fn known(sidegate: &Sidegate) {
    eventually("an open cache and a known register", || {
        let open = metric(sidegate, "sidegate_cache_open") == Some(1);
        let known = metric(sidegate, "sidegate_register_known") == Some(1);
        (open && known).then_some(())
    });
}

#[test]
fn what_is_revoked_ends_on_every_instance_within_the_bound_and_nothing_else_does() {
    let database = Database::example();
    let recorder = Recorder::start();
    let both = two(&database, &recorder);
    let hers = |more: &Value| signed(ALICE, more);
    let (plain, session) = (hers(&json!({})), hers(&json!({ "sid": "s-1" })));
    let one = hers(&json!({ "jti": "j-1", "sid": "s-2" }));
    let yours = signed(YOURS, &json!({ "jti": "j-2", "sid": "s-3" }));
    let all = [&plain, &session, &one, &yours];
    let now = |sidegate: &Sidegate| all.map(|token| status(sidegate, token));
    for sidegate in &both {
        assert_eq!(now(sidegate), [200; 4]);
    }
    let mut expected = [200; 4];
    for (round, (arguments, index)) in [
        (["session", "s-1"], 1),
        (["token", "j-1"], 2),
        (["user", ALICE], 0),
    ]
    .into_iter()
    .enumerate()
    {
        if round == 1 {
            let reply = post(&both[0], &json!({ "token": "j-1", "note": "by hand" }));
            assert_eq!(reply.status, 200, "{:?}", reply.json());
            assert_eq!(reply.json()["applied_here"], true);
            assert_eq!(status(&both[0], &one), 401, "before the answer");
        } else {
            let output = revoke(&both[0], &arguments);
            assert!(output.status.success(), "{output:?}");
        }
        let told = Instant::now();
        expected[index] = 401;
        for sidegate in &both {
            eventually("it is refused", || {
                (now(sidegate) == expected).then_some(())
            });
            let slack = Duration::from_secs(2);
            assert!(told.elapsed() < BOUND + slack, "{:?}", told.elapsed());
        }
    }
    // A session is about later tokens too, a user is not: she logs in again.
    let (again, late) = (
        json!({ "iat": humantime_now() + 2 }),
        json!({ "sid": "s-1", "iat": humantime_now() + 2 }),
    );
    assert_eq!(status(&both[1], &hers(&again)), 200);
    assert_eq!(status(&both[1], &hers(&late)), 401);
    assert_eq!(status(&both[1], &yours), 200, "nobody else's");
    let audit = "select operation, about from sidegate.audit order by at";
    let audit = database.rows(SUPERUSER, audit);
    assert_eq!(audit[0], ["revoke", "session:s-1"]);
}

#[test]
fn a_restart_forgets_nothing_and_what_is_written_by_hand_counts() {
    let database = Database::example();
    let recorder = Recorder::start();
    let [first, second] = two(&database, &recorder);
    let session = signed(ALICE, &json!({ "sid": "s-1" }));
    let yours = signed(YOURS, &json!({ "jti": "j-2", "sid": "s-3" }));
    let again = signed(ALICE, &json!({ "iat": humantime_now() + 2 }));
    let now = |sidegate: &Sidegate| [&session, &yours].map(|token| status(sidegate, token));
    assert!(revoke(&first, &["session", "s-1"]).status.success());
    eventually("it is refused", || {
        (now(&second) == [401, 200]).then_some(())
    });
    drop(first);
    let config = database.config(recorder.address, "", "");
    let first = Sidegate::run_in(crate::database::folder(&config));
    assert_eq!(now(&first), [401, 200]);
    database.run(SUPERUSER, "truncate sidegate.revocations");
    for sidegate in [&first, &second] {
        eventually("what nobody has revoked", || {
            (now(sidegate) == [200; 2]).then_some(())
        });
    }
    let time = humantime_now() - 10;
    let sql = format!("select sidegate.revoke('all', '*', to_timestamp({time}), null, '')");
    database.run(SUPERUSER, &sql);
    eventually("everybody's are refused", || {
        (now(&second) == [401; 2]).then_some(())
    });
    assert_eq!(status(&second, &again), 200);
}

#[test]
fn without_memory_every_request_asks_and_without_a_database_nobody_is_let_in() {
    let database = Database::example();
    let recorder = Recorder::start();
    let cache = "cache: { l1_size_mb: 0 }";
    let sidegate = started(&database, &recorder, cache);
    let (mine, other) = (
        signed(ALICE, &json!({ "jti": "j-1" })),
        signed(ALICE, &json!({ "jti": "j-2" })),
    );
    assert_eq!(
        (status(&sidegate, &mine), status(&sidegate, &other)),
        (200, 200)
    );
    assert!(revoke(&sidegate, &["token", "j-1"]).status.success());
    assert_eq!(
        (status(&sidegate, &mine), status(&sidegate, &other)),
        (401, 200)
    );
    database.run(
        SUPERUSER,
        "alter view sidegate.revocation_records rename to hidden",
    );
    assert_eq!(
        (status(&sidegate, &mine), status(&sidegate, &other)),
        (503, 503)
    );
}

#[test]
fn what_cannot_be_revoked_is_refused_with_what_was_expected() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, "");
    let long = "x".repeat(257);
    for (arguments, expected) in [
        (vec!["user", "alice"], "a subject's id of type"),
        (vec!["session", ""], "1 to 256 bytes"),
        (vec!["token", &long], "1 to 256 bytes"),
        (vec!["before", "yesterday"], "2026-11-28T17:00:00Z"),
        (vec!["before", "2999-01-01T00:00:00Z"], "not in the future"),
    ] {
        let output = revoke(&sidegate, &arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    for body in [
        json!({}),
        json!({ "user": ALICE, "token": "j" }),
        json!({ "token": "j", "before": "2026-01-01T00:00:00Z" }),
        json!({ "tokens": ["j"] }),
    ] {
        assert_eq!(post(&sidegate, &body).status, 400, "{body}");
    }
    let rows = database.rows(SUPERUSER, "select count(*) from sidegate.revocations");
    assert_eq!(rows[0][0], "0", "nothing of it is written");
    // A name that is too long to be revoked is no name that a token may have.
    assert_eq!(
        status(&sidegate, &signed(ALICE, &json!({ "jti": long }))),
        401
    );
    assert_eq!(status(&sidegate, &signed(ALICE, &json!({ "sid": 5 }))), 401);
    let embedded = Sidegate::start(recorder.address, "");
    assert_eq!(post(&embedded, &json!({ "token": "j" })).status, 409);
    assert_eq!(revoke(&embedded, &["token", "j"]).status.code(), Some(1));
}
