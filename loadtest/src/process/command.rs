//! Commands of Sidegate that end by themselves.
//!
//! Promises: one that does not end within two minutes is killed, and an error; so it is killed when nobody waits for it
//! any longer. Does not: keep what a command has said when all is well.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::{CONFIG, LOG, LOOK, ProcessError, Setup, folder, folder_with, tail};

/// Installs Sidegate's part of the database.
pub(crate) async fn migrate(binary: &Path, setup: &Setup) -> Result<(), ProcessError> {
    command(binary, setup, &["migrate"]).await
}

/// Runs a command of Sidegate to its end.
pub(crate) async fn command(
    binary: &Path,
    setup: &Setup,
    arguments: &[&str],
) -> Result<(), ProcessError> {
    run_command(binary, folder(setup)?, arguments).await
}

/// The same, with a configuration of its own.
pub(crate) async fn command_with(
    binary: &Path,
    configuration: &str,
    files: &[(&str, &str)],
    arguments: &[&str],
) -> Result<(), ProcessError> {
    run_command(binary, folder_with(configuration, files)?, arguments).await
}

async fn run_command(
    binary: &Path,
    folder: TempDir,
    arguments: &[&str],
) -> Result<(), ProcessError> {
    let mut command = Command::new(binary);
    let (name, further) = arguments.split_first().unwrap_or((&"check", &[]));
    let log = folder.path().join(LOG);
    command
        .args([name, "--config"])
        .arg(folder.path().join(CONFIG))
        .args(further)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let child = command.spawn().map_err(|source| ProcessError::Binary {
        path: binary.to_owned(),
        source,
    })?;
    // From here on it ends with this struct.
    let mut running = Running(child);
    let Ok(status) = timeout(PATIENCE, Box::pin(running.end())).await else {
        return Err(ProcessError::Command(format!(
            "{name} does not end within {PATIENCE:?}: {}",
            tail(&log)
        )));
    };
    if status?.success() {
        return Ok(());
    }
    let said = fs::read_to_string(&log)?;
    Err(ProcessError::Command(format!("{name}: {said}")))
}

/// A command; killed when it is dropped.
struct Running(Child);

impl Running {
    async fn end(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            sleep(LOOK).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed; nobody is left to be told.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(120);
