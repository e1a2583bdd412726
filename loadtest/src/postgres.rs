//! A PostgreSQL server of its own, for a test or a measurement.
//!
//! Promises: a new cluster in a directory of its own, on a free port of 127.0.0.1, ready when
//! [`Cluster::start`] returns; stopped and removed when it is dropped, also by a panic. As root,
//! who may not run it, it belongs to the user `postgres`. A missing server program is an error,
//! never a reason to skip.
//!
//! Does not: keep data through a crash (no fsync), ask for passwords, or survive: a process that
//! is killed with SIGKILL leaves its server behind.

mod disaster;
mod template;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use template::Template;
use thiserror::Error;

pub(crate) use disaster::kill;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    directory: TempDir,
    port: u16,
}

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// PostgreSQL's server is not installed where it is looked for.
    #[error("no PostgreSQL server: `initdb` and `pg_ctl` are in none of {0:?}; install one")]
    NoServer(Vec<PathBuf>),
    /// Root cannot run the server, and there is nobody to run it as.
    #[error("root cannot run PostgreSQL, and there is no user `postgres`")]
    NoUser,
    /// One of its programs failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What it said, and the end of the server's log.
        output: String,
    },
    /// A file, a port or a process could not be had.
    #[error("the server's surroundings")]
    Io(#[from] io::Error),
}

impl Cluster {
    /// Creates and starts a server; it takes a second or two.
    ///
    /// # Errors
    ///
    /// When the programs are missing, or one of them fails.
    pub fn start() -> Result<Self, ClusterError> {
        let programs = Programs::find()?;
        let directory = tempfile::Builder::new().prefix("sidegate-pg").tempdir()?;
        programs.give(directory.path())?;
        let data = directory.path().join("data");
        match Template::place(&programs) {
            Some(template) => template.copy_to(&programs, &data)?,
            None => programs.initdb(directory.path(), &data)?,
        }

        // From here on, whatever was started is stopped when this function fails.
        let mut cluster = Self {
            programs,
            directory,
            port: free_port()?,
        };
        for _ in 1..TRIES {
            if cluster.resume().is_ok() {
                return Ok(cluster);
            }
            cluster.port = free_port()?;
        }
        cluster.resume()?;
        Ok(cluster)
    }

    /// The URL of `database`; `postgres` is always there.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates a database and hands back its URL.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub fn create_database(&self, name: &str) -> Result<String, ClusterError> {
        let mut createdb = self.programs.command("createdb", self.directory.path());
        createdb.args(["--host", "127.0.0.1", "--username", SUPERUSER]);
        createdb.args(["--port", &self.port.to_string(), name]);
        run(createdb, "createdb", &self.data())?;
        Ok(self.url(name))
    }

    /// Stops the server, and leaves its data and its port to [`Self::resume`].
    ///
    /// # Errors
    ///
    /// When it does not stop.
    pub fn pause(&self) -> Result<(), ClusterError> {
        self.programs.stop(self.directory.path())
    }

    /// Starts the server again.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn resume(&self) -> Result<(), ClusterError> {
        self.programs.start(self.directory.path(), self.port)
    }

    /// Where the server writes its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.data().join(LOG)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that is stopped already cannot be stopped; nobody is left to be told.
        let _ = self.programs.stop(self.directory.path());
    }
}

/// Where the programs are, and who runs them.
#[derive(Debug)]
struct Programs {
    directory: PathBuf,
    /// The user and group to become, when this process is root.
    user: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Result<Self, ClusterError> {
        let mut looked = Vec::new();
        let debian = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
        let mut versions: Vec<(u32, PathBuf)> = debian
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
            .collect();
        versions.sort_unstable();
        looked.extend(versions.into_iter().rev().map(|(_, path)| path.join("bin")));
        looked.extend(OTHERS.map(PathBuf::from));
        let complete =
            |path: &&PathBuf| ["initdb", "pg_ctl"].iter().all(|it| path.join(it).exists());
        let Some(directory) = looked.iter().find(complete).cloned() else {
            return Err(ClusterError::NoServer(looked));
        };
        let user = if fs::metadata("/proc/self")?.uid() == 0 {
            Some(account("postgres")?.ok_or(ClusterError::NoUser)?)
        } else {
            None
        };
        Ok(Self { directory, user })
    }

    /// Makes `path` the server's.
    fn give(&self, path: &Path) -> io::Result<()> {
        match self.user {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(self.directory.join(program));
        command.current_dir(directory).stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn initdb(&self, directory: &Path, data: &Path) -> Result<(), ClusterError> {
        let mut initdb = self.command("initdb", directory);
        initdb.arg("--pgdata").arg(data).args(INITDB);
        run(initdb, "initdb", data)
    }

    fn start(&self, directory: &Path, port: u16) -> Result<(), ClusterError> {
        let data = directory.join("data");
        let sockets = directory.display();
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={sockets} {SETTINGS}"
        );
        let mut pg_ctl = self.command("pg_ctl", directory);
        pg_ctl.args(["start", "--wait", "--silent", "--options", &options]);
        pg_ctl.arg("--pgdata").arg(&data);
        pg_ctl.arg("--log").arg(data.join(LOG));
        run(pg_ctl, "pg_ctl start", &data)
    }

    fn stop(&self, directory: &Path) -> Result<(), ClusterError> {
        let data = directory.join("data");
        let mut pg_ctl = self.command("pg_ctl", directory);
        pg_ctl.args(["stop", "--wait", "--silent", "--mode", "immediate"]);
        pg_ctl.arg("--pgdata").arg(&data);
        run(pg_ctl, "pg_ctl stop", &data)
    }
}

/// Runs `command` to its end; its words are kept for a failure.
fn run(mut command: Command, program: &'static str, data: &Path) -> Result<(), ClusterError> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.push_str(&fs::read_to_string(data.join(LOG)).unwrap_or_default());
    Err(ClusterError::Program {
        program,
        output: text,
    })
}

/// A port that nobody has now. Another may take it before the server does: hence the tries.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The user and group ids of an account of this machine.
fn account(name: &str) -> io::Result<Option<(u32, u32)>> {
    for line in BufReader::new(File::open("/etc/passwd")?).lines() {
        let line = line?;
        let mut fields = line.split(':');
        if fields.next().map(OsStr::new) == Some(OsStr::new(name)) {
            let mut number = || fields.next()?.parse().ok();
            let _password: Option<u32> = number();
            return Ok(number().zip(number()));
        }
    }
    Ok(None)
}

/// Debian's and Ubuntu's place: a directory per version.
const DEBIAN: &str = "/usr/lib/postgresql";

const OTHERS: [&str; 4] = [
    "/usr/local/pgsql/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/opt/homebrew/bin",
];

const SUPERUSER: &str = "sidegate";

const INITDB: [&str; 5] = [
    "--no-sync",
    "--auth=trust",
    "--username=sidegate",
    "--encoding=UTF8",
    "--no-locale",
];

/// Data that nobody needs after the test need not reach the disk.
const SETTINGS: &str = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off";

const LOG: &str = "server.log";

/// Ports to try.
const TRIES: usize = 3;
