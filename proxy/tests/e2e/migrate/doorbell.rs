//! The doorbell of the change log: it hangs where it is wanted, and costs no write.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{NOBODY, PATIENT, example};
use crate::database::{SUPERUSER, migrate};
use crate::process::BINARY;

const HANGS: &str =
    "select count(*) from pg_trigger where tgname = 'sidegate_ring' and tgenabled = 'A'";

/// What the doctor says.
fn examined(folder: &Path) -> String {
    let output = Command::new(BINARY)
        .args(["doctor", "--json", "--config"])
        .arg(folder.join("sidegate.yaml"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_hangs_where_it_is_wanted_and_no_write_fails_for_it() {
    let (database, folder) = example();
    migrate(folder.path(), &[]);
    let session = database.session(SUPERUSER);
    assert_eq!(session.value(HANGS), "0");
    assert!(!examined(folder.path()).contains("doorbell"));

    let wanted = database.config(NOBODY, &format!("{PATIENT}  doorbell: true\n"), "");
    let unwanted = fs::read_to_string(folder.path().join("sidegate.yaml")).unwrap();
    let configured = |text: &str| fs::write(folder.path().join("sidegate.yaml"), text).unwrap();
    configured(&wanted);
    assert!(examined(folder.path()).contains("the doorbell does not hang"));
    let planned = migrate(folder.path(), &["--dry-run"]);
    assert!(
        planned.contains("('doorbell', 'true')")
            && planned
                .trim_end()
                .ends_with("select sidegate.hang_doorbell();"),
        "{planned}"
    );
    let said = migrate(folder.path(), &[]);
    assert!(said.contains("the doorbell hangs"), "{said}");
    assert_eq!(session.value(HANGS), "1");
    assert!(!examined(folder.path()).contains("doorbell"));
    assert_eq!(migrate(folder.path(), &[]), "the database is up to date\n");

    // One that does not always fire is mended, and nothing is planned for one that does.
    assert!(!migrate(folder.path(), &["--dry-run"]).contains("hang_doorbell"));
    session.run("alter table sidegate.change_log enable trigger sidegate_ring");
    assert!(examined(folder.path()).contains("the doorbell does not hang"));
    migrate(folder.path(), &[]);
    assert_eq!(session.value(HANGS), "1");

    // It cannot look at the queue: the write goes on.
    session.run("revoke execute on function pg_notification_queue_usage() from public");
    session.run("insert into users (id, email) values (gen_random_uuid(), 'r@s')");
    session.run("grant execute on function pg_notification_queue_usage() to public");
    session.run("delete from users where email = 'r@s'; delete from sidegate.change_log");

    // A transaction that has notified could not be prepared. The server waits for no disk: without the
    // checkpoint what was just installed would be lost in the crash.
    session.run("alter system set max_prepared_transactions = 5");
    session.run("checkpoint");
    database.cluster.pause().unwrap();
    database.cluster.resume().unwrap();
    let session = database.session(SUPERUSER);
    session.run("begin; insert into users (id, email) values (gen_random_uuid(), 'p@q'); prepare transaction 'one'");
    session.run("commit prepared 'one'");
    let logged = "select count(*) from sidegate.change_log where tags[1] like 'user:%'";
    assert_eq!(session.value(logged), "1");

    assert!(examined(folder.path()).contains("the doorbell stays silent"));

    configured(&unwanted);
    assert!(
        examined(folder.path()).contains("the doorbell hangs, and `database.doorbell` is false")
    );
    let planned = migrate(folder.path(), &["--dry-run"]);
    assert!(
        planned.contains("select sidegate.remove('sidegate.change_log');"),
        "{planned}"
    );
    let said = migrate(folder.path(), &[]);
    assert!(
        said.contains("no more triggers on sidegate.change_log"),
        "{said}"
    );
    assert_eq!(session.value(HANGS), "0");
}
