//! What an application could read differently: bodies that it does not expect, paths in another spelling,
//! answers that come in two parts.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::process::{BINARY, Sidegate, config, eventually, relaxed};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

#[test]
fn a_body_that_the_application_may_not_read_ends_its_connection() {
    let recorder = Recorder::start();
    let text = relaxed(&config(recorder.address, ""), "unexpected_body");
    let sidegate = Sidegate::run(&text);
    // Taken for a request, this would be one that nobody decided on.
    let hidden = request("GET", "/g/hidden", &[("X-Sidegate-Subject", "root")]);
    let length = hidden.len().to_string();
    let raw = request("GET", "/a", &[("Content-Length", &length)]) + &hidden;
    assert_eq!(ask(sidegate.proxy, raw).status, 200);
    let received = recorder.only();
    assert_eq!(received.values("connection"), ["close"]);
    assert_eq!(received.body, hidden.as_bytes());
    // An ordinary request leaves it open.
    assert_eq!(ask(sidegate.proxy, request("GET", "/a", &[])).status, 200);
    assert_eq!(recorder.only().values("connection"), [""; 0]);
}

#[test]
fn a_preflight_is_none_where_any_reading_of_its_path_has_a_rule() {
    let recorder = Recorder::start();
    let more = r#"
  - { methods: [GET, OPTIONS], path: /CaseX, access: public }
  - { methods: [OPTIONS], path: /casex, access: authenticated }
  - { methods: [GET], path: /slash, access: public }
  - { methods: [OPTIONS], path: /slash/, access: authenticated }
  - { methods: [GET], path: "/cut/{*rest}", access: public }
  - { methods: [OPTIONS], path: /cut/one, access: authenticated }
  - { methods: [GET], path: "/x/{n}", access: public }
  - { methods: [OPTIONS], path: "/x/{n:bigint}", access: authenticated }
hardening: { mode: report_only }
"#;
    let sidegate = Sidegate::start(recorder.address, more);
    let preflight = |path: &str| {
        let headers = [
            ("Origin", "https://evil.example"),
            ("Access-Control-Request-Method", "GET"),
        ];
        ask(sidegate.proxy, request("OPTIONS", path, &headers)).status
    };
    for path in [
        "/CaseX",
        "/casex",
        "/slash",
        "/slash/",
        "/x/5",
        "/x/5;b",
        "/cut/ONE;b/two",
    ] {
        let status = preflight(path);
        assert!((400..500).contains(&status), "{path}: {status}");
        assert_eq!(recorder.received().len(), 0, "{path}");
    }
    assert_eq!((preflight("/a"), recorder.received().len()), (200, 1));
}

#[test]
fn a_handshake_with_a_body_is_no_websocket() {
    let recorder = Recorder::start();
    let more = "  - { methods: [GET], path: /ws, access: public, websocket: true, relax: [unexpected_body], max_body_bytes: 10 }\n";
    let sidegate = Sidegate::start(recorder.address, more);
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Transfer-Encoding", "chunked"),
    ];
    let raw = request("GET", "/ws", &handshake) + "b\r\nbbbbbbbbbbb\r\n0\r\n\r\n";
    assert_eq!(ask(sidegate.proxy, raw).status, 413);
    assert_eq!(recorder.received().len(), 0);
}

/// An application that closes every connection without an answer.
fn silent_application() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    address
}

#[test]
fn who_was_told_to_go_on_is_told_how_it_ended() {
    let sidegate = Sidegate::start(silent_application(), "");
    let mut wire = Wire::connect(sidegate.proxy);
    let headers = [("Expect", "100-continue"), ("Content-Length", "2")];
    wire.send(request("POST", "/public/x", &headers));
    assert_eq!(wire.line().unwrap(), "HTTP/1.1 100 Continue");
    wire.line();
    wire.send("ab");
    assert_eq!(wire.reply().unwrap().status, 502);
}

#[test]
fn silent_clients_leave_files_for_everybody_else() {
    let recorder = Recorder::start();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("few-files");
    std::fs::write(
        &program,
        format!("#!/bin/sh\nulimit -n 200\nexec {BINARY} \"$@\"\n"),
    )
    .unwrap();
    assert!(
        Command::new("chmod")
            .arg("+x")
            .arg(&program)
            .status()
            .unwrap()
            .success()
    );
    let sidegate = Sidegate::run_program(&program, &config(recorder.address, ""));
    let silent: Vec<_> = (0..150).map(|_| Wire::connect(sidegate.proxy)).collect();
    // The admin listener has files left, and counts those that had to go.
    eventually("connections beyond the bound are closed", || {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", sidegate.admin);
        let metrics = String::from_utf8(ask(sidegate.admin, request).body).unwrap();
        let closed = "sidegate_connections_ended_total{why=\"too_many\"} 50";
        metrics.contains(closed).then_some(())
    });
    drop(silent);
    eventually("there is room again", || {
        let mut stream = std::net::TcpStream::connect(sidegate.proxy).ok()?;
        stream
            .write_all(request("GET", "/a", &[]).as_bytes())
            .ok()?;
        let reply = std::panic::catch_unwind(|| Wire::over(stream).reply()).ok()??;
        (reply.status == 200).then_some(())
    });
}
