//! The example application: the real command, over a real database.
//!
//! Promises: every route reads or writes what it says; nothing is seen without a right to it.
//! Does not: measure. A missing PostgreSQL server is a failure.

#![expect(
    clippy::expect_used,
    reason = "a set-up that fails is a test that fails"
)]

use http::Method;
use serde_json::{Value, json};
use sidegate_loadtest::postgres::Cluster;
use uuid::Uuid;

use crate::example::{App, ids, rows};

/// Ana owns, Ben is a viewer of the team, Cid was its editor, Dora is a stranger.
const PEOPLE: &str = "\
    insert into users values
        ('00000000-0000-0000-0000-0000000000a0', 'ana@example.test'),
        ('00000000-0000-0000-0000-0000000000b0', 'ben@example.test'),
        ('00000000-0000-0000-0000-0000000000c0', 'cid@example.test'),
        ('00000000-0000-0000-0000-0000000000d0', 'dora@example.test');
    insert into users values
        ('00000000-0000-0000-0000-0000000000e0', 'eve@example.test', false);
    insert into teams values ('00000000-0000-0000-0000-000000000010', 'Ten');
    insert into team_members values
        ('00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-0000000000a0', 'owner'),
        ('00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-0000000000b0', 'viewer');
    insert into team_members values
        ('00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-0000000000c0', 'editor',
         now() - interval '1 s');";

const ANA: Uuid = Uuid::from_u128(0xa0);
const BEN: Uuid = Uuid::from_u128(0xb0);
const CID: Uuid = Uuid::from_u128(0xc0);
const DORA: Uuid = Uuid::from_u128(0xd0);
const EVE: Uuid = Uuid::from_u128(0xe0);
const TEAM: Uuid = Uuid::from_u128(0x10);

/// Creates the tables with the people in them, and serves them.
fn people(cluster: &Cluster) -> App {
    let url = cluster.create_database("people").expect("a database");
    rows(&url, sidegate_loadtest::app::SCHEMA);
    rows(&url, PEOPLE);
    App::start(&url)
}

#[test]
fn every_route_reads_and_writes_for_whom_it_may() {
    let cluster = Cluster::start().expect("a database server");
    let app = people(&cluster);

    let (status, profile) = app.get("/api/users/profile", BEN);
    assert_eq!(
        (status, &profile["email"]),
        (200, &json!("ben@example.test"))
    );
    assert_eq!(profile["teams"], json!([{"id": TEAM, "name": "Ten"}]));
    assert_eq!(app.get("/api/users/profile", CID).1["teams"], json!([]));
    assert_eq!(app.get("/api/users/profile", Uuid::nil()).0, 404);

    let body = json!({"team_id": TEAM, "visibility": "team_open"});
    let (status, project) = app.send(Method::POST, "/api/projects", ANA, &body);
    assert_eq!((status, &project["user_id"]), (201, &json!(ANA)));
    let project_id = project["id"].as_str().expect("an id");
    let project_path = format!("/api/projects/{project_id}");
    let making = format!("{project_path}/generations");
    let (status, generation) = app.send(Method::POST, &making, ANA, &json!({}));
    assert_eq!((status, &generation["status"]), (201, &json!("queued")));
    let path = format!(
        "/api/generations/{}",
        generation["id"].as_str().expect("an id")
    );
    assert_eq!(app.get(&format!("{path}/media"), ANA).0, 409);
    let done = json!({"status": "completed"});
    let (status, changed) = app.send(Method::PATCH, &path, ANA, &done);
    assert_eq!((status, &changed["status"]), (200, &json!("completed")));
    let (status, media) = app.get(&format!("{path}/media"), BEN);
    assert_eq!((status, &media["generation_id"]), (200, &generation["id"]));

    let (status, private) = app.send(Method::POST, "/api/generations", ANA, &json!({}));
    assert_eq!((status, &private["project_id"]), (201, &Value::Null));
    let private_path = format!(
        "/api/generations/{}",
        private["id"].as_str().expect("an id")
    );
    assert_eq!(app.get(&private_path, BEN).0, 403);
    let share = json!({"project_id": project_id});
    let sharing = format!("{private_path}/share");
    assert_eq!(app.send(Method::POST, &sharing, BEN, &share).0, 403);
    assert_eq!(app.send(Method::POST, &sharing, ANA, &share).0, 200);
    assert_eq!(app.get(&private_path, BEN).0, 200);
    let (status, related) = app.get(&format!("{path}/related"), BEN);
    assert_eq!((status, ids(&related)), (200, ids(&json!([private]))));

    let of_ana = format!("/api/users/{ANA}/generations");
    assert_eq!(ids(&app.get(&of_ana, ANA).1).len(), 2);
    assert_eq!(app.get(&of_ana, DORA).0, 403);
    let shown = app.get(&project_path, BEN);
    assert_eq!(shown, (200, project.clone()));
    let public = json!({"visibility": "public"});
    assert_eq!(app.send(Method::PATCH, &project_path, BEN, &public).0, 403);
    assert_eq!(app.send(Method::PATCH, &project_path, ANA, &public).0, 200);
    assert_eq!(app.get(&project_path, DORA).0, 200);

    assert_eq!(app.send(Method::DELETE, &path, BEN, &Value::Null).0, 403);
    assert_eq!(app.send(Method::DELETE, &path, ANA, &Value::Null).0, 204);
    assert_eq!(app.get(&path, ANA).0, 404);
    assert_eq!(
        app.send(Method::DELETE, &project_path, ANA, &Value::Null).0,
        204
    );
    assert_eq!(app.get(&private_path, ANA).1["project_id"], Value::Null);
    assert_eq!(app.get(&private_path, BEN).0, 403);
}

