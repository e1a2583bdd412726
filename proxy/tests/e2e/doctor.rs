//! `sidegate doctor`: a healthy database has no finding; whatever is broken has exactly its own, which is
//! gone when it is mended.

mod breakages;
mod contracts;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::database::{Database, LOGIN, SUPERUSER, Session, folder, migrate};
use crate::process::{BINARY, Sidegate, eventually};
use crate::wire::{ask, request};

/// Nobody is asked anything here.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// A finding that is expected: severity, check, and a part of what it says.
type Expected<'e> = (&'e str, &'e str, &'e str);

/// What is done, how it is undone, what is found meanwhile.
type Case<'c> = (&'c str, &'c str, &'c [Expected<'c>]);

/// The example, migrated, with a login that sees everybody's sessions.
struct Patient {
    database: Database,
    folder: TempDir,
    surgeon: Session,
}

impl Patient {
    fn healthy() -> Self {
        let database = Database::example();
        let folder = folder(&database.config(NOBODY, "", ""));
        migrate(folder.path(), &[]);
        let surgeon = database.session(SUPERUSER);
        // A schema that is called like the role comes first otherwise.
        surgeon.run(&format!(
            "grant pg_read_all_stats to {LOGIN}; set search_path = public"
        ));
        Self {
            database,
            folder,
            surgeon,
        }
    }

    fn examine(&self) -> (Option<i32>, Vec<(String, String, String)>) {
        examine(self.folder.path())
    }

    /// Each case by itself.
    fn treat(&self, cases: &[Case<'_>]) {
        for (breaks, mends, expected) in cases {
            self.surgeon.run(breaks);
            let (code, found) = self.examine();
            let matches = found.len() == expected.len()
                && expected.iter().all(|(severity, check, part)| {
                    let mut found = found.iter();
                    found.any(|it| it.0 == *severity && it.1 == *check && it.2.contains(part))
                });
            assert!(
                matches,
                "{breaks}\nexpected {expected:#?}\nfound {found:#?}"
            );
            let usable = expected.iter().all(|(severity, ..)| *severity == "warning");
            assert_eq!(code, Some(i32::from(!usable)), "{breaks}");
            self.surgeon.run(mends);
            assert_eq!(self.examine(), (Some(0), Vec::new()), "after {mends}");
        }
    }
}

fn doctor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["doctor", "--config"])
        .arg(folder.join("sidegate.yaml"))
        .args(arguments)
        .output()
        .unwrap()
}

/// The exit code, and severity, check and text of each finding. Each has a mend.
fn examine(folder: &Path) -> (Option<i32>, Vec<(String, String, String)>) {
    let output = doctor(folder, &["--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            assert_ne!(text(finding, "mend"), "");
            (
                text(finding, "severity"),
                text(finding, "check"),
                text(finding, "what"),
            )
        });
    (output.status.code(), findings.collect())
}

