//! What a user expects of a proxy: bodies pass through as they come, in both directions.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};

use crate::process::{ALICE, PATIENCE, Sidegate, config, eventually, token};
use crate::wire::{Wire, ask, request};

/// An application that a test drives by hand: it hands over each connection after its head.
struct Stage {
    address: SocketAddr,
    arrivals: Receiver<(String, BufReader<TcpStream>)>,
}

impl Stage {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, arrivals) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || arrive(stream, &sender));
            }
        });
        Self { address, arrivals }
    }

    fn next(&self) -> (String, BufReader<TcpStream>) {
        self.arrivals
            .recv_timeout(PATIENCE)
            .expect("a request arrives")
    }
}

fn arrive(stream: TcpStream, sender: &Sender<(String, BufReader<TcpStream>)>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let _ = sender.send((head, stream));
}

fn setup(routes: &str) -> (Stage, Sidegate) {
    let stage = Stage::start();
    let sidegate = Sidegate::start(stage.address, routes);
    (stage, sidegate)
}

#[test]
fn events_arrive_one_by_one() {
    let (stage, sidegate) = setup("");
    let mut client = Wire::connect(sidegate.proxy);
    client.send(request("GET", "/public/events", &[]));
    let (_, mut app) = stage.next();
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    app.get_mut().write_all(head.as_bytes()).unwrap();
    assert_eq!(client.line().unwrap(), "HTTP/1.1 200 OK");
    while !client.line().unwrap().is_empty() {}
    for number in 0..3 {
        // Each event is there before the next one is written.
        let event = format!("data: {number}\n\n");
        write!(app.get_mut(), "{:x}\r\n{event}\r\n", event.len()).unwrap();
        assert_eq!(client.chunk(), event.as_bytes());
    }
}

#[test]
fn a_request_body_arrives_as_it_is_sent() {
    let (stage, sidegate) = setup("");
    let mut client = Wire::connect(sidegate.proxy);
    client.send(request(
        "POST",
        "/public/up",
        &[("Transfer-Encoding", "chunked")],
    ));
    client.send("3\r\nabc\r\n");
    let (head, mut app) = stage.next();
    assert!(
        head.to_ascii_lowercase()
            .contains("transfer-encoding: chunked\r\n"),
        "{head}"
    );
    let mut first = [0; 8];
    app.read_exact(&mut first).unwrap();
    assert_eq!(
        &first, b"3\r\nabc\r\n",
        "before the client has sent the rest"
    );
    client.send("0\r\n\r\n");
    app.get_mut()
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .unwrap();
    assert_eq!(client.reply().unwrap().status, 204);
}

#[test]
fn who_expects_a_100_gets_it_after_the_decision_only() {
    let (stage, sidegate) = setup("");
    let mut client = Wire::connect(sidegate.proxy);
    let headers = [("Expect", "100-continue"), ("Content-Length", "4")];
    client.send(request("POST", "/public/up", &headers));
    assert_eq!(client.line().unwrap(), "HTTP/1.1 100 Continue");
    assert_eq!(client.line().unwrap(), "");
    client.send("body");
    let (head, mut app) = stage.next();
    assert!(!head.to_ascii_lowercase().contains("expect"), "{head}");
    let mut body = [0; 4];
    app.read_exact(&mut body).unwrap();
    app.get_mut()
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_eq!((&body, client.reply().unwrap().status), (b"body", 200));

    // A client of HTTP/1.0 would take the 100 for its answer.
    let mut old = Wire::connect(sidegate.proxy);
    old.send(request("POST", "/public/up", &headers).replace("HTTP/1.1", "HTTP/1.0") + "body");
    let (_, mut app) = stage.next();
    app.get_mut()
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    assert_eq!(old.reply().unwrap().status, 200);

    let mut refused = Wire::connect(sidegate.proxy);
    refused.send(request("POST", "/me", &headers));
    assert_eq!(refused.reply().unwrap().status, 401);
    assert_eq!(
        ask(
            sidegate.proxy,
            request("POST", "/public/up", &[("Expect", "tea")])
        )
        .status,
        400
    );
}

#[test]
fn a_client_that_leaves_is_seen_by_the_application() {
    let (stage, sidegate) = setup("");
    let mut client = Wire::connect(sidegate.proxy);
    client.send(request("GET", "/public/slow", &[]));
    let (_, mut app) = stage.next();
    app.get_mut()
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        .unwrap();
    assert_eq!(client.line().unwrap(), "HTTP/1.1 200 OK");
    drop(client);
    // The connection ends: with an end of file or a reset.
    let mut rest = Vec::new();
    let ended = app.read_to_end(&mut rest);
    assert!(rest.is_empty() && ended.is_ok_and(|read| read == 0) || rest.is_empty());
}

