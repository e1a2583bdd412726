//! Rows in memory, from outside: they serve what is asked often, also while a long transaction holds
//! everything else back; they end with the lease; and what breaks the rules on purpose is in no binary
//! that is shipped. That a revoked right never comes back is `scripts/check-history`'s.

use std::fs;

use crate::database::{Database, SUPERUSER};
use crate::process::{ALICE, BINARY, DIRECTORY, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{ask, request};

pub(crate) fn status(sidegate: &Sidegate, path: &str) -> u16 {
    let authorization = format!("Bearer {}", token(ALICE));
    let headers = [("Authorization", authorization.as_str())];
    ask(sidegate.proxy, request("GET", path, &headers)).status
}

/// The value of a line of `/metrics`, which is a whole number.
pub(crate) fn metric(sidegate: &Sidegate, name: &str) -> Option<u64> {
    written(sidegate, name).map(|value| value.parse().unwrap())
}

/// As it is written there.
pub(crate) fn written(sidegate: &Sidegate, name: &str) -> Option<String> {
    let text = metrics(sidegate);
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(str::to_owned)
}

/// The values of all series that begin like this, together.
pub(crate) fn sum(sidegate: &Sidegate, series: &str) -> u64 {
    let text = metrics(sidegate);
    let lines = text.lines().filter(|line| line.starts_with(series));
    let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    values.sum()
}

/// Everything that it tells.
pub(crate) fn metrics(sidegate: &Sidegate) -> String {
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        sidegate.admin
    );
    let body = ask(sidegate.admin, request).body;
    String::from_utf8(body).unwrap()
}

pub(crate) fn started(database: &Database, recorder: &Recorder, cache: &str) -> Sidegate {
    database.run(
        SUPERUSER,
        &format!(
            "insert into users values ('{ALICE}', 'alice@example'), ('{YOURS}', 'you@example');
             insert into generations (id, user_id) values ('{MINE}', '{ALICE}'), ('{YOURS}', '{YOURS}')"
        ),
    );
    let folder = crate::database::folder(&database.config(recorder.address, "", cache));
    crate::database::migrate(folder.path(), &[]);
    Sidegate::run_in(folder)
}

#[test]
fn what_is_asked_often_is_answered_from_memory() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, "");
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    let notes = sidegate.admin("/readyz")["notes"].to_string();
    assert!(!notes.contains("caching"), "{notes}");

    // A transaction that has written and does not end holds back the snapshot of everybody.
    let long = database.session(SUPERUSER);
    long.run(
        "begin; update users set email = 'x@example' where id <> id; select pg_current_xact_id()",
    );
    let mine = format!("/g/{MINE}");
    for _ in 0..400 {
        assert_eq!(status(&sidegate, &mine), 200);
    }
    let from = |tier: &str| {
        metric(
            &sidegate,
            &format!("sidegate_answers_total{{tier=\"{tier}\"}}"),
        )
        .unwrap_or_default()
    };
    let (memory, store) = (from("l1"), from("store"));
    assert!(memory * 100 >= (memory + store) * 95, "{memory} {store}");

    // A right that is taken away ends it, and a refusal is not kept for whoever gets it back.
    database.run(
        SUPERUSER,
        &format!("update generations set user_id = '{YOURS}' where id = '{MINE}'"),
    );
    eventually("a refusal", || {
        (status(&sidegate, &mine) == 403).then_some(())
    });
    database.run(
        SUPERUSER,
        &format!("update generations set user_id = '{ALICE}' where id = '{MINE}'"),
    );
    assert_eq!(status(&sidegate, &mine), 200, "at once: refusals are fresh");
}

