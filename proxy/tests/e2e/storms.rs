//! What many clients at once cost the database: refusals are fresh, and a lease that has ended makes
//! everybody wait, but neither is a question to the database for each of them.

#![expect(clippy::print_stdout, reason = "the figures of a test run")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::caching::{metric, metrics, status};
use crate::database::{Database, LOGIN, SUPERUSER, folder, migrate};
use crate::process::{ALICE, MINE, PATIENCE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, request};

const CLIENTS: usize = 16;
/// Generations of hers, and of somebody else.
const ROWS: u64 = 8;
/// One for each, and some by who comes before the first of them is kept.
const MOST_QUERIES: u64 = ROWS * 6;
/// Polls that somebody waits for are 5 ms apart.
const POLLS_A_SECOND: u64 = 200;

/// What the database was asked so far, and what it saved.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// Before and after the look.
    begin: Instant,
    end: Instant,
    polls: u64,
    /// Queries, as their askers count them and as the pools do.
    queries: u64,
    answered: u64,
}

/// In milliseconds.
pub(crate) fn lease_age(sidegate: &Sidegate) -> Option<u64> {
    let name = "sidegate_lease_age_seconds ";
    let text = metrics(sidegate);
    let age = text.lines().find_map(|line| line.strip_prefix(name))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds"
    )]
    let millis = (age.parse::<f64>().unwrap() * 1000.0) as u64;
    Some(millis)
}

impl Counts {
    fn of(sidegate: &Sidegate) -> Self {
        let begin = Instant::now();
        let of = |name: &str| metric(sidegate, name).unwrap_or_default();
        let pool = "sidegate_database_queries_total{pool=\"authorization\",result=\"answered\"}";
        Self {
            polls: of("sidegate_polls_begun_total"),
            queries: of("sidegate_flights_total{role=\"started\"}"),
            answered: of(pool),
            begin,
            end: Instant::now(),
        }
    }

    /// From `self` until then.
    fn until(self, end: Self) -> (Duration, u64, u64, u64) {
        let queries = end.queries - self.queries;
        let took = end.end - self.begin;
        (
            took,
            end.polls - self.polls,
            queries,
            end.answered - self.answered,
        )
    }
}

/// As many as there may be in this time, and the one at its begin.
fn most_polls(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap() * POLLS_A_SECOND / 1000 + 1
}

/// With polls that come when they are wanted, a query for each row and some. Where the machine does not let
/// them come in time, the database has to be asked: whoever has waited half a second for one asks once.
fn most_queries(took: Duration, polls: u64) -> u64 {
    let millis = u64::try_from(took.as_millis()).unwrap();
    if polls * 2000 >= millis * POLLS_A_SECOND {
        return MOST_QUERIES;
    }
    MOST_QUERIES + CLIENTS as u64 * millis / 500
}

/// Clients that ask again and again, each on a connection of its own, until they are dropped.
struct Clients {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Clients {
    /// Who ask for these paths as Alice, and are always answered with one of these.
    fn start(sidegate: &Sidegate, paths: &[String], expected: &'static [u16]) -> Self {
        let authorization = format!("Bearer {}", token(ALICE));
        let headers = [("Authorization", authorization.as_str())];
        let requests: Vec<_> = paths
            .iter()
            .map(|path| request("GET", path, &headers))
            .collect();
        let (stop, answers) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let client = |number: usize| {
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            let (requests, proxy) = (requests.clone(), sidegate.proxy);
            thread::spawn(move || {
                let mut wire = Wire::connect(proxy);
                for request in requests.iter().cycle().skip(number) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    wire.send(request);
                    let status = wire.reply().expect("an answer").status;
                    assert!(expected.contains(&status), "{status}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self {
            stop,
            answers,
            threads,
        }
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Waits for so many more answers.
    fn go_on_for(&self, answers: u64) {
        let (end, enough) = (Instant::now() + PATIENCE, self.answers() + answers);
        while self.answers() < enough {
            assert!(Instant::now() < end, "no answers");
            thread::yield_now();
        }
    }

    /// Ends them, and fails if one of them has.
    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // In a test that fails, they end before their Sidegate does.
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Passes everything on, until the database's words are held back: not lost, and nobody is told.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    held: Arc<(Mutex<bool>, Condvar)>,
}

impl Relay {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let held = Arc::<(Mutex<bool>, Condvar)>::default();
        let gate = Arc::clone(&held);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(server).unwrap();
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let gate = Arc::clone(&gate);
                thread::spawn(move || pass(forth, server, || {}));
                thread::spawn(move || {
                    pass(back, client, || {
                        let mut held = gate.0.lock();
                        gate.1.wait_while(&mut held, |held| *held);
                    });
                });
            }
        });
        Self { address, held }
    }

