//! The database down, silent, slow or refusing: 503 with `Retry-After` for whoever needs a decision,
//! never 401, 403, 500 and never an allow; public routes go on; and it is over when the database is.

use std::net::TcpListener;

use crate::caching::metric;
use crate::database::{Database, LOGIN, SUPERUSER, folder};
use crate::process::{ALICE, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

/// How a request of Alice's ends.
fn status(sidegate: &Sidegate, path: &str) -> u16 {
    let authorization = format!("Bearer {}", token(ALICE));
    let reply = ask(
        sidegate.proxy,
        request("GET", path, &[("Authorization", &authorization)]),
    );
    assert_eq!(
        reply.header("retry-after").is_some(),
        reply.status == 503,
        "{path}: {} {:?} {}",
        reply.status,
        reply.headers,
        String::from_utf8_lossy(&reply.body)
    );
    reply.status
}

/// What needs the database is answered with 503, whatever the answer would have been, and nothing of
/// it reaches the application. What needs none is served.
fn nobody_gets_in(sidegate: &Sidegate, recorder: &Recorder, case: &str) {
    let (mine, yours) = (format!("/g/{MINE}"), format!("/g/{YOURS}"));
    for path in [&mine, &yours, "/me"] {
        recorder.received();
        assert_eq!(status(sidegate, path), 503, "{case}: {path}");
        assert!(recorder.received().is_empty(), "{case}: {path}");
    }
    assert_eq!(status(sidegate, "/a"), 200, "{case}");
    // Who is not authenticated is told so without the database.
    let reply = ask(sidegate.proxy, request("GET", &mine, &[]));
    assert_eq!(reply.status, 401, "{case}");
}

fn all_is_well(sidegate: &Sidegate, case: &str) {
    eventually(case, || {
        (status(sidegate, &format!("/g/{MINE}")) == 200).then_some(())
    });
    assert_eq!(status(sidegate, &format!("/g/{YOURS}")), 403, "{case}");
    assert_eq!(status(sidegate, "/me"), 200, "{case}");
}

/// Alice owns one of two generations.
fn database() -> Database {
    let database = Database::example();
    database.run(
        SUPERUSER,
        &format!(
            "insert into users values ('{ALICE}', 'alice@example'), ('{YOURS}', 'you@example');
             insert into generations (id, user_id) values ('{MINE}', '{ALICE}'), ('{YOURS}', '{YOURS}')"
        ),
    );
    database
}

#[test]
fn whatever_is_wrong_with_the_database_nobody_gets_in_and_it_heals() {
    let database = database();
    let recorder = Recorder::start();
    // Memory would go on for a second where the doctor has let it; that has tests of its own.
    let more = "cache: { l1_size_mb: 0 }\n";
    let config = database.config(recorder.address, "  query_timeout: 300ms\n", more);
    let folder = folder(&config);
    crate::database::migrate(folder.path(), &[]);
    let sidegate = Sidegate::run_in(folder);
    all_is_well(&sidegate, "at first");
    let owner = database.session(SUPERUSER);

    // Slow: somebody holds the table for longer than a question may take.
    let busy = database.session(SUPERUSER);
    busy.run("begin; lock table users in access exclusive mode");
    nobody_gets_in(&sidegate, &recorder, "slow");
    busy.run("rollback");
    all_is_well(&sidegate, "no longer slow");

    for (case, wrong, right) in [
        (
            "no right",
            "revoke select on sidegate.subjects from sidegate_reader",
            "grant select on sidegate.subjects to sidegate_reader",
        ),
        (
            "no view",
            "alter view sidegate.projects rename to gone",
            "alter view sidegate.gone rename to projects",
        ),
        (
            "another type",
            "drop view sidegate.memberships; create view sidegate.memberships as select team_id::text, user_id, role, expires_at from team_members; grant select on sidegate.memberships to sidegate_reader",
            "drop view sidegate.memberships; create view sidegate.memberships as select team_id, user_id, role, expires_at from team_members; grant select on sidegate.memberships to sidegate_reader",
        ),
        (
            "a row that cannot be understood",
            "create or replace view sidegate.subjects as select id, is_active as active, '{}'::text[] as roles from users union all select id, true, '{admin}' from users",
            "create or replace view sidegate.subjects as select id, is_active as active, '{}'::text[] as roles from users",
        ),
    ] {
        owner.run(wrong);
        recorder.received();
        assert_eq!(status(&sidegate, &format!("/g/{MINE}")), 503, "{case}");
        assert_eq!(status(&sidegate, &format!("/g/{YOURS}")), 503, "{case}");
        assert!(recorder.received().is_empty(), "{case}");
        owner.run(right);
        all_is_well(&sidegate, case);
    }

    // Its sessions are ended, and no new one is let in.
    owner.run(&format!("alter role {LOGIN} nologin"));
    owner.run(&format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{LOGIN}'"
    ));
    nobody_gets_in(&sidegate, &recorder, "no login");
    owner.run(&format!("alter role {LOGIN} login"));
    all_is_well(&sidegate, "a login again");

    // Down. It stays ready: what needs no decision is still served.
    // It stops as in a crash, and does not write through at each commit.
    owner.run("checkpoint");
    database.cluster.pause().unwrap();
    nobody_gets_in(&sidegate, &recorder, "down");
    assert_eq!(sidegate.admin("/readyz")["ready"], true);
    database.cluster.resume().unwrap();
    all_is_well(&sidegate, "up again");
}

