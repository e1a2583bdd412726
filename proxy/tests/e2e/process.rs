//! A running `sidegate`, stopped when it is dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_sidegate");

/// The secret of the tests' issuer, and its name.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const ISSUER: &str = "https://issuer.test/";

pub(crate) const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
pub(crate) const MINE: &str = "6e000000-0000-4000-8000-000000000001";
pub(crate) const YOURS: &str = "6e000000-0000-4000-8000-000000000002";

pub(crate) const DIRECTORY: &str = "
users: [{ id: a11ce000-0000-4000-8000-000000000001, active: true, roles: [artist] }]
resources:
  - { kind: generation, id: 6e000000-0000-4000-8000-000000000001, owner_id: a11ce000-0000-4000-8000-000000000001 }
  - { kind: generation, id: 6e000000-0000-4000-8000-000000000002 }
";

pub(crate) struct Sidegate {
    child: Child,
    pub(crate) proxy: SocketAddr,
    pub(crate) admin: SocketAddr,
    folder: TempDir,
    lines: Receiver<String>,
}

impl Sidegate {
    /// In front of `upstream`, with further top-level YAML.
    pub(crate) fn start(upstream: SocketAddr, more: &str) -> Self {
        Self::run(&config(upstream, more))
    }

    /// With this configuration.
    pub(crate) fn run(config: &str) -> Self {
        Self::run_env(config, &[])
    }

    /// With this configuration, and environment variables.
    pub(crate) fn run_env(config: &str, env: &[(&str, &str)]) -> Self {
        Self::run_with(folder_with(config), env)
    }

    /// With the configuration `sidegate.yaml` of a folder.
    pub(crate) fn run_in(folder: TempDir) -> Self {
        Self::run_with(folder, &[])
    }

    /// The same, by a program that runs the binary.
    pub(crate) fn run_program(program: &Path, config: &str) -> Self {
        Self::spawn(program, folder_with(config), &[])
    }

    /// The same, with environment variables.
    pub(crate) fn run_with(folder: TempDir, env: &[(&str, &str)]) -> Self {
        Self::spawn(Path::new(BINARY), folder, env)
    }

    fn spawn(program: &Path, folder: TempDir, env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .args(["run", "--config"])
            .arg(folder.path().join("sidegate.yaml"))
            .env("SIDEGATE_LOG", crate::secrets::level())
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = crate::secrets::kept(child.stderr.take().unwrap(), child.id(), folder.path());
        let lines = lines_of(log);
        let mut seen = Vec::new();
        let listening = loop {
            let line = lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no start: {seen:#?}"));
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            if entry["fields"]["message"] == "listening" {
                break entry["fields"].clone();
            }
            seen.push(line);
        };
        let address = |name: &str| listening[name].as_str().unwrap().parse().unwrap();
        Self {
            child,
            proxy: address("proxy"),
            admin: address("admin"),
            folder,
            lines,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the configuration anew, as an editor does that renames.
    pub(crate) fn edit(&self, config: &str) {
        let next = self.folder.path().join("next");
        fs::write(&next, config).unwrap();
        fs::rename(next, self.folder.path().join("sidegate.yaml")).unwrap();
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        send_signal(name, self.child.id());
    }

    /// Stops reading its log: after the next line its standard error leads nowhere.
    pub(crate) fn close_log(&mut self) {
        self.lines = mpsc::channel().1;
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// What `GET path` of the admin listener answers.
    pub(crate) fn admin(&self, path: &str) -> Value {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.admin
        );
        crate::wire::ask(self.admin, request).json()
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.folder.path().join("directory.yaml")
    }

    /// What it has logged and nobody has read, up to its end: it has been told to stop.
    pub(crate) fn rest_of_log(&mut self) -> String {
        assert!(self.child.wait().unwrap().success());
        let lines: Vec<_> = self.lines.iter().collect();
        lines.join("\n")
    }

    /// Waits for a line of the log that holds `text`.
    pub(crate) fn logged(&self, text: &str) -> String {
        self.logged_until(text).pop().unwrap()
    }

    /// Every line of the log, up to the first one that holds `text`.
    pub(crate) fn logged_until(&self, text: &str) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self
                .lines
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no `{text}` in the log"));
            lines.push(line);
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }
}

impl Drop for Sidegate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a configuration and the directory that it names.
pub(crate) fn folder_with(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("directory.yaml"), DIRECTORY).unwrap();
    fs::write(folder.path().join("sidegate.yaml"), config).unwrap();
    folder
}

/// Sends a process a signal by its name.
pub(crate) fn send_signal(name: &str, process: u32) {
    let sent = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// The configuration of these tests.
pub(crate) fn config(upstream: SocketAddr, more: &str) -> String {
    let admin = if more.contains("\nadmin:") {
        ""
    } else {
        "admin: { listen: \"127.0.0.1:0\" }\n"
    };
    let limits = if more.contains("\nlimits:") {
        ""
    } else {
        "limits: { drain_timeout: 200ms }\n"
    };
    format!(
        r#"
listen: "127.0.0.1:0"
{admin}{limits}server: {{ threads: 1, shutdown_grace: 0s }}
upstream: {{ url: "http://{upstream}", connect_timeout: 500ms, read_timeout: 500ms }}
issuers:
  - {{ issuer: "{ISSUER}", audiences: [api], algorithms: [HS256], keys: [{{ secret: "{SECRET}" }}] }}
store: {{ file: {{ path: directory.yaml, poll_interval: 50ms }} }}
policy:
  roles: {{ owner: [read, write], viewer: [read] }}
  kinds: {{ generation: {{ id: uuid }} }}
routes:
  - {{ methods: [GET, POST], path: "/public/{{*rest}}", access: public }}
  - {{ methods: [GET], path: "/a", access: public }}
  - {{ methods: [GET, POST], path: "/me", access: authenticated }}
  - {{ methods: [GET], path: "/g/{{id}}", action: read, resource: {{ kind: generation, id: {{ path: id }} }} }}
  - {{ methods: [POST], path: "/g/{{id}}", action: write, resource: {{ kind: generation, id: {{ path: id }} }} }}
{more}
"#
    )
}

/// The same, with rules of strictness relaxed on its public and authenticated routes.
pub(crate) fn relaxed(config: &str, rules: &str) -> String {
    let mut text = config.to_owned();
    for access in ["public", "authenticated"] {
        let (from, to) = (
            format!("access: {access} }}"),
            format!("access: {access}, relax: [{rules}] }}"),
        );
        text = text.replace(&from, &to);
    }
    text
}

/// A token of the tests' issuer.
pub(crate) fn token(subject: &str) -> String {
    token_until(subject, 600)
}

/// One that was good an hour ago.
pub(crate) fn expired_token(subject: &str) -> String {
    token_until(subject, -3600)
}

/// One that ends so many seconds from now.
pub(crate) fn token_until(subject: &str, seconds: i64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let end = i64::try_from(now.as_secs()).unwrap() + seconds;
    let claims =
        json!({ "iss": ISSUER, "aud": "api", "sub": subject, "iat": end - 600, "exp": end });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    crate::secrets::note_token(&token);
    token
}

/// The lines of a stream, read by a thread of their own so that the writer never blocks.
pub(crate) fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Tries until `done` has an answer.
pub(crate) fn eventually<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < end, "never: {what}");
        std::thread::yield_now();
    }
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
