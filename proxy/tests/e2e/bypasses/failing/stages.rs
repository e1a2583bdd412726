//! A fault at every stage of a decision: whoever cannot be decided on is not let in.

use std::net::TcpListener;

use sidegate_loadtest::redis::Redis;

use crate::bypasses::caching::revoked::Scene as Tables;
use crate::bypasses::{by_alice, send};
use crate::caching::metric;
use crate::database::{LOGIN, SUPERUSER, folder};
use crate::process::{MINE, Sidegate, YOURS, eventually};
use crate::sharing::{is_sharing, redis};
use crate::wire::{Wire, request};

/// A deadline that passed ended the phase, and the request went on without it.
#[test]
fn g1_authorino_649() {
    let tables = Tables::new();
    // Nobody keeps anything: each request is a decision.
    let more =
        "\nlimits: { decision_timeout: 500ms, drain_timeout: 200ms }\ncache: { l1_size_mb: 0 }";
    let config = tables.config("  query_timeout: 30s\n", more);
    let sidegate = Sidegate::run_in(folder(&config));
    let (mine, yours) = (format!("/g/{MINE}"), format!("/g/{YOURS}"));
    let all_is_well = || {
        eventually("a decision", || {
            tables.allows(&sidegate, &mine).then_some(())
        });
        eventually("a refusal", || {
            let status = send(sidegate.proxy, by_alice("GET", &yours, &[]).as_bytes());
            (status == Some(403)).then_some(())
        });
        tables.recorder.received();
    };
    let nobody_gets_in = |stage: &str| {
        for (method, path) in [
            ("GET", &*mine),
            ("POST", &*mine),
            ("GET", &*yours),
            ("GET", "/me"),
        ] {
            let status = send(sidegate.proxy, by_alice(method, path, &[]).as_bytes());
            assert_eq!(status, Some(503), "{stage}: {method} {path}");
        }
        assert_eq!(
            send(sidegate.proxy, request("GET", &mine, &[]).as_bytes()),
            Some(401)
        );
        assert!(tables.recorder.received().is_empty(), "{stage}");
        assert_eq!(
            send(sidegate.proxy, request("GET", "/a", &[]).as_bytes()),
            Some(200)
        );
        tables.recorder.received();
    };
    all_is_well();
    let owner = tables.database.session(SUPERUSER);

    // The decision takes too long; and its client leaves while it does.
    let busy = tables.database.session(SUPERUSER);
    busy.run("begin; lock table users in access exclusive mode");
    nobody_gets_in("too slow");
    for _ in 0..4 {
        let mut wire = Wire::connect(sidegate.proxy);
        wire.send(by_alice("GET", &yours, &[]));
        drop(wire);
    }
    busy.run("rollback");
    eventually("the end of what was left", || {
        let used = "sidegate_pool_connections{pool=\"authorization\",state=\"used\"}";
        (metric(&sidegate, used) == Some(0)).then_some(())
    });
    assert!(
        tables.recorder.received().is_empty(),
        "a decision that nobody waits for"
    );
    all_is_well();

    // No right to ask, an answer that cannot be understood, no connection, no server.
    for (stage, wrong, right) in [
        (
            "refused",
            "revoke select on sidegate.subjects from sidegate_reader",
            "grant select on sidegate.subjects to sidegate_reader",
        ),
        (
            "no view",
            "alter view sidegate.projects rename to gone",
            "alter view sidegate.gone rename to projects",
        ),
    ] {
        owner.run(wrong);
        for path in [&mine, &yours] {
            let status = send(sidegate.proxy, by_alice("GET", path, &[]).as_bytes());
            assert_eq!(status, Some(503), "{stage}: {path}");
        }
        assert!(tables.recorder.received().is_empty(), "{stage}");
        owner.run(right);
        all_is_well();
    }
    owner.run(&format!("alter role {LOGIN} nologin"));
    owner.run(&format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{LOGIN}'"
    ));
    nobody_gets_in("no login");
    owner.run(&format!("alter role {LOGIN} login"));
    all_is_well();
    owner.run("checkpoint");
    tables.database.cluster.pause().unwrap();
    nobody_gets_in("no server");
    tables.database.cluster.resume().unwrap();
    all_is_well();

    // The application itself is no stage of the decision: nobody hears that it was allowed.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = Sidegate::start(silent.local_addr().unwrap(), "");
    assert_eq!(
        send(slow.proxy, by_alice("GET", &mine, &[]).as_bytes()),
        Some(504)
    );
    assert_eq!(
        send(slow.proxy, by_alice("GET", &yours, &[]).as_bytes()),
        Some(403)
    );
    drop(silent);
    assert_eq!(
        send(slow.proxy, by_alice("GET", &mine, &[]).as_bytes()),
        Some(502)
    );
    assert_eq!(
        send(slow.proxy, by_alice("GET", &yours, &[]).as_bytes()),
        Some(403)
    );
}

