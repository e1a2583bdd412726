//! What happens to a server: an orderly restart, and a death.
//!
//! Promises: a crash leaves no process of the server; what it had not written is lost. Does not: lose
//! what the system has, so a crash of the machine is something else.

use std::fs;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Cluster, ClusterError, SUPERUSER, run};

impl Cluster {
    /// Ends all connections, writes everything, stops, and starts again.
    ///
    /// # Errors
    ///
    /// When it does not stop, or not start.
    pub fn restart(&self) -> Result<(), ClusterError> {
        let mut pg_ctl = self.programs.command("pg_ctl", self.directory.path());
        pg_ctl.args(["stop", "--wait", "--silent", "--mode", "fast", "--pgdata"]);
        pg_ctl.arg(self.data());
        run(pg_ctl, "pg_ctl stop", &self.data())?;
        self.resume()
    }

    /// Kills every process of the server with SIGKILL, and leaves what is on the disk to
    /// [`Self::resume`].
    ///
    /// # Errors
    ///
    /// When its processes cannot be found, or do not go.
    pub fn crash(&self) -> Result<(), ClusterError> {
        let lock = self.data().join(LOCK);
        let parent = self.process()?;
        let mut all = children(parent)?;
        all.push(parent);
        kill(&all)?;
        let end = Instant::now() + PATIENCE;
        while all.iter().any(|process| is_alive(*process)) {
            if Instant::now() > end {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            sleep(LOOK);
        }
        // Where nobody collects the dead, the next server would take the last one for alive.
        let socket = format!(".s.PGSQL.{}.lock", self.port);
        fs::remove_file(self.directory.path().join(socket))?;
        Ok(fs::remove_file(lock)?)
    }
}

impl Cluster {
    /// The server's first process, whose children are the others.
    pub(crate) fn process(&self) -> io::Result<u32> {
        let file = fs::read_to_string(self.data().join(LOCK))?;
        let first = file.lines().next().unwrap_or_default().trim();
        first.parse().map_err(io::Error::other)
    }

    /// Takes a backup of what there is now, in the place of an earlier one.
    ///
    /// # Errors
    ///
    /// When it cannot be taken.
    pub fn back_up(&self) -> Result<(), ClusterError> {
        let backup = self.directory.path().join(BACKUP);
        if backup.exists() {
            fs::remove_dir_all(&backup)?;
        }
        let mut program = self
            .programs
            .command("pg_basebackup", self.directory.path());
        program.args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
        program.args(["--username", SUPERUSER, "--checkpoint", "fast", "--no-sync"]);
        program.arg("--pgdata").arg(&backup);
        run(program, "pg_basebackup", &self.data())
    }

    /// Kills the server, and starts the backup in its place: what was committed since is gone, and a new
    /// timeline begins.
    ///
    /// # Errors
    ///
    /// When there is no backup, or it does not start.
    pub fn restore(&self) -> Result<(), ClusterError> {
        self.crash()?;
        fs::remove_dir_all(self.data())?;
        fs::rename(self.directory.path().join(BACKUP), self.data())?;
        // Nothing beyond what the backup has of the log is to be had.
        let mut settings = fs::OpenOptions::new()
            .append(true)
            .open(self.data().join("postgresql.auto.conf"))?;
        settings.write_all(b"restore_command = 'false'\n")?;
        let signal = self.data().join("recovery.signal");
        fs::write(&signal, "")?;
        self.programs.give(&signal)?;
        self.resume()
    }
}

/// Kills a process with SIGKILL. One that is gone already is as good.
pub(crate) fn kill(processes: &[u32]) -> io::Result<()> {
    let mut kill = Command::new("kill");
    kill.arg("-KILL").args(processes.iter().map(u32::to_string));
    kill.stderr(Stdio::null()).status().map(drop)
}

/// The processes whose parent it is.
fn children(parent: u32) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if stat(process).is_some_and(|(_, of)| of == parent) {
            found.push(process);
        }
    }
    Ok(found)
}

/// A process that only waits to be noticed is dead.
fn is_alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// State and parent (proc_pid_stat(5)); the name before them may hold anything, but no `)` follows it.
fn stat(process: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// A folder beside the data.
/// The server writes its number there.
const LOCK: &str = "postmaster.pid";

const BACKUP: &str = "backup";

const LOOK: Duration = Duration::from_millis(2);

const PATIENCE: Duration = Duration::from_secs(10);
