//! What instances share through Redis, from outside: it outlives them, it is asked once for a question, it
//! is not believed, and it is not needed. That a revoked right never comes back through it is
//! `scripts/check-history`'s.

#![expect(clippy::print_stdout, reason = "the figures of a test run")]

mod servers;

use std::time::{Duration, Instant};

use sidegate_loadtest::redis::Redis;
use tempfile::TempDir;

use crate::caching::{metric, status};
use crate::database::{Database, SUPERUSER, folder, migrate};
use crate::process::{ALICE, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, request};

const KEY: &str = "what values of these tests are sealed with";
const MINE_PATH: &str = "/g/6e000000-0000-4000-8000-000000000001";
const YOURS_PATH: &str = "/g/6e000000-0000-4000-8000-000000000002";

struct Scene {
    database: Database,
    recorder: Recorder,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            database: Database::example(),
            recorder: Recorder::start(),
        };
        scene.database.run(
            SUPERUSER,
            &format!(
                "insert into users values ('{ALICE}', 'alice@example'), ('{YOURS}', 'you@example');
                 insert into generations (id, user_id) values ('{MINE}', '{ALICE}'), ('{YOURS}', '{YOURS}')"
            ),
        );
        migrate(scene.folder("").path(), &[]);
        scene
    }

    fn folder(&self, more: &str) -> TempDir {
        folder(&self.database.config(self.recorder.address, "", more))
    }

    /// An instance over this Redis, once what is in it may be used.
    fn instance(&self, url: &str, more: &str) -> Sidegate {
        let sidegate = Sidegate::run_in(self.folder(&redis(url, more)));
        is_sharing(&sidegate);
        sidegate
    }
}

/// Patient, because the machine may be busy; the time-outs have tests of their own.
pub(crate) fn redis(url: &str, more: &str) -> String {
    format!(
        "redis:\n  url: '{url}'\n  mac_keys: [{KEY}]\n  pool_size: 2\n  command_timeout: 1s\n  total_timeout: 1s\n{more}"
    )
}

/// Waits until it may answer from Redis, and can.
pub(crate) fn is_sharing(sidegate: &Sidegate) {
    eventually("a known log, and connections", || {
        let is = |name: &str, value| metric(sidegate, name) == Some(value);
        (is("sidegate_l2_admitted", 1) && is("sidegate_l2_connections", 2)).then_some(())
    });
}

fn answers(sidegate: &Sidegate, tier: &str) -> u64 {
    metric(
        sidegate,
        &format!("sidegate_answers_total{{tier=\"{tier}\"}}"),
    )
    .unwrap()
}

fn lookups(sidegate: &Sidegate, result: &str) -> u64 {
    metric(
        sidegate,
        &format!(
            "sidegate_cache_lookups_total{{class=\"answer\",result=\"{result}\",tier=\"l2\"}}"
        ),
    )
    .unwrap()
}

fn written(sidegate: &Sidegate, number: u64) {
    eventually("a written answer", || {
        let done = metric(sidegate, "sidegate_l2_writes_total{result=\"done\"}")?;
        (done >= number).then_some(())
    });
}

#[test]
fn what_one_instance_has_asked_another_one_need_not() {
    let (scene, redis) = (Scene::new(), Redis::start().unwrap());
    let one = scene.instance(&redis.url(), "");
    assert_eq!(status(&one, MINE_PATH), 200);
    written(&one, 1);
    let two = scene.instance(&redis.url(), "");
    assert_eq!(status(&two, MINE_PATH), 200);
    assert_eq!(status(&two, MINE_PATH), 200);
    assert_eq!(
        (
            answers(&two, "l2"),
            answers(&two, "l1"),
            answers(&two, "store")
        ),
        (1, 1, 0)
    );
    assert_eq!(
        lookups(&two, "hit"),
        1,
        "one question to Redis for one question"
    );

    // A refusal is made fresh, whatever Redis has; and what is revoked is not answered from it again.
    assert_eq!(status(&two, YOURS_PATH), 403);
    let away = format!("update generations set user_id = '{YOURS}' where id = '{MINE}'");
    scene.database.run(SUPERUSER, &away);
    eventually("a refusal", || {
        (status(&two, MINE_PATH) == 403).then_some(())
    });
    let three = scene.instance(&redis.url(), "");
    assert_eq!(status(&three, MINE_PATH), 403);

    // Another policy shares nothing; nor does somebody with another key, who cannot even be read.
    let config = scene
        .database
        .config(scene.recorder.address, "", &self::redis(&redis.url(), ""));
    let four = Sidegate::run_in(folder(&config.replace("viewer: [read]", "viewer: []")));
    is_sharing(&four);
    status(&four, YOURS_PATH);
    assert_eq!((lookups(&four, "absent"), answers(&four, "l2")), (1, 0));
    let five = Sidegate::run_in(folder(&config.replace(KEY, &format!("another {KEY}"))));
    is_sharing(&five);
    status(&five, MINE_PATH);
    assert_eq!((lookups(&five, "forged"), answers(&five, "l2")), (1, 0));
    let both = format!("[another {KEY}, {KEY}]");
    let six = Sidegate::run_in(folder(&config.replace(&format!("[{KEY}]"), &both)));
    is_sharing(&six);
    status(&six, MINE_PATH);
    assert_eq!(lookups(&six, "forged"), 0, "each of its keys opens");
}