#[test]
fn head_has_no_body_and_not_modified_neither() {
    let (stage, sidegate) = setup("");
    let mut client = Wire::connect(sidegate.proxy);
    client.send(request("HEAD", "/public/x", &[]));
    let (_, mut app) = stage.next();
    app.get_mut()
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n")
        .unwrap();
    let reply = client.reply_to("HEAD").unwrap();
    assert_eq!(
        (reply.status, reply.header("content-length")),
        (200, Some("9"))
    );
    client.send(request("GET", "/public/x", &[("If-None-Match", "\"e\"")]));
    let (head, mut app) = stage.next();
    assert!(head.contains("\"e\""));
    app.get_mut()
        .write_all(b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n")
        .unwrap();
    let reply = client.reply().unwrap();
    assert_eq!((reply.status, reply.header("etag")), (304, Some("\"e\"")));
}

const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[test]
fn a_websocket_passes_where_its_route_allows_it() {
    let (stage, sidegate) =
        setup("  - { methods: [GET], path: /ws, access: authenticated, websocket: true }");
    let authorization = format!("Bearer {}", token(ALICE));
    let mut headers = HANDSHAKE.to_vec();
    assert_eq!(
        ask(sidegate.proxy, request("GET", "/ws", &headers)).status,
        401
    );
    headers.push(("Authorization", &authorization));
    let mut client = Wire::connect(sidegate.proxy);
    client.send(request("GET", "/ws", &headers));
    let (head, mut app) = stage.next();
    assert!(
        head.to_ascii_lowercase().contains("upgrade: websocket\r\n"),
        "{head}"
    );
    assert!(head.contains(ALICE), "{head}");
    let accept =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    app.get_mut().write_all(accept.as_bytes()).unwrap();
    assert_eq!(client.line().unwrap(), "HTTP/1.1 101 Switching Protocols");
    while !client.line().unwrap().is_empty() {}
    for text in ["ping", "pong"] {
        client.send(text);
        let mut got = [0; 4];
        app.read_exact(&mut got).unwrap();
        app.get_mut().write_all(&got).unwrap();
        assert_eq!(client.bytes(4), text.as_bytes());
    }
}

#[test]
fn half_a_handshake_is_no_websocket() {
    let (stage, sidegate) =
        setup("  - { methods: [GET], path: /ws, access: public, websocket: true }");
    let asks = |headers: &[(&str, &str)], path: &str| {
        let mut client = Wire::connect(sidegate.proxy);
        client.send(request("GET", path, headers));
        let (head, mut app) = stage.next();
        app.get_mut()
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        assert_eq!(client.reply().unwrap().status, 200);
        head.to_ascii_lowercase().contains("\r\nupgrade:")
    };
    assert!(asks(&HANDSHAKE, "/ws"));
    assert!(!asks(&HANDSHAKE, "/public/x"), "not on this route");
    for missing in HANDSHAKE {
        let headers: Vec<_> = HANDSHAKE
            .into_iter()
            .filter(|header| *header != missing)
            .collect();
        assert!(!asks(&headers, "/ws"), "without {missing:?}");
    }
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_a_fault_of_the_application() {
    let (stage, sidegate) =
        setup("  - { methods: [GET], path: /ws, access: public, websocket: true }");
    for path in ["/ws", "/public/x"] {
        let mut client = Wire::connect(sidegate.proxy);
        client.send(request("GET", path, &[]));
        let (_, mut app) = stage.next();
        let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nHELLO";
        app.get_mut().write_all(switch.as_bytes()).unwrap();
        assert_eq!(client.reply().unwrap().status, 502, "{path}");
    }
}

#[test]
fn what_changes_something_is_not_sent_twice() {
    // Answers once, then reads the next request on the same connection and closes without a word.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let seen = seen.clone();
            std::thread::spawn(move || {
                let (sender, arrivals) = mpsc::channel();
                arrive(stream, &sender);
                let Ok((head, mut app)) = arrivals.try_recv() else {
                    return;
                };
                seen.send(head).unwrap();
                app.get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
                let stream = app.into_inner();
                arrive(stream, &sender);
                if let Ok((head, _)) = arrivals.try_recv() {
                    seen.send(head).unwrap();
                }
            });
        }
    });
    let sidegate = Sidegate::start(
        address,
        "  - { methods: [DELETE], path: /a, access: public }",
    );
    let mut client = Wire::connect(sidegate.proxy);
    let mut asks = |method: &str| {
        client.send(request(method, "/a", &[]));
        client.reply().map(|reply| reply.status)
    };
    assert_eq!((asks("GET"), asks("DELETE")), (Some(200), Some(502)));
    let heads: Vec<_> = requests
        .try_iter()
        .filter(|head| head.starts_with("DELETE"))
        .collect();
    assert_eq!(heads.len(), 1, "{heads:?}");
}

