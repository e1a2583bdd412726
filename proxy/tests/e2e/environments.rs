//! Where people really run it: behind a pooler, on a database with row level security, and in front of
//! an application whose tables are not the example's.

mod adapting;
mod archive;
mod evolution;
mod pooler;
mod row_security;

use std::net::SocketAddr;

use crate::database::Database;
use crate::process::{ALICE, MINE, Sidegate, YOURS, token};
use crate::wire::{Reply, ask, request};

const BOB: &str = "b0b00000-0000-4000-8000-000000000002";

/// A project and its team: YOURS is in it, and BOB is in the team.
const PROJECT: &str = "90ec7000-0000-4000-8000-000000000001";
const TEAM: &str = "7ea30000-0000-4000-8000-000000000001";

/// What a subject is answered.
fn reply(proxy: SocketAddr, method: &str, target: &str, subject: &str) -> Reply {
    let bearer = format!("Bearer {}", token(subject));
    let more = [("Authorization", bearer.as_str()), ("Content-Length", "0")];
    ask(proxy, request(method, target, &more))
}

fn status(sidegate: &Sidegate, method: &str, target: &str, subject: &str) -> u16 {
    reply(sidegate.proxy, method, target, subject).status
}

/// Two users of the example: MINE is ALICE's; YOURS is nobody's whom they know, in a project of
/// BOB's team.
fn seed(database: &Database, owner: &str) {
    let rows = format!(
        "insert into users (id, email) values ('{ALICE}', 'alice@app.test'), ('{BOB}', 'bob@app.test'),
             ('{TEAM}', 'somebody@app.test');
         insert into teams values ('{TEAM}', 'Bob''s');
         insert into team_members values ('{TEAM}', '{BOB}', 'viewer');
         insert into projects (id, user_id, team_id) values ('{PROJECT}', '{TEAM}', '{TEAM}');
         insert into generations (id, user_id, project_id) values ('{MINE}', '{ALICE}', null),
             ('{YOURS}', '{TEAM}', '{PROJECT}')"
    );
    database.run(owner, &rows);
}

/// What is right for them.
fn assert_seeded(sidegate: &Sidegate) {
    let (mine, yours) = (format!("/g/{MINE}"), format!("/g/{YOURS}"));
    for (subject, method, target, expected) in [
        (ALICE, "GET", &mine, 200),
        (ALICE, "POST", &mine, 200),
        (ALICE, "GET", &yours, 403),
        (BOB, "GET", &mine, 403),
        (BOB, "GET", &yours, 200),
        (BOB, "POST", &yours, 403),
    ] {
        let found = status(sidegate, method, target, subject);
        assert_eq!(found, expected, "{subject} {method} {target}");
    }
}
