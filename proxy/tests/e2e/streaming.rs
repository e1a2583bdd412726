//! What a user expects of a proxy: bodies pass through as they come, in both directions.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};

use crate::process::{ALICE, PATIENCE, Sidegate, token};
use crate::wire::{Wire, ask, request};

/// An application that a test drives by hand: it hands over each connection after its head.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    arrivals: Receiver<(String, BufReader<TcpStream>)>,
}

impl Stage {
    pub(crate) fn start() -> Self {
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

    pub(crate) fn next(&self) -> (String, BufReader<TcpStream>) {
        self.arrivals
            .recv_timeout(PATIENCE)
            .expect("a request arrives")
    }
}

pub(crate) fn arrive(stream: TcpStream, sender: &Sender<(String, BufReader<TcpStream>)>) {
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

pub(crate) const HANDSHAKE: [(&str, &str); 4] = [
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
