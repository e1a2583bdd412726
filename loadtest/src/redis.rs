//! A Redis server of its own, for a test or a measurement.
//!
//! Promises: a new server in a directory of its own, on a free port of 127.0.0.1, ready when
//! [`Redis::start`] returns; ended and removed when it is dropped, also by a panic. A missing server
//! program is an error, never a reason to skip.
//!
//! Does not: ask for passwords, unless it is told to, or write to the disk by itself.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{Connection, FromRedisValue, RedisError};
use tempfile::TempDir;
use thiserror::Error;

use crate::postgres::kill;

/// A running server, or one that was ended and can be started again. Dropping it ends it.
#[derive(Debug)]
pub struct Redis {
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    /// What its arguments name.
    further: Option<TempDir>,
    process: Option<Child>,
}

/// Why there is no server, or no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RedisServerError {
    /// The program is not installed.
    #[error("no Redis server: `redis-server` cannot be run; install one")]
    NoServer(#[source] io::Error),
    /// It does not become ready.
    #[error("redis-server does not start: {0}")]
    NotReady(String),
    /// A file, a port or a process could not be had.
    #[error("the server's surroundings")]
    Io(#[from] io::Error),
    /// A command failed.
    #[error("redis: {0}")]
    Command(#[from] RedisError),
}

impl Redis {
    /// Its process, while it runs.
    pub(crate) fn process(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Starts a server.
    ///
    /// # Errors
    /// When the program is missing, or does not start.
    pub fn start() -> Result<Self, RedisServerError> {
        Self::with(&[])
    }

    /// The same, with arguments of its own.
    ///
    /// # Errors
    /// When the program is missing, or does not start.
    pub fn with(arguments: &[&str]) -> Result<Self, RedisServerError> {
        let directory = tempfile::Builder::new()
            .prefix("sidegate-redis")
            .tempdir()?;
        let mut server = Self {
            directory,
            port: 0,
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            further: None,
            process: None,
        };
        let mut last = None;
        for _ in 0..TRIES {
            server.port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            match server.resume() {
                Ok(()) => return Ok(server),
                // Without the program no port is better than another.
                Err(error @ RedisServerError::NoServer(_)) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| RedisServerError::NotReady("no port".to_owned())))
    }

    /// A sentinel that watches a primary on a port of 127.0.0.1, and alone decides that it is gone.
    ///
    /// # Errors
    /// When the program is missing, or does not start.
    pub fn sentinel(name: &str, primary: u16) -> Result<Self, RedisServerError> {
        let file = tempfile::Builder::new()
            .prefix("sidegate-sentinel")
            .tempdir()?;
        let path = file.path().join("sentinel.conf");
        let lines = format!(
            "sentinel monitor {name} 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\n"
        );
        fs::write(&path, lines)?;
        let mut server = Self::with(&["SENTINEL", &path.display().to_string()])?;
        server.further = Some(file);
        Ok(server)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again, where and with what it was.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&mut self) -> Result<(), RedisServerError> {
        let mut command = Command::new("redis-server");
        command.current_dir(self.directory.path());
        let mut arguments = self.arguments.as_slice();
        if let [SENTINEL, file, ..] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            // The file comes first; it is written to.
            command.args([file, "--sentinel"]);
            arguments = &[];
        }
        // A cluster's node has its second port 10,000 higher by default, which may be none.
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dbfilename", DUMP]);
        command.args(["--logfile", LOG]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().map_err(RedisServerError::NoServer)?;
        self.process = Some(process);
        let end = Instant::now() + PATIENCE;
        loop {
            if self.command::<String>(&["PING"]).is_ok() {
                return Ok(());
            }
            let ended = match &mut self.process {
                Some(process) => process.try_wait()?.is_some(),
                None => true,
            };
            if ended || Instant::now() > end {
                let log = fs::read_to_string(self.directory.path().join(LOG));
                return Err(RedisServerError::NotReady(log.unwrap_or_default()));
            }
            sleep(LOOK);
        }
    }

    /// Kills it. What it had in memory is gone.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn kill(&mut self) -> Result<(), RedisServerError> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Sends its process a signal by name: `STOP` and `CONT` for a server that stands still.
    ///
    /// # Errors
    /// When there is no process.
    pub fn signal(&self, name: &str) -> Result<(), RedisServerError> {
        let process = self.process.as_ref().ok_or_else(gone)?.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status()?;
        if sent.success() {
            Ok(())
        } else {
            Err(gone().into())
        }
    }

    /// A command's answer, over a connection of its own.
    ///
    /// # Errors
    /// When there is none, or not such an answer.
    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, RedisServerError> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        Ok(command.query(&mut self.connection()?)?)
    }

    /// A connection, for whoever has more to say than words.
    ///
    /// # Errors
    /// When there is none.
    pub fn connection(&self) -> Result<Connection, RedisServerError> {
        let connection = redis::Client::open(self.url())?.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// Where it writes its memory to (`SAVE`), and reads it from when it is started.
    #[must_use]
    pub fn dump(&self) -> PathBuf {
        self.directory.path().join(DUMP)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Also one that stands still.
        if let Some(mut process) = self.process.take() {
            let _ = kill(&[process.id()]);
            let _ = process.wait();
        }
    }
}

fn gone() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

/// In the place of the first argument: the second is a sentinel's file.
const SENTINEL: &str = "SENTINEL";
const DUMP: &str = "dump.rdb";
const LOG: &str = "redis.log";
const TRIES: usize = 3;
const LOOK: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);