#[test]
fn a_directory_file_is_answered_from_memory_and_an_edit_ends_what_it_changes() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let (mine, yours) = (format!("/g/{MINE}"), format!("/g/{YOURS}"));
    let from = |tier: &str| {
        metric(
            &sidegate,
            &format!("sidegate_answers_total{{tier=\"{tier}\"}}"),
        )
        .unwrap_or_default()
    };
    let edit = |text: &str| {
        let next = sidegate.folder().join("next.yaml");
        fs::write(&next, text).unwrap();
        fs::rename(next, sidegate.directory()).unwrap();
    };
    let from_memory = |what: &str| {
        eventually(what, || {
            let before = from("store");
            assert_eq!(status(&sidegate, &mine), 200);
            (from("store") == before).then_some(())
        });
    };
    from_memory("an answer from memory");
    assert_eq!(status(&sidegate, &yours), 403);

    // A row that has nothing to do with hers is given to her: hers stay.
    edit(&DIRECTORY.replace(
        &format!("id: {YOURS}"),
        &format!("id: {YOURS}, owner_id: {ALICE}"),
    ));
    eventually("a right that is given", || {
        (status(&sidegate, &yours) == 200).then_some(())
    });
    let before = from("store");
    assert_eq!(status(&sidegate, &mine), 200);
    assert_eq!(from("store"), before, "hers is still in memory");

    // A right that is taken away, of a row in memory and of a subject in memory.
    from_memory("hers in memory");
    edit(DIRECTORY);
    eventually("a refusal", || {
        (status(&sidegate, &yours) == 403).then_some(())
    });
    from_memory("hers in memory, still");
    edit(&DIRECTORY.replace("active: true", "active: false"));
    eventually("a refusal", || {
        (status(&sidegate, &mine) == 403).then_some(())
    });
    // A file that is bad changes nothing, and is no reason to forget.
    edit(DIRECTORY);
    eventually("the right again", || {
        (status(&sidegate, &mine) == 200).then_some(())
    });
    from_memory("an answer from memory, again");
    let before = from("store");
    edit("users: [");
    eventually("a bad file", || {
        assert_eq!(status(&sidegate, &mine), 200);
        let problem = &sidegate.admin("/config")["directory_problem"];
        (!problem.is_null()).then_some(())
    });
    assert_eq!(from("store"), before);
}

#[test]
fn memory_ends_with_the_lease() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, "");
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    let mine = format!("/g/{MINE}");
    assert_eq!(status(&sidegate, &mine), 200);
    database.session(SUPERUSER).run("checkpoint");
    database.cluster.pause().unwrap();
    eventually("the end of the lease", || {
        (status(&sidegate, &mine) == 503).then_some(())
    });
    database.cluster.resume().unwrap();
    eventually("a lease", || {
        (status(&sidegate, &mine) == 200).then_some(())
    });
}

#[test]
fn caching_is_off_where_a_change_could_be_missed_and_where_it_is_not_wanted() {
    let database = Database::example();
    let recorder = Recorder::start();
    let sidegate = started(&database, &recorder, "");
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    database.run(
        SUPERUSER,
        "alter table team_members disable trigger sidegate_update",
    );
    eventually("a closed cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(0)).then_some(())
    });
    eventually("a reason", || {
        let reasons = sidegate.admin("/config")["caching_off_because"].to_string();
        reasons.contains("team_members").then_some(())
    });
    let ready = sidegate.admin("/readyz");
    assert!(
        ready["notes"].to_string().contains("caching is off"),
        "{ready}"
    );
    assert_eq!(status(&sidegate, &format!("/g/{MINE}")), 200);
    database.run(
        SUPERUSER,
        "alter table team_members enable always trigger sidegate_update",
    );
    eventually("an open cache again", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    drop(sidegate);

    let config = database.config(recorder.address, "", "cache: { l1_size_mb: 0 }\n");
    let sidegate = Sidegate::run_in(crate::database::folder(&config));
    eventually("an answer", || {
        (status(&sidegate, &format!("/g/{MINE}")) == 200).then_some(())
    });
    assert_eq!(metric(&sidegate, "sidegate_cache_open"), None);
}

#[test]
fn what_breaks_the_rules_on_purpose_is_not_in_this_binary() {
    let binary = fs::read(BINARY).unwrap();
    let holds = |text: &str| binary.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds("SIDEGATE_LOG"), "the search finds what is there");
    assert!(!holds("SIDEGATE_WITHOUT"));
}
