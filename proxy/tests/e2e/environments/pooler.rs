//! Behind PgBouncer in transaction mode: few server connections, given out for one transaction each.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::database::{Database, LOGIN, SUPERUSER, Session, folder, migrate};
use crate::process::{ALICE, BINARY, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, request};

use super::{BOB, assert_seeded, seed, status};

/// Requests are sent by so many at once, each of them so many times.
const CLIENTS: usize = 8;
const ROUNDS: usize = 25;

/// A decision may take its time on a busy machine: a time-out is not what is looked for here.
const PATIENT: &str = "\nlimits: { decision_timeout: 20s }\n";

/// A running PgBouncer.
struct Pooler {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Pooler {
    /// In front of `database`, with two server connections and further settings.
    fn start(database: &Database, more: &str) -> Self {
        // It refuses root, as the server does: it becomes whom the server's files belong to.
        let data = fs::metadata(data_directory(database)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("users"), format!("\"{LOGIN}\" \"\"\n")).unwrap();
        chown(folder.path(), Some(data.uid()), Some(data.gid())).unwrap();
        for _ in 0..3 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = port.local_addr().unwrap().port();
            let ini = folder.path().join("pgbouncer.ini");
            fs::write(&ini, settings(database, port, folder.path(), more)).unwrap();
            let mut command = Command::new(program());
            if fs::metadata("/proc/self").unwrap().uid() != data.uid() {
                command.uid(data.uid()).gid(data.gid());
            }
            let log = fs::File::create(folder.path().join("log")).unwrap();
            let mut child = command
                .arg(&ini)
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("pgbouncer: install it with scripts/setup");
            let listens = eventually("a pooler, or its end", || {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Some(true);
                }
                child.try_wait().unwrap().map(|_| false)
            });
            if listens {
                return Self {
                    child,
                    port,
                    _folder: folder,
                };
            }
        }
        let log = fs::read_to_string(folder.path().join("log"));
        panic!("no pooler: {}", log.unwrap());
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{LOGIN}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's place is on no user's PATH.
fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/pgbouncer");
    let on_path = Path::new("pgbouncer");
    let found = if debian.exists() { debian } else { on_path };
    found.to_owned()
}

fn settings(database: &Database, port: u16, folder: &Path, more: &str) -> String {
    let server = database.url(LOGIN);
    let server = server
        .rsplit(':')
        .next()
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    format!(
        "[databases]
app = host=127.0.0.1 port={server} dbname=app
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {}
admin_users = {LOGIN}
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
{more}
",
        folder.join("users").display()
    )
}

fn data_directory(database: &Database) -> PathBuf {
    let shown = database.session(SUPERUSER).value("show data_directory");
    PathBuf::from(shown)
}

/// Sidegate behind the pooler, with further lines of `database`.
fn behind(database: &Database, pooler: &Pooler, recorder: &Recorder, mode: &str) -> Sidegate {
    let feed = format!("{}?application_name=feed", database.url(LOGIN));
    let lines = format!("  pooler: {mode}\n  feed_url: {feed}\n  query_timeout: 20s\n");
    let config = database.config(recorder.address, &lines, PATIENT);
    // The first of them is `database.url`; the feed goes past the pooler.
    let config = config.replacen(&database.url(LOGIN), &pooler.url("app"), 1);
    let folder = folder(&config);
    migrate(folder.path(), &[]);
    Sidegate::run_in(folder)
}

/// Many requests at once; every status that was not the right one. What does not exist is never cached,
/// so that some of them ask the database whatever was asked before.
fn surprises(proxy: SocketAddr) -> Vec<(String, u16)> {
    let client = |first: usize| {
        let mut wire = Wire::connect(proxy);
        let mut wrong = Vec::new();
        for round in first..first + ROUNDS {
            let absent = format!("6e000000-0000-4000-8000-ab5e{first:04}{round:04}");
            let asked = [
                (ALICE, MINE, 200),
                (ALICE, YOURS, 403),
                (BOB, MINE, 403),
                (BOB, YOURS, 200),
                (BOB, &absent, 403),
            ];
            let (subject, id, expected) = asked[round % asked.len()];
            let bearer = format!("Bearer {}", token(subject));
            let target = format!("/g/{id}");
            wire.send(request("GET", &target, &[("Authorization", &bearer)]));
            let status = wire.reply().unwrap().status;
            if status != expected {
                wrong.push((format!("{subject} {id}"), status));
            }
        }
        wrong
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|first| scope.spawn(move || client(first)))
            .collect();
        let wrong = clients.into_iter().map(|client| client.join().unwrap());
        wrong.flatten().collect()
    })
}