    pub(crate) fn hold(&self, hold: bool) {
        *self.held.0.lock() = hold;
        self.held.1.notify_all();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, wait: impl Fn()) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        wait();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    wait();
    let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
}

/// Questions about resources that hold a connection, or wait for one.
fn in_flight(sidegate: &Sidegate) -> u64 {
    let used = "sidegate_pool_connections{pool=\"authorization\",state=\"used\"}";
    let waiting = "sidegate_pool_waiting{pool=\"authorization\"}";
    [used, waiting]
        .iter()
        .filter_map(|name| metric(sidegate, name))
        .sum()
}

fn database() -> Database {
    let database = Database::example();
    let rows = format!(
        "insert into users values ('{ALICE}', 'alice@example'), ('{YOURS}', 'you@example');
         insert into generations (id, user_id) values ('{MINE}', '{ALICE}');
         insert into generations (id, user_id)
             select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '{YOURS}'
             from generate_series(1, {ROWS}) n;
         insert into generations (id, user_id)
             select ('11111111-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '{ALICE}'
             from generate_series(1, {ROWS}) n"
    );
    database.run(SUPERUSER, &rows);
    database
}

fn cached(folder: tempfile::TempDir) -> Sidegate {
    let sidegate = Sidegate::run_in(folder);
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    sidegate
}

fn scene() -> (Database, Recorder, Sidegate) {
    let database = database();
    let recorder = Recorder::start();
    let folder = folder(&database.config(recorder.address, "", ""));
    migrate(folder.path(), &[]);
    (database, recorder, cached(folder))
}

/// Of the generations whose ids begin so.
fn paths(ids: &str) -> Vec<String> {
    (1..=ROWS)
        .map(|number| format!("/g/{ids}-0000-4000-8000-{number:012}"))
        .collect()
}

#[test]
fn a_flood_of_refusals_is_two_hundred_polls_a_second_and_a_query_for_each_row() {
    let (_database, recorder, sidegate) = scene();
    let paths = paths("00000000");
    let before = Counts::of(&sidegate);
    let flood = Clients::start(&sidegate, &paths, &[403]);
    flood.go_on_for(3000);
    let after = Counts::of(&sidegate);
    let refusals = flood.answers();
    flood.end();
    let (took, polls, queries, answered) = before.until(after);
    println!("{refusals} refusals in {took:?}: {polls} polls, {queries} queries");
    assert!(polls <= most_polls(took), "{polls} polls in {took:?}");
    assert!(
        refusals > polls * 2,
        "{refusals} refusals wait for {polls} polls together"
    );
    let most = most_queries(took, polls);
    assert!(queries <= most, "{queries} queries for {ROWS} rows");
    assert!(answered <= queries, "each is one: {answered}");
    assert!(recorder.received().is_empty());
}

#[test]
fn several_hot_rows_of_one_subject_are_a_query_each() {
    let (_database, _recorder, sidegate) = scene();
    let paths = paths("11111111");
    let before = Counts::of(&sidegate);
    let crowd = Clients::start(&sidegate, &paths, &[200]);
    crowd.go_on_for(3000);
    let (took, polls, queries, _) = before.until(Counts::of(&sidegate));
    crowd.end();
    println!("{polls} polls and {queries} queries in {took:?}");
    assert!(queries <= MOST_QUERIES, "{queries} queries for {ROWS} rows");
}

#[test]
fn after_a_stall_the_database_is_asked_once_for_what_many_want() {
    let database = database();
    let recorder = Recorder::start();
    let config = database.config(recorder.address, "", "");
    let url = database.url(LOGIN);
    let place = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
    let relay = Relay::to(place.parse().unwrap());
    let through = folder(&config.replace(&url, &url.replace(place, &relay.address.to_string())));
    migrate(through.path(), &[]);
    let sidegate = cached(through);
    let mine = format!("/g/{MINE}");
    assert_eq!(status(&sidegate, &mine), 200);
    // What cannot be had in time is refused as such, and as nothing else.
    let hot = Clients::start(&sidegate, std::slice::from_ref(&mine), &[200, 503]);
    for stall in [1100, 2200] {
        let (at, answers) = (Instant::now(), hot.answers());
        hot.go_on_for(2000);
        let rate = (hot.answers() - answers) as f64 / at.elapsed().as_secs_f64();
        let before = Counts::of(&sidegate);
        relay.hold(true);
        let age = eventually("a lease that is over", || {
            lease_age(&sidegate).filter(|age| *age >= stall)
        });
        // The lease holds for a second; a query that began half a second ago is not waited for.
        let at_once = 1 + age.saturating_sub(1000) / 500;
        let asking = in_flight(&sidegate);
        assert!(asking <= at_once, "{asking} queries under way for one key");
        relay.hold(false);
        let over = Instant::now();
        eventually("an open cache", || {
            (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
        });
        let healed = over.elapsed();
        hot.go_on_for(2000);
        let (took, polls, queries, _) = before.until(Counts::of(&sidegate));
        println!(
            "{rate:.0} requests/s, stalled {age} ms, healed in {healed:?}: \
             {polls} polls and {queries} queries in {took:?}"
        );
        assert!(polls <= most_polls(took), "{polls} polls in {took:?}");
        // Until the feed has a connection again there is no lease, but a query after the other.
        let most = at_once + u64::try_from(healed.as_millis()).unwrap() / 3;
        assert!(queries <= most, "{queries} queries for one key");
    }
    hot.end();
    assert_eq!(status(&sidegate, &mine), 200);
}
