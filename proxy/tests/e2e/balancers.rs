//! The shipped nginx and HAProxy configurations, really run: client, load balancer, Sidegate,
//! application.
//!
//! Promise: each file runs as it is, but for the ports that it documents. The client connects from
//! 127.0.0.2 and the load balancer from 127.0.0.1, so that the application can tell them apart.

mod run;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::process::{ALICE, MINE, PATIENCE, Sidegate, YOURS, config, relaxed, token};
use crate::recorder::{Received, Recorder};
use run::{Balancer, Program};

/// Where the client connects from.
const CLIENT: &str = "127.0.0.2";
/// What a client that lies says, and nobody else.
const LIE: &str = "203.0.113.66";
/// A load balancer, Sidegate behind it and the application behind that. Dropped in this order.
struct World {
    balancer: Balancer,
    _sidegate: Sidegate,
    application: Recorder,
}

impl World {
    fn start(program: Program) -> Self {
        let (application, sidegate) = behind();
        Self {
            balancer: Balancer::start(program, &sidegate),
            _sidegate: sidegate,
            application,
        }
    }

    /// The answer to a client of the load balancer.
    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
        ask(self.balancer.address, method, target, headers, body)
    }
}

/// What is behind a load balancer.
fn behind() -> (Recorder, Sidegate) {
    let application = Recorder::start();
    let trusted = "trusted_proxies: [127.0.0.1/32]";
    // What a balancer passes on of its client's odd names would be refused otherwise.
    let config = relaxed(&config(application.address, trusted), "header_names");
    (application, Sidegate::run(&config))
}

