//! A storage that signs URLs: a permitted client is sent there, and nobody else; without it the application
//! answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};

use crate::caching::{metric, started};
use crate::database::{Database, SUPERUSER};
use crate::links::{BOB, TEAM, let_bob_view, link};
use crate::process::{ALICE, MINE, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{Reply, ask, request};

const TOKEN: &str = "storage-token-5d41402abc4b2a76";

/// What the storage says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Signs,
    /// With a URL on another host.
    Elsewhere,
    /// With a status and no URL.
    Says(&'static str),
    /// Closes the connection.
    Away,
    /// Takes the question and waits for another mood.
    Silent,
}

/// A signer as Supabase Storage's, and every question that it was asked.
struct Storage {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    mood: Mood,
    questions: Vec<String>,
}

impl Storage {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            mood: Mood::Signs,
            questions: Vec::new(),
        };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { address, state }
    }

    fn mood(&self, mood: Mood) {
        self.state.0.lock().mood = mood;
        self.state.1.notify_all();
    }

    fn asked(&self) -> usize {
        self.state.0.lock().questions.len()
    }
}

/// Reads one question and answers it.
fn answer(stream: TcpStream, (state, changed): &(Mutex<State>, Condvar)) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).ok()?;
        (read > 0).then_some(())?;
    }
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1)?.lines().next()?;
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    let object = head.split(' ').nth(1)?.strip_prefix("/v1")?.to_owned();
    let mut state = state.lock();
    let question = format!("{head}{}", String::from_utf8(body).unwrap());
    state.questions.push(question);
    let number = state.questions.len();
    while state.mood == Mood::Silent {
        changed.wait(&mut state);
    }
    let (status, url) = match state.mood {
        Mood::Signs => ("200 OK", format!("{object}?token=t{number}")),
        Mood::Elsewhere => ("200 OK", "https://evil.example/a.png".to_owned()),
        Mood::Says(status) => (status, String::new()),
        Mood::Away | Mood::Silent => return None,
    };
    drop(state);
    let body = format!("{{\"signedURL\":\"{url}\"}}");
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(text.as_bytes()).ok()
}

/// Routes with media, and a storage that is left alone after two failures, for ten minutes.
fn config(storage: &Storage, more: &str) -> String {
    format!(
        r#"  - {{ id: media, methods: [GET], path: "/m/{{id}}", links: true, media: {{ object: "generations/{{id}}/o.png" }}, action: read, resource: {{ kind: generation, id: {{ path: id }} }} }}
links:
  key: 9f8e7d6c5b4a39281706f5e4d3c2b1a0
  storage: {{ url: "http://{}/v1", bucket: b, token: {TOKEN}, timeout: 10s, breaker: {{ failures: 2, open: 10m, successes: 1 }}{more} }}
"#,
        storage.address
    )
}

fn get(sidegate: &Sidegate, subject: &str, path: &str) -> Reply {
    get_from(sidegate.proxy, subject, path)
}

fn get_from(proxy: SocketAddr, subject: &str, path: &str) -> Reply {
    let bearer = format!("Bearer {}", token(subject));
    let asked = request("GET", path, &[("Authorization", &bearer)]);
    ask(proxy, asked)
}

#[test]
fn a_permitted_client_is_sent_to_the_storage_and_nobody_else() {
    let database = Database::example();
    let (recorder, storage) = (Recorder::start(), Storage::start());
    let sidegate = started(&database, &recorder, &config(&storage, ""));
    let_bob_view(&database);
    let mine = format!("/m/{MINE}");
    // A stranger's question costs the storage nothing, and gets no URL that is there.
    assert_eq!(get(&sidegate, YOURS, &mine).status, 403);
    assert_eq!(ask(sidegate.proxy, request("GET", &mine, &[])).status, 401);
    assert_eq!(storage.asked(), 0);

    let first = get(&sidegate, ALICE, &mine);
    let object = format!("/v1/object/sign/b/generations/{MINE}/o.png");
    let location = format!("http://{}{object}?token=t1", storage.address);
    assert_eq!(
        (first.status, first.header("location")),
        (302, Some(&*location))
    );
    assert_eq!(first.header("cache-control"), Some("private, no-store"));
    assert!(first.header("x-sidegate-decision-id").is_some() && first.body.is_empty());
    let question = storage.state.0.lock().questions[0].clone();
    assert!(
        question.starts_with(&format!("POST {object} HTTP/1.1\r\n")),
        "{question}"
    );
    assert!(
        question.contains(&format!("authorization: Bearer {TOKEN}\r\n")),
        "{question}"
    );
    assert!(
        question.ends_with("\r\n\r\n{\"expiresIn\":180}"),
        "{question}"
    );
    assert!(
        recorder.received().is_empty(),
        "the application is not asked"
    );
}