#[test]
fn lists_end_with_the_membership() {
    let cluster = Cluster::start().expect("a database server");
    let app = people(&cluster);
    let body = json!({"team_id": TEAM});
    let (_, project) = app.send(Method::POST, "/api/projects", ANA, &body);
    let body = json!({"project_id": project["id"]});
    let (_, generation) = app.send(Method::POST, "/api/generations", ANA, &body);
    for (user, seen) in [(ANA, true), (BEN, true), (CID, false), (DORA, false)] {
        for (path, row) in [
            ("/api/projects", &project),
            ("/api/generations", &generation),
        ] {
            let expected = if seen { json!([row]) } else { json!([]) };
            assert_eq!(app.get(path, user), (200, expected), "{path} of {user}");
        }
    }
}

#[test]
fn members_come_go_and_end() {
    let cluster = Cluster::start().expect("a database server");
    let app = people(&cluster);
    let team = format!("/api/teams/{TEAM}");
    let members = format!("{team}/members");

    // Members end: Cid's membership is over, and an inactive user has no right at all.
    assert_eq!(
        app.get(&team, BEN),
        (200, json!({"id": TEAM, "name": "Ten"}))
    );
    assert_eq!(app.get(&team, CID).0, 403);
    assert_eq!(app.get(&members, BEN).1.as_array().map(Vec::len), Some(2));
    let eve = json!({"user_id": EVE, "role": "owner"});
    assert_eq!(app.send(Method::POST, &members, BEN, &eve).0, 403);
    assert_eq!(app.send(Method::POST, &members, ANA, &eve).0, 201);
    assert_eq!(app.get(&team, EVE).0, 403);
    let until = json!({"user_id": DORA, "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"});
    assert_eq!(app.send(Method::POST, &members, ANA, &until).0, 201);
    assert_eq!(app.get(&team, DORA).0, 200);
    let over = json!({"user_id": DORA, "role": "viewer", "expires_at": "2000-01-01T00:00:00Z"});
    assert_eq!(app.send(Method::POST, &members, ANA, &over).0, 201);
    assert_eq!(app.get(&team, DORA).0, 403);
    let ben = json!({"user_id": BEN});
    assert_eq!(app.send(Method::DELETE, &members, BEN, &ben).0, 403);
    assert_eq!(app.send(Method::DELETE, &members, ANA, &ben).0, 204);
    assert_eq!(app.send(Method::DELETE, &members, ANA, &ben).0, 404);
    assert_eq!(app.get(&team, BEN).0, 403);
}

