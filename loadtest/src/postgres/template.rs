//! A cluster made once and copied: `initdb` takes longer than all that a small test does.
//!
//! Promises: one per build folder, program folder and set of options; made aside and put in place whole,
//! so that two that make it at once do not meet. Does not: exist outside of a build folder; then each
//! cluster has an `initdb` of its own. Copies have one system identifier, and only that, in common.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::{ClusterError, Programs};

/// Where the copies come from.
#[derive(Debug)]
pub(super) struct Template(PathBuf);

impl Template {
    /// The template's place, if this program was started from a build folder.
    pub(super) fn place(programs: &Programs) -> Option<Self> {
        let program = std::env::current_exe().ok()?;
        let mut above = program.ancestors();
        let target = above.find(|path| path.join("CACHEDIR.TAG").is_file())?;
        // As a name: `/usr/lib/postgresql/15/bin` and `/usr/lib/postgresql/16/bin` are two.
        let name: String = programs.directory.to_string_lossy().replace('/', "-");
        Some(Self(target.join("tmp").join(format!("cluster{name}"))))
    }

    /// Makes `data` a cluster of its own.
    pub(super) fn copy_to(&self, programs: &Programs, data: &Path) -> Result<(), ClusterError> {
        if !self.0.is_dir() {
            self.make(programs)?;
        }
        copy(&self.0, data, programs.user)?;
        Ok(())
    }

    fn make(&self, programs: &Programs) -> Result<(), ClusterError> {
        // Whoever runs the server may not be able to reach the build folder: `initdb` works elsewhere.
        let directory = tempfile::Builder::new().prefix("sidegate-pg").tempdir()?;
        programs.give(directory.path())?;
        let data = directory.path().join("data");
        programs.initdb(directory.path(), &data)?;
        let parent = self.0.parent().unwrap_or(&self.0);
        fs::create_dir_all(parent)?;
        let aside = tempfile::Builder::new()
            .prefix("cluster")
            .tempdir_in(parent)?;
        let whole = aside.path().join("data");
        copy(&data, &whole, None)?;
        match fs::rename(&whole, &self.0) {
            Err(error) if !self.0.is_dir() => Err(error.into()),
            // Another one was faster.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// A folder and all that is in it, given to `user`.
fn copy(from: &Path, to: &Path, user: Option<(u32, u32)>) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let next = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &next, user)?;
        } else {
            fs::copy(entry.path(), &next)?;
            give(&next, user)?;
        }
    }
    give(to, user)
}

fn give(path: &Path, user: Option<(u32, u32)>) -> io::Result<()> {
    match user {
        Some((user, group)) => chown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}