#[test]
fn what_the_storage_has_signed_is_for_whoever_may_read_it_now() {
    let database = Database::example();
    let (recorder, storage) = (Recorder::start(), Storage::start());
    let sidegate = started(&database, &recorder, &config(&storage, ""));
    let_bob_view(&database);
    let mine = format!("/m/{MINE}");
    let first = get(&sidegate, ALICE, &mine);
    let location = first.header("location").unwrap().to_owned();

    // Whoever else may read it, by a link too: one question serves all of them.
    let link = link(&sidegate, BOB, &mine);
    let by_link = ask(sidegate.proxy, request("GET", &link, &[]));
    for reply in [
        by_link,
        get(&sidegate, BOB, &mine),
        get(&sidegate, ALICE, &mine),
    ] {
        assert_eq!(
            (reply.status, reply.header("location")),
            (302, Some(&*location))
        );
    }
    assert_eq!(storage.asked(), 1);
    assert_eq!(metric(&sidegate, "sidegate_media_hits_total"), Some(3));
    assert_eq!(get(&sidegate, YOURS, &mine).status, 403);

    // The right is gone, the URL is still in memory: no way leads to it.
    database.run(
        SUPERUSER,
        &format!("delete from team_members where team_id = '{TEAM}'"),
    );
    for by_link in [false, true] {
        let asked = || match by_link {
            false => get(&sidegate, BOB, &mine),
            true => ask(sidegate.proxy, request("GET", &link, &[])),
        };
        eventually("a refusal", || (asked().status == 403).then_some(()));
        let refused = asked();
        assert_eq!((refused.status, refused.header("location")), (403, None));
    }
    assert_eq!(
        get(&sidegate, ALICE, &mine).header("location"),
        Some(&*location)
    );
    assert_eq!(storage.asked(), 1, "it was in memory all the time");
    assert!(
        recorder.received().is_empty(),
        "the application is not asked"
    );
}

#[test]
fn a_storage_that_fails_is_skipped_and_then_left_alone() {
    let database = Database::example();
    let (recorder, storage) = (Recorder::start(), Storage::start());
    let sidegate = started(&database, &recorder, &config(&storage, ""));
    let (mine, yours) = (format!("/m/{MINE}"), format!("/m/{YOURS}"));
    assert_eq!(get(&sidegate, ALICE, &mine).status, 302);
    // An object that is not there yet is no failure of the storage's.
    for mood in [Mood::Says("404 Not Found"), Mood::Says("400 Bad Request")] {
        storage.mood(mood);
        for _ in 0..3 {
            assert_eq!(get(&sidegate, YOURS, &yours).status, 200, "{mood:?}");
            assert_eq!(recorder.only().values("x-sidegate-subject"), [YOURS]);
        }
    }
    assert_eq!(storage.asked(), 7);
    let breaker = || {
        metric(
            &sidegate,
            "sidegate_breaker_state{breaker=\"storage\",issuer=\"\"}",
        )
    };
    assert_eq!(breaker(), Some(0));
    for mood in [Mood::Away, Mood::Elsewhere] {
        storage.mood(mood);
        let reply = get(&sidegate, YOURS, &yours);
        assert_eq!(
            (reply.status, reply.header("location")),
            (200, None),
            "{mood:?}"
        );
    }
    assert_eq!(breaker(), Some(2));
    sidegate.logged("the storage fails");
    // Left alone, it is not asked, however well it is; what it has signed still serves.
    storage.mood(Mood::Signs);
    let asked = storage.asked();
    assert_eq!(get(&sidegate, YOURS, &yours).status, 200);
    assert_eq!(get(&sidegate, ALICE, &mine).status, 302);
    assert_eq!(storage.asked(), asked);
    let count = |result: &str| {
        let name = format!("sidegate_storage_questions_total{{result=\"{result}\"}}");
        metric(&sidegate, &name).unwrap()
    };
    let counts = [
        "signed",
        "missing",
        "unavailable",
        "malformed",
        "left_alone",
    ]
    .map(count);
    assert_eq!(counts, [1, 6, 1, 1, 1]);
}

