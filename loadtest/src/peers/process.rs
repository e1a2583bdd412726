//! A peer's process.
//!
//! Promises: it listens when it has started, and has ended when it is dropped. Does not: know what it
//! is configured for.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::PeersError;

/// How a program is started.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    /// For messages and for its folder.
    pub(super) name: &'static str,
    /// What starts it: on which core, under which other program.
    pub(super) under: &'a [String],
    pub(super) program: &'a Path,
    /// In which it has a folder of its own.
    pub(super) folder: &'a Path,
    /// The name of its configuration.
    pub(super) file: &'static str,
}

/// A process that listens.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    address: SocketAddr,
}

impl Launch<'_> {
    /// Starts it on a free port. `configure` is given its address and its folder, and hands back its configuration,
    /// `arguments` get the same and the path of the configuration.
    pub(super) async fn start(
        &self,
        configure: impl Fn(SocketAddr, &Path) -> Result<String, PeersError>,
        arguments: impl Fn(SocketAddr, &Path) -> Vec<String>,
    ) -> Result<Running, PeersError> {
        let folder = self.folder.join(self.name);
        fs::create_dir_all(&folder)?;
        let (configuration, log) = (folder.join(self.file), folder.join("log"));
        let mut said = String::new();
        for _ in 0..TRIES {
            let address = free_address()?;
            fs::write(&configuration, configure(address, &folder)?)?;
            let written = File::create(&log)?;
            let mut command = self.command();
            command
                .args(arguments(address, &configuration))
                .stdin(Stdio::null())
                .stdout(written.try_clone()?)
                .stderr(written);
            let child = command.spawn().map_err(|source| PeersError::Program {
                path: command.get_program().into(),
                source,
            })?;
            // From here on it ends with this struct.
            let mut running = Running { child, address };
            if running.wait().await? {
                return Ok(running);
            }
            said = tail(&log);
        }
        Err(PeersError::Start {
            peer: self.name,
            said,
        })
    }

    fn command(&self) -> Command {
        match self.under.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(self.program);
                command
            }
            None => Command::new(self.program),
        }
    }
}

impl Running {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it listens, in the end.
    async fn wait(&mut self) -> io::Result<bool> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(true);
            }
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
        Ok(false)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first: whoever has children of its own ends them. One that has ended cannot be asked, nor killed.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let end = Instant::now() + ENDING;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program is, if it is; `name` is a path, or looked for where servers are.
pub(super) fn find(name: &Path) -> Option<PathBuf> {
    let places = ["", "/usr/local/sbin", "/usr/sbin", "/usr/local/bin"];
    let candidates = places.map(|place| Path::new(place).join(name));
    candidates
        .into_iter()
        .find(|candidate| runs(candidate).is_ok())
}

/// This path, if there is a program that can be started.
pub(super) fn runs(path: &Path) -> Result<PathBuf, PeersError> {
    let asked = Command::new(path).arg("-v").stdin(Stdio::null()).output();
    match asked {
        Ok(_said) => Ok(path.to_owned()),
        Err(source) => Err(PeersError::Program {
            path: path.to_owned(),
            source,
        }),
    }
}

/// What it says that it is, in one line.
pub(super) fn version(program: &Path, argument: &str) -> String {
    let asked = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output();
    let Ok(output) = asked else {
        return String::new();
    };
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let line = out
        .lines()
        .chain(err.lines())
        .find(|line| !line.trim().is_empty());
    // A word, or a part of one between slashes, that begins with a digit and has a point.
    let mut words = line.unwrap_or_default().split([' ', '/']);
    let is_version =
        |word: &&str| word.contains('.') && word.starts_with(|it: char| it.is_ascii_digit());
    words.find(is_version).unwrap_or_default().to_owned()
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The end of a log.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(5)..);
    last.unwrap_or_default().join("; ")
}

/// A port may be taken by somebody else before the program has it.
const TRIES: u32 = 3;
const LOOK: Duration = Duration::from_millis(10);
/// Under valgrind it takes its time.
const PATIENCE: Duration = Duration::from_secs(30);
const ENDING: Duration = Duration::from_secs(3);