#[test]
fn a_healthy_database_has_no_finding_and_says_what_was_looked_at() {
    let patient = Patient::healthy();
    let output = doctor(patient.folder.path(), &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let lines: Vec<_> = said.lines().collect();
    assert!(
        lines.len() == 14 && lines[..13].iter().all(|line| line.starts_with("ok: ")),
        "{said}"
    );
    assert!(
        lines[0].contains("without TLS") && lines[0].contains(LOGIN),
        "{said}"
    );
    assert_eq!(
        lines[13],
        "the database is well: 0 broken, 0 uncached, 0 warnings"
    );
}

#[test]
fn what_cannot_be_examined_is_a_finding_too() {
    let database = Database::start();
    let config = database.config(NOBODY, "", "");
    let place = folder(&config);
    let only = |config: &str| {
        std::fs::write(place.path().join("sidegate.yaml"), config).unwrap();
        let (code, mut found) = examine(place.path());
        assert_eq!((code, found.len()), (Some(1), 1), "{found:?}");
        found.remove(0)
    };
    let (_, check, what) = only(&config);
    assert!(
        check == "migrations" && what.contains("no schema"),
        "{what}"
    );
    let (_, check, what) = only(&config.replace(&format!("{LOGIN}@"), "nobody@"));
    assert!(check == "reachable" && what.contains("28000"), "{what}");
    database.cluster.pause().unwrap();
    let (severity, check, what) = only(&config);
    assert!(
        severity == "broken" && check == "reachable" && what.contains("cannot connect"),
        "{what}"
    );
}

/// Since when the transactions of others run is hidden from a plain login; what was logged under a later
/// transaction id is younger.
#[test]
fn who_holds_back_the_clean_up_is_named() {
    let patient = Patient::healthy();
    let holder = patient.database.session(SUPERUSER);
    holder.run("set application_name = 'a report'; begin; create table public.held ()");
    let pid = holder.value("select pg_backend_pid()");
    patient.surgeon.run(
        "insert into sidegate.change_log (tags, at) values ('{*}', now() - interval '2 minutes')",
    );
    assert_eq!(
        patient.examine(),
        (Some(0), Vec::new()),
        "it has not lasted for a minute"
    );

    patient
        .surgeon
        .run(&format!("revoke pg_read_all_stats from {LOGIN}"));
    let (code, found) = patient.examine();
    assert_eq!((code, found.len()), (Some(0), 2), "{found:?}");
    assert!(
        found.iter().any(|it| it.2.contains("cannot be seen")),
        "{found:?}"
    );
    let named = |it: &(String, String, String)| {
        it.2.contains(&format!("session {pid} "))
            && it.2.contains("a report")
            && it.2.contains("for 120 s")
            || it.2.contains("for 121 s")
    };
    assert!(found.iter().any(named), "{found:?}");

    holder.run("rollback");
    patient
        .surgeon
        .run(&format!("grant pg_read_all_stats to {LOGIN}"));
    assert_eq!(patient.examine(), (Some(0), Vec::new()));
}

#[test]
fn readiness_says_which_check_and_only_the_guarded_page_says_what() {
    let patient = Patient::healthy();
    patient
        .surgeon
        .run("drop view sidegate.memberships; alter table users disable trigger sidegate_update");
    let admin = "\nadmin: { listen: \"127.0.0.1:0\", token: 0123456789abcdef }";
    let config = patient.database.config(NOBODY, "", admin);
    let sidegate = Sidegate::run_in(folder(&config));
    let get = |path: &str| {
        let bearer = [("Authorization", "Bearer 0123456789abcdef")];
        ask(sidegate.admin, request("GET", path, &bearer))
    };
    let notes = |expected: &[&str]| {
        eventually("the notes", || {
            let ready = get("/readyz").json();
            let notes = ready["notes"].as_array()?.iter().filter_map(Value::as_str);
            let about: Vec<_> = notes
                .filter(|note| note.starts_with("database: "))
                .collect();
            (about == expected).then(|| (ready["ready"] == true, ready.to_string()))
        })
    };
    let (_, text) = notes(&["database: broken: contract", "database: uncached: triggers"]);
    assert!(
        !text.contains("memberships") && !text.contains("users"),
        "{text}"
    );
    assert_eq!(get("/readyz").status, 503);
    let open = ask(sidegate.admin, request("GET", "/config", &[]));
    assert_eq!(open.status, 401);
    let shown = get("/config").json()["database_findings"].to_string();
    assert!(
        shown.contains("sidegate.memberships") && shown.contains("public.users"),
        "{shown}"
    );
    let metrics = String::from_utf8(get("/metrics").body).unwrap();
    assert!(
        metrics.contains("sidegate_doctor_findings{severity=\"uncached\"} 1"),
        "{metrics}"
    );

    // What cannot be cached can be answered. A new configuration is a reason to look at once.
    migrate(patient.folder.path(), &[]);
    patient
        .surgeon
        .run("alter table users disable trigger sidegate_update");
    sidegate.edit(&format!("{config}\n# mended"));
    notes(&["database: uncached: triggers"]);
    eventually("it is ready as far as the database goes", || {
        let text = get("/readyz").json().to_string();
        (!text.contains("broken")).then_some(())
    });
    migrate(patient.folder.path(), &[]);
    sidegate.edit(&format!("{config}\n# mended again"));
    notes(&[]);
}
