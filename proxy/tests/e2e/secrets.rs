//! Whether secrets are logged.
//!
//! With `SIDEGATE_TRACE` naming a folder, every Sidegate that a test starts logs at trace level into it, and
//! what is secret in its configuration, and every token of the tests' issuer, is noted beside;
//! `scripts/check-secrets` looks for the one in the other. The test here sends credentials of every kind
//! itself, good, bad and malformed.

use std::fs::{File, OpenOptions};
use std::io::{Cursor, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use crate::process::{ALICE, MINE, SECRET, Sidegate, YOURS, config, token};
use crate::recorder::Recorder;
use crate::tracing::collector::{Collector, Manner};
use crate::wire::{Wire, ask, request};

/// Keys of a configuration whose values are secret.
const SECRET_KEYS: [&str; 8] = [
    "secret",
    "token",
    "key",
    "mac_keys",
    "previous_keys",
    "client_secret",
    "pepper",
    "value",
];
/// Keys whose values are URLs, which may hold a password.
const URL_KEYS: [&str; 4] = ["url", "feed_url", "migrate_url", "redis"];

fn folder() -> Option<PathBuf> {
    std::env::var_os("SIDEGATE_TRACE").map(PathBuf::from)
}

/// How talkative a Sidegate of the tests is.
pub(crate) fn level() -> &'static str {
    if folder().is_some() { "trace" } else { "info" }
}

/// The log of a process, which is kept beside where it is to be looked through.
pub(crate) fn kept(
    log: impl Read + Send + 'static,
    process: u32,
    configuration: &Path,
) -> Box<dyn Read + Send> {
    let Some(folder) = folder() else {
        return Box::new(log);
    };
    if let Ok(text) = std::fs::read_to_string(configuration.join("sidegate.yaml"))
        && let Ok(document) = serde_yaml::from_str(&text)
    {
        note_secrets(&document, false);
    }
    let file = File::create(folder.join(format!("{process}-{}.log", unique()))).unwrap();
    Box::new(Tee { log, file })
}

/// Notes the parts of a token that are its own: its claims and its signature.
pub(crate) fn note_token(token: &str) {
    token.split('.').skip(1).for_each(note);
}

fn note_secrets(value: &Value, secret: bool) {
    match value {
        Value::Mapping(members) => {
            for (key, value) in members {
                let key = key.as_str().unwrap_or_default();
                if URL_KEYS.contains(&key) {
                    value.as_str().and_then(password).into_iter().for_each(note);
                }
                note_secrets(value, SECRET_KEYS.contains(&key));
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| note_secrets(item, secret)),
        Value::String(text) if secret && !text.starts_with("file:") && !text.contains("${") => {
            note(text)
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => {}
    }
}

fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.split_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

/// Notes a secret, a key by its lines. What is too short to say anything is counted as skipped.
fn note(secret: &str) {
    let Some(folder) = folder() else { return };
    for line in secret.lines().filter(|line| !line.starts_with("-----")) {
        let name = if line.len() >= 8 {
            "secrets"
        } else {
            "skipped"
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(name));
        // In one piece: tests of other processes write to it, too.
        let line = format!("{line}\n");
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}

fn unique() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_nanos()
}

/// What is read is also written.
struct Tee<R> {
    log: R,
    file: File,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.log.read(buffer)?;
        self.file.write_all(&buffer[..read])?;
        Ok(read)
    }
}

const LINK_KEY: &str = "c0ffee00c0ffee11c0ffee22c0ffee33";
const ADMIN_TOKEN: &str = "an-admin-token-0f9e8d7c6b5a";
const COLLECTOR_TOKEN: &str = "a-collectors-token-1a2b3c4d5e6f";

/// Texts that are in requests or in the configuration and must be nowhere else.
fn canaries(token: &str) -> Vec<String> {
    let parts = token.split('.').map(str::to_owned);
    let others = [
        "canary-bearer",
        "canary-cookie",
        "canary-query",
        "canary-path",
        "canary-header",
    ];
    // The first part of a token is the same for everybody.
    let mut all: Vec<String> = parts.skip(1).collect();
    all.extend(others.map(str::to_owned));
    all.extend([SECRET, ADMIN_TOKEN, LINK_KEY, COLLECTOR_TOKEN].map(str::to_owned));
    all
}

fn every_kind_of_request(sidegate: &Sidegate, token: &str) {
    let good = format!("Bearer {token}");
    let touched = format!("{good}x");
    let cookie = "session=canary-cookie";
    let bearers = [
        &*good,
        &*touched,
        "Bearer canary-bearer",
        "Basic canary-bearer",
        "canary-bearer",
    ];
    let targets = [
        "/a?secret=canary-query".to_owned(),
        "/public/canary-path".to_owned(),
        "/none/canary-path".to_owned(),
        "/me?token=canary-query".to_owned(),
        format!("/m/{MINE}?subject={ALICE}&issued=1&expires=2&sig=canary-query"),
        format!("/m/{MINE}?subject=canary-query&SIG=canary-query"),
        format!("/g/{MINE}"),
        format!("/g/{YOURS}"),
        "/g/canary-path".to_owned(),
        "/a/../canary-path".to_owned(),
    ];
    for target in &targets {
        for bearer in bearers {
            let headers = [
                ("Authorization", bearer),
                ("Cookie", cookie),
                ("X-A", "canary-header"),
            ];
            ask(sidegate.proxy, request("GET", target, &headers));
        }
    }
}

/// What cannot be parsed, is doubled, too large, or ends in the middle.
fn malformed_requests(sidegate: &Sidegate, token: &str) {
    let good = format!("Bearer {token}");
    let twice = [
        ("Authorization", &*good),
        ("Authorization", "Bearer canary-bearer"),
    ];
    ask(sidegate.proxy, request("GET", "/me", &twice));
    for raw in [
        format!("GET /canary-path x HTTP/1.1\r\nAuthorization: {good}\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: a\r\nAuthorization : {good}\r\n\r\n"),
        format!(
            "GET /a HTTP/1.1\r\nHost: a\r\nHost: canary-header\r\nAuthorization: {good}\r\n\r\n"
        ),
        format!(
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: {good}\r\nX: {}\r\n\r\n",
            "b".repeat(40_000)
        ),
    ] {
        ask(sidegate.proxy, raw);
    }
    let mut cut = Wire::connect(sidegate.proxy);
    cut.send(format!("GET /a HTTP/1.1\r\nAuthorization: {good}\r\n"));
    drop(cut);
}

/// The admin listener, with a bad token and a good one.
fn look_at_configuration(sidegate: &Sidegate) {
    let admin = |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        ask(
            sidegate.admin,
            request("GET", "/config", &headers).replace("app.test", "127.0.0.1"),
        )
    };
    admin("canary-bearer");
    let shown = String::from_utf8(admin(ADMIN_TOKEN).body).unwrap();
    assert!(shown.contains("issuer.test"), "{shown}");
    assert!(
        ![SECRET, ADMIN_TOKEN, LINK_KEY, COLLECTOR_TOKEN]
            .iter()
            .any(|secret| shown.contains(secret)),
        "{shown}"
    );
}

