//! Several instances of the application: turns, groups, health, and what is tried again.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

use crate::process::{Sidegate, config, eventually};
use crate::streaming::arrive;
use crate::wire::{Wire, ask, request};

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
    let check = "health_check: { interval: 100ms, timeout: 5s, unhealthy_after: 1 }";
    let sidegate = Sidegate::run(&with_upstream(&format!("{urls}, {check}")));
    let mut seen = std::collections::BTreeSet::new();
    let mut asks = || {
        let reply = ask(sidegate.proxy, request("GET", "/a", &[]));
        assert_eq!(reply.status, 200, "a dead instance is passed over");
        seen.insert(String::from_utf8(reply.body).unwrap());
        seen.len()
    };
    for _ in 0..30 {
        asks();
    }
    // A slow machine may take a well one for ill for a moment.
    eventually("both have had their turn", || (asks() == 2).then_some(()));
    let ill = format!("{closed} is ill");
    eventually("the dead one is named", || {
        sidegate.admin("/readyz")["notes"]
            .to_string()
            .contains(&ill)
            .then_some(())
    });
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
