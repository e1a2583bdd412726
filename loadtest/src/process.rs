//! A running `sidegate`, as a process of its own, and tokens that it accepts.
//!
//! Promises: it is ready when [`Sidegate::start`] returns, and gone when it is dropped; a token is good for
//! an hour. Does not: know what is in the binary.

mod again;
mod command;
mod exchange;
mod service_key;
mod setup;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::scrape::Scrape;
use exchange::{get, post};
use setup::{AUDIENCE, ISSUER, LINK_LIFETIME, SECRET, configuration};

pub(crate) use command::{command, command_with, migrate};
pub(crate) use service_key::ServiceKey;
pub(crate) use setup::{Extent, KEY_HEADER, SCOPE, Setup};

/// A process; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Sidegate {
    child: Child,
    /// Where its proxy and its admin listener listen.
    proxy: String,
    admin: String,
    /// Its configuration and its log.
    folder: TempDir,
    binary: PathBuf,
    environment: Vec<(&'static str, &'static str)>,
}

/// Why it does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// A binary that cannot be run.
    #[error("{path} cannot be run")]
    Binary {
        /// The binary.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not start, or is not ready.
    #[error("sidegate does not start: {0}")]
    NotReady(String),
    /// A command of it fails, or does not end.
    #[error("sidegate {0}")]
    Command(String),
    /// A file or a process.
    #[error("the surroundings of sidegate")]
    Io(#[from] io::Error),
    /// No link.
    #[error("sidegate makes no link: {0}")]
    Link(String),
    /// No token.
    #[error("a token cannot be made")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// A task of ours.
    #[error("a task failed")]
    Task(#[from] tokio::task::JoinError),
}

impl Sidegate {
    /// Starts the binary and waits until it is ready.
    pub(crate) async fn start(
        binary: &Path,
        setup: &Setup,
        environment: &[(&'static str, &'static str)],
    ) -> Result<Self, ProcessError> {
        Self::launch(&[], binary, folder(setup)?, environment).await
    }

    /// The same, run by another program: its command line.
    pub(crate) async fn start_under(
        under: &[String],
        binary: &Path,
        setup: &Setup,
    ) -> Result<Self, ProcessError> {
        Self::launch(under, binary, folder(setup)?, &[]).await
    }

    /// One with a configuration of its own, beside which these files are.
    pub(crate) async fn start_with(
        binary: &Path,
        configuration: &str,
        files: &[(&str, &str)],
    ) -> Result<Self, ProcessError> {
        Self::launch(&[], binary, folder_with(configuration, files)?, &[]).await
    }

    /// One with a configuration of its own, run by another program.
    pub(crate) async fn start_with_under(
        under: &[String],
        binary: &Path,
        configuration: &str,
    ) -> Result<Self, ProcessError> {
        Self::launch(under, binary, folder_with(configuration, &[])?, &[]).await
    }

    async fn launch(
        under: &[String],
        binary: &Path,
        folder: TempDir,
        environment: &[(&'static str, &'static str)],
    ) -> Result<Self, ProcessError> {
        let child = spawn(under, binary, environment, &folder)?;
        // From here on it ends with this struct.
        let mut sidegate = Self {
            child,
            proxy: String::new(),
            admin: String::new(),
            folder,
            binary: binary.to_owned(),
            environment: environment.to_vec(),
        };
        sidegate.wait().await?;
        Ok(sidegate)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    async fn wait(&mut self) -> Result<(), ProcessError> {
        let log = self.folder.path().join(LOG);
        match timeout(PATIENCE, self.ready(&log)).await {
            Ok(ready) => ready,
            Err(_elapsed) => Err(ProcessError::NotReady(tail(&log))),
        }
    }

    pub(crate) fn proxy(&self) -> &str {
        &self.proxy
    }

    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// A link to a path for a user who may read what is there, by its administrator; good for an hour.
    pub(crate) async fn link(&self, user: Uuid, path: &str) -> Result<String, ProcessError> {
        let wish = json!({ "subject": user, "path": path, "ttl": LINK_LIFETIME });
        let answer = post(&self.admin, "/links", &wish.to_string()).await?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let made = serde_json::from_str::<Value>(body).ok();
        let made = made.and_then(|made| made.get("path")?.as_str().map(str::to_owned));
        made.ok_or(ProcessError::Link(answer))
    }

    /// The values of metrics whose lines begin with these names, added up.
    pub(crate) async fn metric(&self, name: &str) -> io::Result<u64> {
        let text = get(&self.admin, "/metrics").await?;
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        Ok(values.sum())
    }

    /// All metrics, read once.
    pub(crate) async fn scrape(&self) -> io::Result<Scrape> {
        let answer = get(&self.admin, "/metrics").await?;
        Scrape::parse(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body))
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        signal(name, &[self.child.id()])
    }

    async fn ready(&mut self, log: &Path) -> Result<(), ProcessError> {
        loop {
            if let Some((proxy, admin)) = listening(&fs::read_to_string(log)?) {
                (self.proxy, self.admin) = (proxy, admin);
                break;
            }
            if self.child.try_wait()?.is_some() {
                return Err(ProcessError::NotReady(tail(log)));
            }
            sleep(LOOK).await;
        }
        while !is_ready(&self.admin).await.unwrap_or(false) {
            sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Sidegate {
    fn drop(&mut self) {
        // One that has ended cannot be killed; nobody is left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(
    under: &[String],
    binary: &Path,
    environment: &[(&str, &str)],
    folder: &TempDir,
) -> Result<Child, ProcessError> {
    let mut command = match under.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(binary);
            command
        }
        None => Command::new(binary),
    };
    command
        .args(["run", "--config"])
        .arg(folder.path().join(CONFIG))
        .envs(environment.iter().copied())
        .env("SIDEGATE_LOG", LOG_LEVELS)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.path().join(LOG))?)
        .spawn()
        .map_err(|source| ProcessError::Binary {
            path: command.get_program().into(),
            source,
        })
}

/// A token of a user, with a further claim that names it.
pub(crate) fn token(user: Uuid, named: Option<(&str, Uuid)>) -> Result<String, ProcessError> {
    let now = now();
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": user.to_string(), "iat": now, "exp": now + LIFETIME,
    });
    if let (Some((claim, name)), Some(claims)) = (named, claims.as_object_mut()) {
        claims.insert(claim.to_owned(), json!(name));
    }
    Ok(encode(&Header::new(Algorithm::HS256), &claims, &key)?)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "tokens are about the time of day, and nothing else here is"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// Sends processes a signal by name.
pub(crate) fn signal(name: &str, processes: &[u32]) -> io::Result<()> {
    let mut kill = Command::new("kill");
    kill.args(["-s", name])
        .args(processes.iter().map(u32::to_string));
    // Of several some may be gone already.
    kill.stderr(Stdio::null()).status().map(drop)
}

fn folder(setup: &Setup) -> io::Result<TempDir> {
    folder_with(&configuration(setup), &[])
}

fn folder_with(configuration: &str, files: &[(&str, &str)]) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("sidegate-load").tempdir()?;
    fs::write(folder.path().join(CONFIG), configuration)?;
    for (name, content) in files {
        fs::write(folder.path().join(name), content)?;
    }
    Ok(folder)
}

/// Where proxy and admin listen, once the log says it.
fn listening(log: &str) -> Option<(String, String)> {
    let entries = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut fields = entries.filter_map(|entry| entry.get("fields").cloned());
    let found = fields.find(|it| it.get("message").and_then(Value::as_str) == Some("listening"))?;
    let text = |name: &str| found.get(name)?.as_str().map(str::to_owned);
    Some((text("proxy")?, text("admin")?))
}

async fn is_ready(admin: &str) -> io::Result<bool> {
    Ok(get(admin, "/readyz").await?.starts_with("HTTP/1.1 200"))
}

/// The end of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(5)..)
        .unwrap_or_default()
        .join("\n")
}

/// Where it listens is wanted.
const LOG_LEVELS: &str = "info";

/// Seconds; longer than any case.
const LIFETIME: u64 = 3600;

const CONFIG: &str = "sidegate.yaml";
const LOG: &str = "log";

const LOOK: Duration = Duration::from_millis(20);

const PATIENCE: Duration = Duration::from_secs(30);