#[test]
fn a_check_that_drips_holds_up_no_other() {
    // Answers a check with a body that never ends.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dripping = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let mut alive = stream.write_all(head).is_ok();
                while alive {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    alive = stream.write_all(b"1\r\nx\r\n").is_ok();
                }
            });
        }
    });
    let closing = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = closing.local_addr().unwrap();
    drop(closing);
    let urls = format!("urls: [\"http://{dripping}\", \"http://{closed}\"]");
    let check =
        "health_check: { path: /health, interval: 100ms, timeout: 200ms, unhealthy_after: 2 }";
    let sidegate = Sidegate::run(&with_upstream(&format!("{urls}, {check}")));
    for ill in [dripping, closed] {
        let note = format!("{ill} is ill");
        eventually(&note, || {
            sidegate.admin("/readyz")["notes"]
                .to_string()
                .contains(&note)
                .then_some(())
        });
    }
}

/// An application of one kind: answers everything with its name.
fn named(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let (sender, _keep) = mpsc::channel();
                let mut stream = stream;
                let reader = stream.try_clone().unwrap();
                arrive(reader, &sender);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}",
                    name.len()
                );
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    address
}

fn with_upstream(upstream: &str) -> String {
    let plain = config("127.0.0.1:1".parse().unwrap(), "");
    let line = plain
        .lines()
        .find(|line| line.starts_with("upstream:"))
        .unwrap();
    plain.replace(
        line,
        &format!("upstream: {{ connect_timeout: 500ms, {upstream} }}"),
    )
}

#[test]
fn instances_take_turns_and_a_dead_one_costs_nobody_a_request() {
    let (one, two) = (named("one"), named("two"));
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let urls = format!("urls: [\"http://{one}\", \"http://{closed}\", \"http://{two}\"]");
    let check = "health_check: { interval: 100ms, timeout: 100ms, unhealthy_after: 1 }";
    let sidegate = Sidegate::run(&with_upstream(&format!("{urls}, {check}")));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let reply = ask(sidegate.proxy, request("GET", "/a", &[]));
        assert_eq!(reply.status, 200, "a dead instance is passed over");
        seen.insert(String::from_utf8(reply.body).unwrap());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["one", "two"]);
    let ill = format!("{closed} is ill");
    eventually("the dead one is named", || {
        sidegate.admin("/readyz")["notes"]
            .to_string()
            .contains(&ill)
            .then_some(())
    });
}

#[test]
fn a_connection_that_the_application_closed_costs_no_request() {
    // It says keep-alive, and closes each connection after one answer all the same.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (sender, arrivals) = mpsc::channel();
            arrive(stream, &sender);
            if let Ok((_, mut app)) = arrivals.try_recv() {
                let _ = app
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    let sidegate = Sidegate::start(address, "");
    let mut client = Wire::connect(sidegate.proxy);
    for round in 0..200 {
        client.send(request("GET", "/a", &[]));
        assert_eq!(
            client.reply().map(|reply| reply.status),
            Some(200),
            "round {round}"
        );
    }
}

#[test]
fn blue_and_green_are_switched_by_an_edit() {
    let (blue, green) = (named("blue"), named("green"));
    let groups = format!("groups: {{ blue: [\"http://{blue}\"], green: [\"http://{green}\"] }}");
    let text = |active: &str| with_upstream(&format!("{groups}, active: {active}"));
    let sidegate = Sidegate::run(&text("blue"));
    let serves = || String::from_utf8(ask(sidegate.proxy, request("GET", "/a", &[])).body).unwrap();
    assert_eq!(serves(), "blue");
    sidegate.edit(&text("green"));
    eventually("green serves", || (serves() == "green").then_some(()));
}
