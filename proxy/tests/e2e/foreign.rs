//! In front of servers that nobody here wrote: Debian's nginx (with dav) and Python's.
//!
//! What arrives is compared, header by header and byte by byte, with what the server says without
//! Sidegate; a gibibyte passes in either direction without being held in memory.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::process::{PATIENCE, Sidegate, config, eventually};
use crate::wire::{Reply, Wire, ask, request};

const GIBIBYTE: u64 = 1 << 30;
/// How much resident memory may grow while a gibibyte passes.
const GROWTH: u64 = 32 << 20;

/// A server, stopped when it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a small file, a large one (sparse) and room for uploads.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("public");
    std::fs::create_dir_all(root.join("up")).unwrap();
    std::fs::write(root.join("small.txt"), "0123456789".repeat(100)).unwrap();
    File::create(root.join("large.bin"))
        .unwrap()
        .set_len(GIBIBYTE)
        .unwrap();
    folder
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn wait_for(address: SocketAddr) {
    eventually("the server listens", || {
        TcpStream::connect(address).ok().map(|_| ())
    });
}

fn nginx() -> Server {
    let folder = files();
    let address = free_port();
    let root = folder.path().display();
    // Started by root, its workers would be somebody else, who may not write here.
    let is_root = std::fs::metadata(folder.path()).unwrap().uid() == 0;
    let user = if is_root { "user root;" } else { "" };
    let text = format!(
        "{user} daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;\n\
         events {{}}\n\
         http {{\n\
           access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/p;\n\
           fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
           server {{ listen {address}; root {root};\n\
             location / {{ dav_methods PUT; client_max_body_size 0; }} }}\n\
         }}\n"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.path()).arg("-c").arg(&file);
    run(command, address, folder)
}

fn python() -> Server {
    let folder = files();
    let address = free_port();
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "http.server",
        "--protocol",
        "HTTP/1.1",
        "--bind",
        "127.0.0.1",
    ]);
    command
        .arg(address.port().to_string())
        .current_dir(folder.path());
    run(command, address, folder)
}

fn run(mut command: Command, address: SocketAddr, folder: tempfile::TempDir) -> Server {
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
    command
        .env("PATH", path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}: run scripts/setup"));
    wait_for(address);
    Server {
        child,
        address,
        folder,
    }
}

fn in_front_of(server: &Server) -> Sidegate {
    let routes = "  - { methods: [PUT], path: \"/public/up/{name}\", access: public, max_body_bytes: 1073741824 }";
    let text = config(server.address, routes).replace("read_timeout: 500ms", "read_timeout: 20s");
    Sidegate::run(&text)
}

/// What is the same however often one asks.
fn lasting(reply: &Reply) -> Vec<(String, String)> {
    let ours = ["x-sidegate-decision-id", "connection", "date", "keep-alive"];
    let headers = reply
        .headers
        .iter()
        .filter(|(name, _)| !ours.contains(&name.as_str()));
    let mut headers: Vec<_> = headers.cloned().collect();
    headers.sort();
    headers
}

/// Asks with and without Sidegate, and compares.
fn same(server: &Server, sidegate: &Sidegate, method: &str, headers: &[(&str, &str)]) -> Reply {
    let asked = |address: SocketAddr| {
        let mut wire = Wire::connect(address);
        wire.send(request(method, "/public/small.txt", headers));
        wire.reply_to(method).unwrap()
    };
    let (direct, through) = (asked(server.address), asked(sidegate.proxy));
    assert_eq!(through.status, direct.status, "{method} {headers:?}");
    assert_eq!(lasting(&through), lasting(&direct), "{method} {headers:?}");
    assert_eq!(through.body, direct.body, "{method} {headers:?}");
    through
}

#[test]
fn answers_are_the_same_as_without_sidegate() {
    for server in [nginx(), python()] {
        let sidegate = in_front_of(&server);
        let plain = same(&server, &sidegate, "GET", &[]);
        assert_eq!((plain.status, plain.body.len()), (200, 1000));
        same(&server, &sidegate, "HEAD", &[]);
        let modified = plain.header("last-modified").unwrap().to_owned();
        let fresh = same(
            &server,
            &sidegate,
            "GET",
            &[("If-Modified-Since", &modified)],
        );
        assert_eq!((fresh.status, fresh.body.len()), (304, 0));
        // nginx has entity tags and ranges, Python's server has neither.
        let Some(tag) = plain.header("etag").map(str::to_owned) else {
            continue;
        };
        assert_eq!(
            same(&server, &sidegate, "GET", &[("If-None-Match", &tag)]).status,
            304
        );
        assert_eq!(
            same(&server, &sidegate, "GET", &[("If-Match", "\"other\"")]).status,
            412
        );
        let part = same(&server, &sidegate, "GET", &[("Range", "bytes=5-14")]);
        assert_eq!((part.status, &*part.body), (206, &b"5678901234"[..]));
        let parts = ask(
            sidegate.proxy,
            request("GET", "/public/small.txt", &[("Range", "bytes=0-1,8-9")]),
        );
        assert_eq!(
            parts.status, 206,
            "several ranges, each with a boundary of its own"
        );
        assert_eq!(
            same(&server, &sidegate, "GET", &[("Range", "bytes=9999-")]).status,
            416
        );
    }
}

#[test]
fn a_gibibyte_comes_down_from_both_without_being_held() {
    for server in [nginx(), python()] {
        let sidegate = in_front_of(&server);
        same(&server, &sidegate, "GET", &[]);
        let before = sidegate.resident();
        let mut stream = TcpStream::connect(sidegate.proxy).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let close = [("Connection", "close")];
        stream
            .write_all(request("GET", "/public/large.bin", &close).as_bytes())
            .unwrap();
        let (mut total, mut most) = (0, 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = stream.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            total += u64::try_from(read).unwrap();
            most = most.max(sidegate.resident());
        }
        assert!(
            total > GIBIBYTE && total < GIBIBYTE + 4096,
            "{total}: the file and one head"
        );
        assert!(
            most < before + GROWTH,
            "resident memory grew from {before} to {most}"
        );
    }
}

#[test]
fn a_gibibyte_goes_up_without_being_held() {
    let server = nginx();
    let sidegate = in_front_of(&server);
    same(&server, &sidegate, "GET", &[]);
    let before = sidegate.resident();
    let mut wire = Wire::connect(sidegate.proxy);
    let length = GIBIBYTE.to_string();
    wire.send(request(
        "PUT",
        "/public/up/large.bin",
        &[("Content-Length", &length)],
    ));
    let chunk = vec![7; 1 << 20];
    let mut most = 0;
    for _ in 0..GIBIBYTE >> 20 {
        wire.send(&chunk);
        most = most.max(sidegate.resident());
    }
    assert_eq!(wire.reply().unwrap().status, 201);
    assert!(
        most < before + GROWTH,
        "resident memory grew from {before} to {most}"
    );
    let stored = stored(server.folder.path());
    assert_eq!(stored, GIBIBYTE);
}

fn stored(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("public/up/large.bin"))
        .unwrap()
        .len()
}
