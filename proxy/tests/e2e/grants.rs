//! What is created or granted counts at once, on every instance: whoever was told by the application that
//! it is theirs is not refused it, though another instance has just learned the opposite.

#![expect(clippy::print_stdout, reason = "the figures of a test run")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::caching::metric;
use crate::database::{Database, SUPERUSER, Session, folder, migrate};
use crate::process::{Sidegate, YOURS, eventually, token};
use crate::wire::{Wire, request};

const TRIES: usize = 10_000;
const CLIENTS: usize = 20;

/// How a right comes to be.
#[derive(Debug, Clone, Copy)]
enum Grant {
    /// There is a new row.
    Create,
    /// A row changes hands.
    HandOver,
    /// A team takes them in.
    Join,
    /// A project moves to a team that they are in.
    Move,
}

impl Grant {
    fn of(number: usize) -> Self {
        match number / 2 % 4 {
            0 => Self::Create,
            1 => Self::HandOver,
            2 => Self::Join,
            _ => Self::Move,
        }
    }

    /// Does it for a number and a user.
    fn sql(self, number: usize, user: &str) -> String {
        let id = id(number);
        match self {
            Self::Create => {
                format!("insert into generations (id, user_id) values ('{id}', '{user}')")
            }
            Self::HandOver => {
                format!("update generations set user_id = '{user}' where id = '{id}'")
            }
            Self::Join => {
                format!("insert into team_members values ('{id}', '{user}', 'viewer', null)")
            }
            Self::Move => format!("update projects set team_id = '{YOURS}' where id = '{id}'"),
        }
    }
}

/// The generation of a number, and what belongs to it.
fn id(number: usize) -> String {
    format!("6e000000-0000-4000-8000-{number:012x}")
}

/// Each client is a user: what one reads of a shared subject would set the others' rows apart.
fn user(client: usize) -> String {
    format!("a11ce000-0000-4000-8000-{client:012x}")
}

/// Everything that is there before the grants: all of it another's.
fn seed(database: &Database) {
    let id = "('6e000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
    let of = |kinds: &str| {
        let last = TRIES - 1;
        format!("from generate_series(0, {last}) n where n / 2 % 4 in ({kinds})")
    };
    let (joined, in_project, not_new) = (of("2"), of("2, 3"), of("1, 2, 3"));
    database.run(
        SUPERUSER,
        &format!(
            "insert into users values ('{YOURS}', 'you@example');
             insert into users
                 select ('a11ce000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n || '@example'
                 from generate_series(0, {CLIENTS} - 1) n;
             insert into teams values ('{YOURS}', 'theirs');
             insert into team_members
                 select '{YOURS}', id, 'viewer', null from users where id <> '{YOURS}';
             insert into teams select {id}, 'a team' {joined};
             insert into projects (id, user_id, team_id)
                 select {id}, '{YOURS}', case n / 2 % 4 when 2 then {id} end {in_project};
             insert into generations (id, user_id, project_id)
                 select {id}, '{YOURS}', case when n / 2 % 4 > 1 then {id} end {not_new}"
        ),
    );
}

/// An application that makes the grant that the path names, and then answers.
fn application(database: &Database) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url: Arc<str> = database.url(SUPERUSER).into();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let url = Arc::clone(&url);
            thread::spawn(move || serve(stream, &url));
        }
    });
    address
}

fn serve(stream: TcpStream, url: &str) {
    let mut session = None;
    let mut stream = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            lines.push(line);
        }
        let path = lines[0].split(' ').nth(1).unwrap();
        if let Some(grant) = path.strip_prefix("/public/") {
            let (number, user) = grant.split_once('/').unwrap();
            let number = number.parse().unwrap();
            let session = session.get_or_insert_with(|| Session::open(url));
            session.run(&Grant::of(number).sql(number, user));
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        if stream.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}

fn status(wire: &mut Wire, request: &str) -> u16 {
    wire.send(request);
    wire.reply().expect("an answer").status
}

/// Every second right was asked for before it was there, so that the other instance knows better.
#[test]
fn what_was_granted_through_one_instance_is_never_refused_by_the_other() {
    let database = Database::example();
    seed(&database);
    let config = database.config(application(&database), "", "");
    let one = folder(&config);
    migrate(one.path(), &[]);
    let (one, two) = (Sidegate::run_in(one), Sidegate::run_in(folder(&config)));
    for sidegate in [&one, &two] {
        eventually("an open cache", || {
            (metric(sidegate, "sidegate_cache_open") == Some(1)).then_some(())
        });
    }
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (one, two, next) = (one.proxy, two.proxy, &next);
            scope.spawn(move || {
                let user = user(client);
                let authorization = format!("Bearer {}", token(&user));
                let headers = [("Authorization", authorization.as_str())];
                let (mut at_one, mut at_two) = (Wire::connect(one), Wire::connect(two));
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= TRIES {
                        return;
                    }
                    let wanted = request("GET", &format!("/g/{}", id(number)), &headers);
                    if number % 2 == 1 {
                        assert_eq!(
                            status(&mut at_two, &wanted),
                            403,
                            "{number}: not theirs yet"
                        );
                    }
                    let grant = request("GET", &format!("/public/{number}/{user}"), &[]);
                    assert_eq!(status(&mut at_one, &grant), 200);
                    let case = Grant::of(number);
                    assert_eq!(status(&mut at_two, &wanted), 200, "{number}: {case:?}");
                }
            });
        }
    });
    let kept = metric(&two, "sidegate_answers_total{tier=\"l1\"}").unwrap();
    println!(
        "{TRIES} grants in {:?}; {kept} questions met rows in memory",
        begin.elapsed()
    );
    assert!(kept > 100, "there was something to be wrong about: {kept}");
}