/// A server that is not there, and one that accepts and never says a word.
#[test]
fn it_starts_without_a_database_and_is_ready_when_there_is_one() {
    let database = database();
    let recorder = Recorder::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = database.config(
        recorder.address,
        "  query_timeout: 300ms\n  connect_timeout: 300ms\n",
        "",
    );
    let good = folder(&config);
    crate::database::migrate(good.path(), &[]);
    for (case, place) in [
        ("silent", silent.local_addr().unwrap().to_string()),
        ("nobody", "127.0.0.1:9".to_owned()),
    ] {
        let url = database.url(LOGIN);
        let bad = folder(&config.replace(&url, &format!("postgres://{LOGIN}@{place}/app")));
        let sidegate = Sidegate::run_in(bad);
        nobody_gets_in(&sidegate, &recorder, case);
        assert_eq!(sidegate.admin("/readyz")["ready"], false, "{case}");
        // The right place is found by a reload.
        sidegate.edit(&config);
        all_is_well(&sidegate, case);
        eventually("readiness", || {
            (sidegate.admin("/readyz")["ready"] == true).then_some(())
        });
    }
}

#[test]
fn a_route_that_has_opted_in_goes_on_reading_for_a_while_and_says_so() {
    let database = database();
    let recorder = Recorder::start();
    let route = |name: &str, stale: &str| {
        format!(
            "  - {{ methods: [GET], path: \"/{name}/{{id}}\", action: read, stale_if_error: {stale}, resource: {{ kind: generation, id: {{ path: id }} }} }}\n"
        )
    };
    let routes = route("long", "30s") + &route("brief", "2s");
    let config = database.config(recorder.address, "  query_timeout: 300ms\n", &routes);
    let folder = folder(&config);
    crate::database::migrate(folder.path(), &[]);
    let sidegate = Sidegate::run_in(folder);
    all_is_well(&sidegate, "at first");
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    // Both sides of the question are in memory: Alice may read hers, and not the other one.
    let degraded = |path: &str| {
        let authorization = format!("Bearer {}", token(ALICE));
        let headers = [("Authorization", authorization.as_str())];
        let reply = ask(sidegate.proxy, request("GET", path, &headers));
        let mark = reply.header("x-sidegate-degraded").map(str::to_owned);
        (reply.status, mark)
    };
    let (long, brief) = (format!("/long/{MINE}"), format!("/brief/{MINE}"));
    let yours = format!("/long/{YOURS}");
    for (path, expected) in [(&long, (200, None)), (&yours, (403, None))] {
        let from_memory = || metric(&sidegate, "sidegate_answers_total{tier=\"l1\"}");
        eventually("an answer from memory", || {
            let before = from_memory();
            assert_eq!(degraded(path), expected);
            (from_memory() > before).then_some(())
        });
    }

    database.session(SUPERUSER).run("checkpoint");
    database.cluster.pause().unwrap();
    eventually("the end of the lease", || {
        (status(&sidegate, &format!("/g/{MINE}")) == 503).then_some(())
    });
    assert_eq!(degraded(&long), (200, Some("stale".to_owned())));
    assert_eq!(
        degraded(&yours).0,
        503,
        "nobody is refused on what is stale"
    );
    assert_eq!(status(&sidegate, "/me"), 503, "it has not opted in");
    let authorization = format!("Bearer {}", token(ALICE));
    eventually("the end of two seconds", || {
        let mut wire = Wire::connect(sidegate.proxy);
        wire.send(request("GET", &brief, &[("Authorization", &authorization)]));
        // One that was let in at the last moment is cut off, if its answer would come later.
        let reply = wire.reply()?;
        (reply.status == 503).then_some(())
    });
    assert_eq!(degraded(&long).0, 200, "thirty seconds are not over");
    assert!(metric(&sidegate, "sidegate_answers_total{tier=\"l1_stale\"}") >= Some(2));
    sidegate.logged("\"degraded\":\"stale\"");

    database.cluster.resume().unwrap();
    all_is_well(&sidegate, "it is over");
    assert_eq!(degraded(&long), (200, None));
}