#[test]
fn a_storage_that_is_silent_costs_its_time_out_and_no_more() {
    let database = Database::example();
    let (recorder, storage) = (Recorder::start(), Storage::start());
    let more = config(&storage, "").replace("timeout: 10s", "timeout: 50ms");
    let sidegate = started(&database, &recorder, &more);
    storage.mood(Mood::Silent);
    assert_eq!(get(&sidegate, ALICE, &format!("/m/{MINE}")).status, 200);
    let timed_out = "sidegate_storage_questions_total{result=\"timed_out\"}";
    assert_eq!(metric(&sidegate, timed_out), Some(1));
}

#[test]
fn a_right_that_may_be_gone_already_gets_no_url_that_outlives_it() {
    let database = Database::example();
    let (recorder, storage) = (Recorder::start(), Storage::start());
    let stale = config(&storage, "").replace("links: true,", "stale_if_error: 30s,");
    let sidegate = started(&database, &recorder, &stale);
    let mine = format!("/m/{MINE}");
    eventually("an open cache", || {
        (metric(&sidegate, "sidegate_cache_open") == Some(1)).then_some(())
    });
    assert_eq!(get(&sidegate, ALICE, &mine).status, 302);
    database.session(SUPERUSER).run("checkpoint");
    database.cluster.pause().unwrap();
    let reply = eventually("an answer on stale facts", || {
        let reply = get(&sidegate, ALICE, &mine);
        reply
            .header("x-sidegate-degraded")
            .is_some()
            .then_some(reply)
    });
    assert_eq!((reply.status, reply.header("location")), (200, None));
    database.cluster.resume().unwrap();
    eventually("the storage again", || {
        (get(&sidegate, ALICE, &mine).status == 302).then_some(())
    });
    assert_eq!(storage.asked(), 1);
}

#[test]
fn many_who_ask_for_one_object_ask_the_storage_once() {
    let database = Database::example();
    let (recorder, storage) = (Recorder::start(), Storage::start());
    let sidegate = started(&database, &recorder, &config(&storage, ""));
    storage.mood(Mood::Silent);
    let (mine, proxy) = (format!("/m/{MINE}"), sidegate.proxy);
    thread::scope(|scope| {
        let asking = [(); 8].map(|()| scope.spawn(|| get_from(proxy, ALICE, &mine)));
        eventually("a question", || (storage.asked() > 0).then_some(()));
        storage.mood(Mood::Signs);
        for asked in asking {
            assert_eq!(asked.join().unwrap().status, 302);
        }
    });
    assert_eq!(storage.asked(), 1);
}

#[test]
fn a_storage_that_is_well_again_is_asked_again() {
    let database = Database::example();
    let (recorder, storage) = (Recorder::start(), Storage::start());
    let soon = config(&storage, "").replace("open: 10m, successes: 1", "open: 100ms, successes: 2");
    let sidegate = started(&database, &recorder, &soon);
    let mine = format!("/m/{MINE}");
    storage.mood(Mood::Away);
    for _ in 0..2 {
        assert_eq!(get(&sidegate, ALICE, &mine).status, 200);
    }
    sidegate.logged("the storage fails");
    storage.mood(Mood::Signs);
    eventually("it is asked", || {
        (get(&sidegate, ALICE, &mine).status == 302).then_some(())
    });
    let yours = format!("/m/{YOURS}");
    eventually("and goes on to be", || {
        (get(&sidegate, YOURS, &yours).status == 302).then_some(())
    });
    sidegate.logged("the storage signs again");
}