/// 10,000 requests over 500 resources, half of them for a tenth of these.
#[test]
fn a_restart_with_a_warm_redis_stays_warm() {
    const RESOURCES: usize = 500;
    let (scene, redis) = (Scene::new(), Redis::start().unwrap());
    let rows = format!(
        "insert into generations (id, user_id)
         select ('11111111-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '{ALICE}'
         from generate_series(1, {RESOURCES}) n"
    );
    scene.database.run(SUPERUSER, &rows);
    let authorization = format!("Bearer {}", token(ALICE));
    let headers = [("Authorization", authorization.as_str())];
    let requests: Vec<_> = (1..=RESOURCES)
        .map(|number| {
            let path = format!("/g/11111111-0000-4000-8000-{number:012}");
            request("GET", &path, &headers)
        })
        .collect();
    let ask = |sidegate: &Sidegate, number: usize| {
        let mut wire = Wire::connect(sidegate.proxy);
        for turn in 0..number {
            let at = if turn % 2 == 0 {
                turn / 2 * 7 % RESOURCES
            } else {
                turn * 3 % (RESOURCES / 10)
            };
            wire.send(&requests[at]);
            assert_eq!(wire.reply().expect("an answer").status, 200);
        }
    };
    let one = scene.instance(&redis.url(), "");
    ask(&one, 2 * RESOURCES);
    written(&one, RESOURCES as u64);
    drop(one);

    let two = Sidegate::run_in(scene.folder(&self::redis(&redis.url(), "")));
    eventually("readiness", || {
        (two.admin("/readyz")["ready"] == true).then_some(())
    });
    let ready = metric(&two, "sidegate_l2_admitted");
    ask(&two, 10_000);
    let (memory, shared, store) = (
        answers(&two, "l1"),
        answers(&two, "l2"),
        answers(&two, "store"),
    );
    println!(
        "known when it was ready: {ready:?}; {memory} from memory, {shared} from Redis, {store} from the store"
    );
    // Whoever waits for long on a busy machine is decided on again.
    assert!(memory + shared + store >= 10_000);
    assert!(
        (memory + shared) * 100 >= 10_000 * 95,
        "{memory} {shared} {store}"
    );
    assert!(shared > 0);
}

/// Whatever is in Redis under a name that is asked for.
#[test]
fn whoever_can_write_to_redis_can_cause_misses_and_nothing_else() {
    let (scene, redis) = (Scene::new(), Redis::start().unwrap());
    let one = scene.instance(&redis.url(), "");
    assert_eq!(
        (status(&one, MINE_PATH), status(&one, YOURS_PATH)),
        (200, 403)
    );
    written(&one, 2);
    let keys: Vec<String> = redis.command(&["KEYS", "*"]).unwrap();
    let named = |id: &str| keys.iter().find(|key| key.contains(id)).unwrap().clone();
    let (mine, yours) = (named(MINE), named(YOURS));
    let mut raw = redis.connection().unwrap();
    let mut get = |key: &str| -> Vec<u8> { redis::cmd("GET").arg(key).query(&mut raw).unwrap() };
    let (good, other) = (get(&mine), get(&yours));
    let put = |key: &str, value: &[u8]| {
        let mut raw = redis.connection().unwrap();
        let set = redis::cmd("SET").arg(key).arg(value).exec(&mut raw);
        set.unwrap();
    };
    let mut forged = good.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let cases: [(&[u8], &str); 5] = [
        (&good, "forged"),
        (&forged, "forged"),
        (&good[..good.len() / 2], "forged"),
        (b"x", "forged"),
        (&vec![1; 70_000], "malformed"),
    ];
    for (value, result) in cases {
        // Over the one that is somebody else's: an allow that was swapped from its own place, or made up.
        put(&yours, value);
        let two = scene.instance(&redis.url(), "");
        assert_eq!(status(&two, YOURS_PATH), 403);
        assert_eq!(lookups(&two, result), 1);
        assert_eq!(answers(&two, "l2"), 0);
    }
    put(&mine, &other);
    redis.command::<i64>(&["DEL", &yours]).unwrap();
    redis.command::<i64>(&["LPUSH", &yours, "a list"]).unwrap();
    let two = scene.instance(&redis.url(), "");
    assert_eq!(
        (status(&two, MINE_PATH), status(&two, YOURS_PATH)),
        (200, 403)
    );
    assert_eq!(
        (lookups(&two, "forged"), lookups(&two, "malformed")),
        (1, 1)
    );
    assert_eq!(
        metric(&two, "sidegate_l2_in_use"),
        Some(1),
        "that is no failure of Redis"
    );

    // An old value in the right place, from before the right was taken away: replayed, it has changed.
    let away = format!("update generations set user_id = '{YOURS}' where id = '{MINE}'");
    scene.database.run(SUPERUSER, &away);
    put(&mine, &good);
    let three = scene.instance(&redis.url(), "");
    assert_eq!(status(&three, MINE_PATH), 403);
    assert_eq!(lookups(&three, "touched"), 1);
}

#[test]
fn a_redis_that_does_not_answer_costs_its_budget_a_few_times_and_then_nothing() {
    let (scene, redis) = (Scene::new(), Redis::start().unwrap());
    let breaker = "  breaker: { failures: 3, open: 500ms }\n";
    let more = self::redis(&redis.url(), breaker).replace(": 1s", ": 200ms");
    let sidegate = Sidegate::run_in(scene.folder(&more));
    is_sharing(&sidegate);
    // Refused and so never kept whole in memory: each is a question to Redis.
    let unknown = |number: u32| format!("/g/22222222-0000-4000-8000-{number:012}");
    assert_eq!(status(&sidegate, &unknown(0)), 403);
    assert_eq!(lookups(&sidegate, "absent"), 1);

    redis.signal("STOP").unwrap();
    let begin = Instant::now();
    for number in 1..=30 {
        assert_eq!(status(&sidegate, &unknown(number)), 403);
    }
    let took = begin.elapsed();
    assert_eq!(lookups(&sidegate, "away"), 3);
    assert_eq!(lookups(&sidegate, "skipped"), 27);
    println!("30 misses beside a Redis that stands still: {took:?}");
    let notes = sidegate.admin("/readyz");
    assert_eq!(notes["ready"], true);
    assert!(
        notes["notes"].to_string().contains("Redis does not answer"),
        "{notes}"
    );
    // Only the probe asks, and it waits alone.
    let (away, skipped) = (lookups(&sidegate, "away"), lookups(&sidegate, "skipped"));
    eventually("a probe or two", || {
        (begin.elapsed() > Duration::from_secs(2)).then_some(())
    });
    assert_eq!(status(&sidegate, &unknown(31)), 403);
    assert_eq!(
        (lookups(&sidegate, "away"), lookups(&sidegate, "skipped")),
        (away, skipped + 1)
    );

    redis.signal("CONT").unwrap();
    eventually("a Redis that is asked", || {
        (metric(&sidegate, "sidegate_l2_in_use") == Some(1)).then_some(())
    });
    assert_eq!(status(&sidegate, &unknown(32)), 403);
    assert_eq!(lookups(&sidegate, "absent"), 2);
}

#[test]
fn without_redis_and_with_one_that_is_full_requests_are_decided() {
    let (scene, mut redis) = (Scene::new(), Redis::start().unwrap());
    let sidegate = scene.instance(&redis.url(), "  breaker: { open: 100ms }\n");
    sidegate.logged("connected to Redis");
    redis.kill().unwrap();
    let said = sidegate.logged("connecting to Redis");
    assert!(said.contains("refused"), "{said}");
    for _ in 0..10 {
        assert_eq!(
            (status(&sidegate, MINE_PATH), status(&sidegate, YOURS_PATH)),
            (200, 403)
        );
    }
    redis.resume().unwrap();
    eventually("connections", || {
        (metric(&sidegate, "sidegate_l2_connections") == Some(2)).then_some(())
    });
    eventually("a Redis that is asked", || {
        (metric(&sidegate, "sidegate_l2_in_use") == Some(1)).then_some(())
    });

    redis
        .command::<String>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .unwrap();
    redis
        .command::<String>(&["CONFIG", "SET", "maxmemory", "1"])
        .unwrap();
    let another = scene.instance(&redis.url(), "");
    assert_eq!(status(&another, MINE_PATH), 200);
    eventually("a refused write", || {
        (metric(&another, "sidegate_l2_writes_total{result=\"failed\"}") == Some(1)).then_some(())
    });
    assert_eq!(
        metric(&another, "sidegate_l2_in_use"),
        Some(1),
        "it still answers what it has"
    );
}