/// DESIGN §7, user lookup: what the token says, where the route accepts that, and never for who was inactive.
#[test]
fn a_subject_that_cannot_be_looked_up_is_let_in_by_its_token_only_where_the_route_says() {
    const BOB: &str = "b0b00000-0000-4000-8000-000000000001";
    let database = database();
    let recorder = Recorder::start();
    let sql = format!("insert into users values ('{BOB}', 'bob@example', false)");
    database.run(SUPERUSER, &sql);
    let config = database.config(recorder.address, "  query_timeout: 300ms\n", "");
    let opted = "methods: [GET], path: \"/soft\", access: authenticated, stale_if_error: 20s }";
    let config = config.replace("routes:\n", &format!("routes:\n  - {{ {opted}\n"));
    let folder = folder(&config);
    crate::database::migrate(folder.path(), &[]);
    let sidegate = Sidegate::run_in(folder);
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    let get = |subject: &str, path: &str| {
        let bearer = format!("Bearer {}", token(subject));
        let reply = ask(
            sidegate.proxy,
            request("GET", path, &[("Authorization", &bearer)]),
        );
        (reply.status, reply.header("x-sidegate-degraded").is_some())
    };
    // Bob's row is known. Nobody has looked at Alice's, and of yours a change was told that nobody has read.
    assert_eq!(get(BOB, "/soft"), (403, false));
    database.run(
        SUPERUSER,
        &format!("update users set is_active = not is_active where id = '{YOURS}'"),
    );
    let polls = metric(&sidegate, "sidegate_polls_begun_total").unwrap();
    eventually("the change is told", || {
        (metric(&sidegate, "sidegate_polls_begun_total") > Some(polls + 2)).then_some(())
    });
    database.run(SUPERUSER, "checkpoint");
    database.cluster.pause().unwrap();
    eventually("nobody can be asked", || {
        (get(ALICE, "/me").0 == 503).then_some(())
    });
    assert_eq!(get(ALICE, "/soft"), (200, true));
    assert_eq!(get(BOB, "/soft").0, 503, "he was inactive");
    assert_eq!(get(YOURS, "/soft").0, 503);
    assert_eq!(
        get(ALICE, &format!("/g/{MINE}")).0,
        503,
        "a decision needs rows"
    );
    database.cluster.resume().unwrap();
    eventually("it is over", || {
        (get(ALICE, "/soft") == (200, false)).then_some(())
    });
    assert_eq!(get(BOB, "/soft"), (403, false));
}
