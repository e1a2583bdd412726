//! Files that decide who gets in, and who may write to them.
//!
//! Promise: a configuration of which anybody on the machine could change a file, and with it who gets
//! in, is refused by the name of the file, at start and on a reload; `insecure_writable_files` accepts
//! it. What is unsafe in the configuration itself is refused by `sidegate_config`.
//!
//! Does not: look at the folders above, or at who owns a file; on a system without Unix permissions, at
//! anything.

use std::fs;
use std::path::{Path, PathBuf};

use sidegate_config::{Settings, StoreSettings};

use crate::generation;

/// Why the files of a configuration are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: everybody may write to this file, and it decides who gets in: expected permissions such as \
     0640, or `insecure_writable_files: true`",
    .0.display()
)]
pub struct Writable(pub PathBuf);

/// Checks the files that a configuration is read from. A file that cannot be looked at is left to
/// whoever reads it.
///
/// # Errors
/// The first file to which everybody may write.
pub fn files(settings: &Settings) -> Result<(), Writable> {
    if settings.writable_files {
        return Ok(());
    }
    let directory = match &settings.store {
        StoreSettings::File { path, .. } => Some(path.clone()),
        StoreSettings::Postgres(_) => None,
    };
    let files = generation::files(settings).into_iter().chain(directory);
    match files.into_iter().find(|file| is_writable(file)) {
        Some(file) => Err(Writable(file)),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn is_writable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS_WRITE: u32 = 0o002;
    fs::metadata(file).is_ok_and(|found| found.permissions().mode() & OTHERS_WRITE != 0)
}

#[cfg(not(unix))]
fn is_writable(_file: &Path) -> bool {
    false
}
