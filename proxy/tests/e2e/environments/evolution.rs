//! The other application changes its tables while Sidegate is in front of it.

use crate::database::migrate;

use super::archive::{Archive, KIM, MAX, OWNER};

#[test]
fn a_column_that_was_renamed_refuses_no_write_and_logs_everything() {
    let archive = Archive::start();
    archive.database.run(
        OWNER,
        "alter table archive.organisation_users rename level to grade",
    );
    archive.assert(&[(MAX, "PUT", "/documents/700", 200)]);
    let change = "update archive.organisation_users set grade = 10 where account_id = 9";
    assert_eq!(archive.log(change), ["*"]);
    archive.loses(MAX, "PUT", "/documents/700");
    archive.assert(&[(MAX, "GET", "/documents/700", 200)]);
}

#[test]
fn a_new_partition_is_seen_by_itself_after_the_next_migrate() {
    let archive = Archive::start();
    archive.database.run(
        OWNER,
        "alter table archive.documents detach partition archive.documents_2;
         create table archive.documents_3 partition of archive.documents for values from (1000000) to (maxvalue);
         insert into archive.documents select * from archive.documents_2",
    );
    let through = archive.log("update archive.documents set state = 'final' where id = 1000700");
    assert_eq!(through, ["resource:document:1000700"]);
    let direct = "update archive.documents_3 set state = 'withdrawn' where id = 1000700";
    assert_eq!(archive.log(direct), Vec::<String>::new());
    // What is not logged is not cached either: the doctor sees to that.
    archive.assert(&[(KIM, "GET", "/documents/1000700", 403)]);
    migrate(archive.sidegate.folder(), &[]);
    let direct = "update archive.documents_3 set state = 'draft' where id = 1000700";
    assert_eq!(archive.log(direct), ["resource:document:1000700"]);
    archive.assert(&[(KIM, "GET", "/documents/1000700", 200)]);
}

#[test]
fn a_released_table_is_refused_until_migrate_restores_it() {
    let archive = Archive::start();
    let owner = archive.database.session(OWNER);
    let narrow = "alter table archive.documents alter column state type varchar(20)";
    assert_eq!(owner.refused(narrow), "0A000", "a view reads it");
    let folder = archive.sidegate.folder();
    migrate(folder, &["--release", "archive.documents"]);
    archive.assert(&[(KIM, "GET", "/documents/700", 503)]);
    owner.run(narrow);
    let none = archive.log("update archive.documents set state = 'withdrawn' where id = 700");
    assert_eq!(none, Vec::<String>::new());
    migrate(folder, &[]);
    archive.assert(&[
        (KIM, "GET", "/documents/700", 403),
        (KIM, "GET", "/documents/1000700", 200),
    ]);
    let tags = archive.log("update archive.documents_1 set state = 'final' where id = 700");
    assert_eq!(tags, ["resource:document:700"]);
}