/// What the server said about prepared statements.
fn complaints(database: &Database) -> Vec<String> {
    let log = fs::read_to_string(data_directory(database).join("server.log")).unwrap();
    let lines = log
        .lines()
        .filter(|line| line.contains("prepared statement"));
    lines.map(str::to_owned).collect()
}

#[test]
fn behind_a_transaction_pooler_decisions_are_right() {
    let database = Database::example();
    seed(&database, SUPERUSER);
    let pooler = Pooler::start(&database, "");
    let recorder = Recorder::start();
    let sidegate = behind(&database, &pooler, &recorder, "transaction");
    assert_seeded(&sidegate);
    assert_eq!(surprises(sidegate.proxy), Vec::new());
    assert_eq!(complaints(&database), Vec::<String>::new());

    // Connections of Sidegate's shared few of the server's, or none of this means anything.
    let console = Session::open(&pooler.url("pgbouncer"));
    let clients = console.rows("show clients");
    let clients = clients.iter().filter(|row| row.contains(&"app".to_owned()));
    let shared = format!(
        "select count(*) from pg_stat_activity where usename = '{LOGIN}' and application_name <> 'feed'"
    );
    let servers: usize = database.session(SUPERUSER).value(&shared).parse().unwrap();
    let clients = clients.count();
    assert!(
        clients > 2 && (1..=2).contains(&servers),
        "{clients} {servers}"
    );
    // The doctor asks through it as well.
    let mut doctor = Command::new(BINARY);
    doctor
        .args(["doctor", "--config"])
        .arg(sidegate.folder().join("sidegate.yaml"));
    let output = doctor.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The feed's own go past it.
    let direct = "select count(*) from pg_stat_activity where application_name = 'feed'";
    eventually("a connection of the feed's", || {
        (database.session(SUPERUSER).value(direct) != "0").then_some(())
    });

    let ended = format!("delete from team_members where user_id = '{BOB}'");
    database.run(SUPERUSER, &ended);
    let refused = |path: String, subject: &str| {
        eventually("a refusal", || {
            (status(&sidegate, "GET", &path, subject) == 403).then_some(())
        });
    };
    refused(format!("/g/{YOURS}"), BOB);
    let disabled = format!("update users set is_active = false where id = '{ALICE}'");
    database.run(SUPERUSER, &disabled);
    refused(format!("/g/{MINE}"), ALICE);
}

/// The sister of the test above: it can fail. Where `pooler` is not told, and PgBouncer is made to
/// accept the session's options, prepared statements are met by connections that have none, or others.
#[test]
fn with_the_wrong_pooler_setting_questions_fail_and_nothing_is_allowed() {
    let database = Database::example();
    seed(&database, SUPERUSER);
    let recorder = Recorder::start();
    let pooler = Pooler::start(
        &database,
        &format!("ignore_startup_parameters = options\n{}", unprepared()),
    );
    let sidegate = behind(&database, &pooler, &recorder, "none");
    let wrong = eventually("a question that fails", || {
        let wrong = surprises(sidegate.proxy);
        (!wrong.is_empty()).then_some(wrong)
    });
    assert!(wrong.iter().all(|(_, status)| *status == 503), "{wrong:?}");
    assert!(!complaints(&database).is_empty());
}

/// From 1.21 on PgBouncer can follow prepared statements; older ones do not know the setting.
fn unprepared() -> &'static str {
    let output = Command::new(program()).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let version = text.split_whitespace().nth(1).unwrap();
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().unwrap());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    if version >= (1, 21) {
        "max_prepared_statements = 0"
    } else {
        ""
    }
}
