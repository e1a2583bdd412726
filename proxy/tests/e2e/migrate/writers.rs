//! The application's writes are neither refused nor held up by any of it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::database::{SUPERUSER, migrate, try_migrate};
use crate::migrate::{ALICE, BAD, BOB, example};
use crate::process::{BINARY, eventually};

/// A table with a writer in the middle of a transaction: whoever else writes it never waits for
/// `migrate`, which comes to its end when the writer does.
#[test]
fn writers_do_not_wait_for_a_migration_that_waits() {
    let (database, folder) = example();
    let owner = database.session(SUPERUSER);
    owner.run(&format!(
        "insert into users values ('{ALICE}', 'a@b'), ('{BOB}', 'b@b')"
    ));
    let busy = database.session(SUPERUSER);
    busy.run(&format!(
        "begin; update users set email = 'x@y' where id = '{ALICE}'"
    ));
    let writer = database.session(SUPERUSER);
    // As long as a queued lock could make it wait.
    writer.run("set lock_timeout = '1s'");
    let mut migration = Command::new(BINARY)
        .args(["migrate", "--config"])
        .arg(folder.path().join("sidegate.yaml"))
        .spawn()
        .unwrap();
    eventually("the tries without waiting", || {
        writer.run(&format!(
            "update users set email = 'b@c' where id = '{BOB}'"
        ));
        let tried = "select count(*) from sidegate.triggers where state = 'ok' and watched <> 'users'::regclass";
        let there = owner.value("select to_regclass('sidegate.triggers') is not null") == "t";
        (there && owner.value(tried) == "22").then_some(())
    });
    for _ in 0..100 {
        writer.run(&format!(
            "update users set email = 'b@d' where id = '{BOB}'"
        ));
    }
    assert!(
        migration.try_wait().unwrap().is_none(),
        "it is still trying"
    );
    let second = try_migrate(folder.path(), &[]);
    assert!(
        String::from_utf8(second.stderr)
            .unwrap()
            .contains("another `sidegate migrate`")
    );
    busy.run("commit");
    assert!(migration.wait().unwrap().success());
    assert_eq!(owner.value(BAD), "0");
}

/// The application writes all the time, with a bound on how long it waits for a lock, while Sidegate's
/// side is installed, released, restored and removed, and while a full log is cleaned.
#[test]
fn the_application_writes_on_through_all_of_it() {
    let (database, folder) = example();
    let owner = database.session(SUPERUSER);
    owner.run(&format!("insert into users values ('{ALICE}', 'a@b'); insert into teams values ('{ALICE}', 't');
        insert into team_members values ('{ALICE}', '{ALICE}', 'viewer'); insert into projects values ('{ALICE}', '{ALICE}')"));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = [
        "team_members set role = case role when 'viewer' then 'editor' else 'viewer' end",
        "projects set visibility = case visibility when 'public' then 'private' else 'public' end",
    ]
    .map(|sql| {
        let (session, stop) = (database.session(SUPERUSER), Arc::clone(&stop));
        std::thread::spawn(move || {
            session.run("set lock_timeout = '2s'");
            let mut writes = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                // Panics at the first one that is refused.
                session.run(&format!("update {sql}"));
                writes += 1;
            }
            writes
        })
    })
    .into();
    for arguments in [
        &[][..],
        &["--release", "team_members"],
        &[],
        &["--down"],
        &[],
    ] {
        migrate(folder.path(), arguments);
    }
    owner.run(
        "insert into sidegate.change_log (tags) select '{user:x}' from generate_series(1, 100000)",
    );
    owner.run("select sidegate.clean('0 seconds', 5000)");
    eventually("an empty log", || {
        owner.run("delete from sidegate.horizon");
        (owner.value("select sidegate.clean('0 seconds', 20000)") != "20000").then_some(())
    });
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.join().unwrap() > 0);
    }
}