/// Sends one request from the client's address, and reads until the other side closes.
fn ask(to: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut stream = connect(to);
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// A connection from the client's address, which the standard library cannot choose.
fn connect(to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{CLIENT}:0").parse().unwrap()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn assert_tells_the_truth(world: &World, received: &Received) {
    for (name, value) in [
        ("host", "app.test"),
        ("x-forwarded-for", "127.0.0.2, 127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "app.test"),
        (
            "x-forwarded-port",
            &world.balancer.address.port().to_string(),
        ),
        ("x-real-ip", CLIENT),
    ] {
        assert_eq!(received.values(name), [value], "{name}: {received:#?}");
    }
}

/// What a client may claim about itself, in the spellings that some server takes for them.
fn lies() -> Vec<(&'static str, String)> {
    let mut lies: Vec<_> = [
        "X-Forwarded-For",
        "x-forwarded-for",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X-Forwarded-Host",
        "X-Forwarded-Server",
        "X-Forwarded-User",
        "X-Forwarded-Prefix",
        "X-Forwarded-Port",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Uri",
        "X-Real-IP",
        "X_Real_IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "True-Client-IP",
        "X-Original-Forwarded-For",
        "X-Original-Host",
        "X-Original-URL",
        "X-Envoy-External-Address",
        "X-Sidegate-Subject",
        "x_sidegate_subject",
    ]
    .map(|name| (name, LIE.to_owned()))
    .into();
    lies.push(("Forwarded", format!("for={LIE};host={LIE};proto=https")));
    lies.push(("X-Forwarded-Proto", "https".to_owned()));
    lies.push(("X-Forwarded-Scheme", "https".to_owned()));
    lies.push(("X-Forwarded-Ssl", "https".to_owned()));
    lies
}

fn the_application_sees_the_client(program: Program) {
    let world = World::start(program);
    let answer = world.ask("GET", "/public/a?b=c", &[], "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let received = world.application.only();
    assert_eq!(received.request_line(), "GET /public/a?b=c HTTP/1.1");
    assert_tells_the_truth(&world, &received);
}

fn a_lying_client_is_not_believed(program: Program) {
    let world = World::start(program);
    let lies = lies();
    let lies: Vec<_> = lies
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    // One at a time, so that none hides behind another, and all at once.
    for lies in lies.chunks(1).chain([lies.as_slice()]) {
        let answer = world.ask("GET", "/public/a", lies, "");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{lies:?}: {answer}");
        let received = world.application.only();
        assert_tells_the_truth(&world, &received);
        let repeated = |line: &&String| line.contains(LIE) || line.contains("https");
        let repeated: Vec<_> = received.lines.iter().filter(repeated).collect();
        assert!(repeated.is_empty(), "{lies:?}: {repeated:?}");
    }
}

fn what_is_decided_is_what_the_client_asked(program: Program) {
    let world = World::start(program);
    let bearer = format!("Bearer {}", token(ALICE));
    let credential = [("Authorization", bearer.as_str())];

    let answer = world.ask("GET", &format!("/g/{MINE}"), &credential, "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let received = world.application.only();
    assert_eq!(received.values("x-sidegate-subject"), [ALICE]);
    assert_eq!(
        received.values("x-sidegate-authorized"),
        [format!("read generation:{MINE}")]
    );

    for (target, headers, status) in [
        (&*format!("/g/{YOURS}"), &credential[..], "403"),
        (&*format!("/g/{MINE}"), &[], "401"),
        // Two spellings of one path: a load balancer that repairs it would hide what was asked.
        ("/public//a", &[], "400"),
        ("/public/%2e%2e/me", &credential[..], "400"),
        ("/public/a%2fb", &[], "400"),
    ] {
        let answer = world.ask("GET", target, headers, "");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{target}: {answer}"
        );
        assert!(answer.contains("\"decision_id\""), "{target}: {answer}");
        assert!(world.application.received().is_empty(), "{target}");
    }
}

fn a_body_arrives_whole(program: Program) {
    let world = World::start(program);
    let body = "b".repeat(10_000);
    let length = body.len().to_string();
    // The client sends the body without waiting, as RFC 9110 section 10.1.1 allows.
    for headers in [
        &[("Content-Length", length.as_str())][..],
        &[
            ("Content-Length", length.as_str()),
            ("Expect", "100-continue"),
        ],
    ] {
        let answer = world.ask("POST", "/public/a", headers, &body);
        assert!(answer.contains("HTTP/1.1 200 "), "{headers:?}: {answer}");
        let received = world.application.only();
        assert!(
            received
                .body
                .windows(body.len())
                .any(|part| part == body.as_bytes())
        );
        assert_eq!(received.values("expect"), [""; 0], "{received:#?}");
        assert_tells_the_truth(&world, &received);
    }
}

/// Whoever gets around the load balancer is a client like any other.
#[test]
fn nobody_else_is_believed() {
    let (application, sidegate) = behind();
    let lies = [
        ("X-Forwarded-For", LIE),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=203.0.113.66"),
        ("X-Real-IP", LIE),
    ];
    let answer = ask(sidegate.proxy, "GET", "/public/a", &lies, "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let received = application.only();
    assert_eq!(received.values("x-forwarded-for"), [CLIENT]);
    assert_eq!(received.values("x-forwarded-proto"), ["http"]);
    for name in ["forwarded", "x-real-ip"] {
        assert_eq!(received.values(name), [""; 0], "{name}");
    }
}

/// As the guides promise: no second spelling, and nothing left to wait for.
#[test]
fn odd_names_and_expect_do_not_arrive() {
    let (application, sidegate) = behind();
    let headers = [
        ("X-Plain", "1"),
        ("X_Odd", "2"),
        ("X.Odd", "3"),
        ("X~Odd", "4"),
        ("Expect", "100-continue"),
    ];
    let answer = ask(sidegate.proxy, "GET", "/public/a", &headers, "");
    assert!(answer.contains("HTTP/1.1 200 "), "{answer}");
    let received = application.only();
    assert_eq!(received.values("x-plain"), ["1"]);
    for (name, _) in &headers[1..] {
        assert_eq!(received.values(name), [""; 0], "{name}");
    }
}

mod nginx {
    use super::run::Program::Nginx;

    #[test]
    fn the_application_sees_the_client() {
        super::the_application_sees_the_client(Nginx);
    }

    #[test]
    fn a_lying_client_is_not_believed() {
        super::a_lying_client_is_not_believed(Nginx);
    }

    #[test]
    fn what_is_decided_is_what_the_client_asked() {
        super::what_is_decided_is_what_the_client_asked(Nginx);
    }

    #[test]
    fn a_body_arrives_whole() {
        super::a_body_arrives_whole(Nginx);
    }
}

mod haproxy {
    use super::run::Program::HaProxy;

    #[test]
    fn the_application_sees_the_client() {
        super::the_application_sees_the_client(HaProxy);
    }

    #[test]
    fn a_lying_client_is_not_believed() {
        super::a_lying_client_is_not_believed(HaProxy);
    }

    #[test]
    fn what_is_decided_is_what_the_client_asked() {
        super::what_is_decided_is_what_the_client_asked(HaProxy);
    }

    #[test]
    fn a_body_arrives_whole() {
        super::a_body_arrives_whole(HaProxy);
    }
}