/// What is asked: by whom, how and where.
const ASKED: [(&str, &str, &str); 8] = [
    ("nobody", "GET", "/a"),
    ("nobody", "GET", "/me"),
    (
        "nobody",
        "GET",
        "/stale/6e000000-0000-4000-8000-000000000001",
    ),
    ("alice", "GET", "/me"),
    ("alice", "GET", "/g/6e000000-0000-4000-8000-000000000001"),
    ("alice", "POST", "/g/6e000000-0000-4000-8000-000000000001"),
    (
        "alice",
        "GET",
        "/stale/6e000000-0000-4000-8000-000000000001",
    ),
    (
        "alice",
        "GET",
        "/stale/6e000000-0000-4000-8000-000000000002",
    ),
];
const WELL: [u16; 8] = [200, 401, 401, 200, 200, 200, 200, 403];
/// Past the lease of what is in memory; and without any memory.
const DOWN: [u16; 8] = [200, 401, 401, 503, 503, 503, 200, 503];
const DOWN_AND_EMPTY: [u16; 8] = [200, 401, 401, 503, 503, 503, 503, 503];

/// Every kind of route, every tier, and what of them is away: one table of verdicts.
#[test]
fn g5_verdict_matrix() {
    let tables = Tables::new();
    let mut shared = Redis::start().unwrap();
    let routes = "  - { methods: [GET], path: \"/stale/{id}\", action: read, stale_if_error: 30s, resource: { kind: generation, id: { path: id } } }\n";
    let start = |more: &str| {
        let config = tables.config("  query_timeout: 300ms\n", &format!("{routes}{more}"));
        Sidegate::run_in(folder(&config))
    };
    let plain = start("");
    let without_memory = start("cache: { l1_size_mb: 0 }\n");
    let sharing = start(&redis(&shared.url(), "  breaker: { open: 100ms }\n"));
    is_sharing(&sharing);
    let verdicts = |sidegate: &Sidegate| {
        ASKED.map(|(who, method, path)| {
            let raw = match who {
                "alice" => by_alice(method, path, &[]),
                _ => request(method, path, &[]),
            };
            tables.recorder.received();
            let status = send(sidegate.proxy, raw.as_bytes()).unwrap();
            let arrived = tables.recorder.received().len();
            assert_eq!(arrived, usize::from(status == 200), "{who} {method} {path}");
            status
        })
    };
    let are = |what: &str, down: bool| {
        for (name, sidegate, when_down) in [
            ("plain", &plain, DOWN),
            ("without memory", &without_memory, DOWN_AND_EMPTY),
            ("sharing", &sharing, DOWN),
        ] {
            let expected = if down { when_down } else { WELL };
            // Once what has changed is noticed; in between there are only the two.
            eventually(&format!("{what}: {name}"), || {
                let found = verdicts(sidegate);
                for (found, case) in found.iter().zip(ASKED.iter().enumerate()) {
                    let (at, case) = case;
                    let allowed = *found == 200;
                    assert!(
                        !allowed || WELL[at] == 200,
                        "{what}: {name}: {case:?}: {found}"
                    );
                }
                (found == expected).then_some(())
            });
        }
    };
    are("all is well", false);
    for sidegate in [&plain, &sharing] {
        tables.is_warm(sidegate, ASKED[4].2);
    }
    shared.kill().unwrap();
    are("no Redis", false);
    tables.database.session(SUPERUSER).run("checkpoint");
    tables.database.cluster.pause().unwrap();
    are("no Redis and no database", true);
    shared.resume().unwrap();
    are("no database", true);
    tables.database.cluster.resume().unwrap();
    are("all is well again", false);
}