#[test]
fn requests_that_are_wrong_are_refused() {
    let cluster = Cluster::start().expect("a database server");
    let app = people(&cluster);
    let gone = Uuid::from_u128(1);
    // A viewer's, an ended editor's and nobody's team or project cannot be used in a body.
    for (user, team, expected) in [(CID, TEAM, 403), (DORA, TEAM, 403), (ANA, gone, 400)] {
        let body = json!({"team_id": team});
        let answer = app.send(Method::POST, "/api/projects", user, &body);
        assert_eq!(answer.0, expected, "{user} {answer:?}");
    }
    for (requests, expected) in [(BAD, 400), (MISSING, 404)] {
        for request in requests.lines() {
            let mut parts = request.splitn(3, ' ');
            let mut part = || parts.next().unwrap_or("null");
            let method: Method = part().parse().expect("a method");
            let (path, body) = (part(), part());
            let body: Value = serde_json::from_str(body).expect("JSON");
            let answer = app.send(method, path, ANA, &body);
            assert_eq!(answer.0, expected, "{request} {answer:?}");
            assert!(answer.1["error"].is_string(), "{answer:?}");
        }
    }
    assert_eq!(app.anonymous("/api/generations").0, 401);
}

#[test]
fn a_decision_of_sidegate_s_replaces_the_check_of_exactly_that() {
    let cluster = Cluster::start().expect("a database server");
    let app = people(&cluster);
    let team = format!("/api/teams/{TEAM}");
    let members = format!("{team}/members");
    assert_eq!(app.get(&team, DORA).0, 403);
    let allowed = format!("read team:{TEAM}");
    assert_eq!(app.decided(&team, DORA, &allowed).0, 200);
    assert_eq!(app.decided(&members, DORA, &allowed).0, 200);
    assert_eq!(
        app.decided(&team, DORA, &format!("write team:{TEAM}")).0,
        403
    );
    let gone = Uuid::from_u128(1);
    let decided = app.decided(
        &format!("/api/teams/{gone}"),
        DORA,
        &format!("read team:{gone}"),
    );
    assert_eq!(decided.0, 404);
}

#[test]
fn without_a_database_it_is_alive_and_says_so() {
    let cluster = Cluster::start().expect("a database server");
    let app = people(&cluster);
    assert_eq!(app.get("/api/projects", ANA).0, 200);
    cluster.pause().expect("stops");
    assert_eq!(app.anonymous("/health").0, 200);
    for path in [
        "/api/projects",
        "/api/users/profile",
        &format!("/api/teams/{TEAM}"),
    ] {
        assert_eq!(app.get(path, ANA).0, 503, "{path}");
    }
    cluster.resume().expect("starts");
    assert_eq!(app.get("/api/projects", ANA).0, 200);
}

const BAD: &str = r#"POST /api/projects {"visibility": "secret"}
POST /api/projects {"visibility": "team_open"}
POST /api/projects {"unknown": 1}
POST /api/projects null
POST /api/generations []
POST /api/generations {"project_id": "x"}
POST /api/generations {"project_id": "00000000-0000-0000-0000-000000000001"}
POST /api/teams/00000000-0000-0000-0000-000000000010/members {"role": "viewer"}
POST /api/teams/00000000-0000-0000-0000-000000000010/members {"user_id": "00000000-0000-0000-0000-000000000001", "role": "viewer"}
POST /api/teams/00000000-0000-0000-0000-000000000010/members {"user_id": "00000000-0000-0000-0000-0000000000b0", "role": "king"}
POST /api/teams/00000000-0000-0000-0000-000000000010/members {"user_id": "00000000-0000-0000-0000-0000000000b0", "role": "viewer", "expires_at": "soon"}
DELETE /api/teams/00000000-0000-0000-0000-000000000010/members
GET /api/generations?limit=0
GET /api/generations?limit=101
GET /api/generations?page=1"#;

const MISSING: &str = "\
GET /api/generations/none
GET /api/generations/00000000-0000-0000-0000-000000000001
GET /api/generations/00000000-0000-0000-0000-000000000001/media
DELETE /api/generations/00000000-0000-0000-0000-000000000001
GET /api/projects/00000000-0000-0000-0000-000000000001
POST /api/projects/00000000-0000-0000-0000-000000000001/generations
GET /api/teams/00000000-0000-0000-0000-000000000001/members
GET /api/users/00000000-0000-0000-0000-000000000001/generations";