#[test]
fn nothing_that_is_logged_at_trace_level_holds_a_secret() {
    let (recorder, collector) = (Recorder::start(), Collector::start(Manner::Takes));
    let traced = format!(
        "telemetry: {{ access_log: {{ allows: 1 }}, tracing: {{ endpoint: \"http://{}\", sample: 1, headers: [{{ name: authorization, value: \"Bearer {COLLECTOR_TOKEN}\" }}] }} }}\n",
        collector.address
    );
    let more = format!(
        "  - {{ methods: [GET], path: \"/m/{{id}}\", links: true, action: read, resource: {{ kind: generation, id: {{ path: id }} }} }}\n\nadmin: {{ listen: \"127.0.0.1:0\", token: \"{ADMIN_TOKEN}\" }}\nlinks: {{ key: {LINK_KEY} }}\n{traced}"
    );
    let config = config(recorder.address, &more);
    let sidegate = Sidegate::run_env(&config, &[("SIDEGATE_LOG", "trace")]);
    let token = token(ALICE);
    every_kind_of_request(&sidegate, &token);
    malformed_requests(&sidegate, &token);
    look_at_configuration(&sidegate);
    let sent = collector.find(|exports| exports.first().map(|export| export.head.clone()));
    let bearer = format!("authorization: bearer {COLLECTOR_TOKEN}");
    assert!(sent.contains(&bearer), "{sent:?}");
    sidegate.signal("HUP");
    let lines = sidegate.logged_until("the configuration was read");
    for expected in [
        "malformed_head",
        "invalid_credential",
        "head_too_large",
        "\"outcome\":\"allow\"",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "no {expected}"
        );
    }
    for canary in canaries(&token) {
        let line = lines.iter().find(|line| line.contains(&canary));
        assert!(line.is_none(), "{canary} in {line:?}");
    }
}

#[test]
fn what_is_noted_is_what_is_secret() {
    let mut copy = tempfile::tempfile().unwrap();
    let mut tee = Tee {
        log: Cursor::new("one\ntwo\n"),
        file: copy.try_clone().unwrap(),
    };
    let mut text = String::new();
    tee.read_to_string(&mut text).unwrap();
    let mut kept = String::new();
    copy.rewind().unwrap();
    copy.read_to_string(&mut kept).unwrap();
    assert_eq!((text.as_str(), kept.as_str()), ("one\ntwo\n", "one\ntwo\n"));
    assert_eq!(password("redis://me:pass@host:1"), Some("pass"));
    assert_eq!(password("redis://host:1"), None);
}
