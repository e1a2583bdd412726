//! The embedded store: a [`Directory`] read from one file, and read again when the file changes.
//!
//! Promise: an edit counts within `2 × poll_interval` after the file came to rest; an edit that
//! cannot be understood changes nothing and is reported until it is mended. Replacing the file by
//! rename, writing in place, and swapping a symlink on the way to it (Kubernetes) are all edits.
//!
//! The file is polled: it is small, and a notification that gets lost would be a right that stays.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sidegate_policy::Policy;

use super::{Directory, DirectoryError};

/// A file's time stamps are this coarse at worst: within it, two edits can look like one.
const STAMP_GRAIN: Duration = Duration::from_secs(2);

/// The current directory.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    policy: Arc<Policy>,
    current: ArcSwap<Directory>,
    problem: ArcSwap<Option<String>>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be understood.
    #[error("{}: {source}", path.display())]
    Directory {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DirectoryError,
    },
}

/// What changed, for the log and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new directory counts, of this many rows.
    Loaded(usize),
    /// The file is bad, for this reason; the last good directory still counts.
    Refused(String),
}

impl FileStore {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn open(path: &Path, policy: Arc<Policy>) -> Result<Self, FileError> {
        let directory = parse(path, &text(path)?, &policy)?;
        Ok(Self {
            path: path.to_owned(),
            policy,
            current: ArcSwap::from_pointee(directory),
            problem: ArcSwap::from_pointee(None),
        })
    }

    /// The directory that counts now.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.current.load_full()
    }

    /// Why the file as it is now does not count, if it does not.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.problem.load().as_ref().clone()
    }

    fn adopt(&self, read: Result<Directory, FileError>) -> Option<Change> {
        match read {
            Ok(directory) => {
                let rows = directory.len();
                self.current.store(Arc::new(directory));
                self.problem.store(Arc::new(None));
                Some(Change::Loaded(rows))
            }
            Err(error) => {
                let message = error.to_string();
                let known = self.problem.load().as_ref().as_deref() == Some(&message);
                self.problem.store(Arc::new(Some(message.clone())));
                (!known).then_some(Change::Refused(message))
            }
        }
    }
}

/// Notices edits of a [`FileStore`]'s file.
#[derive(Debug, Default)]
pub struct Watch {
    /// How the file looked at the last poll.
    last: Option<Stamp>,
    /// How it looked when it was last read.
    read: Option<Stamp>,
    /// What was in it then.
    text: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    fresh: bool,
}

impl Watch {
    /// Looks at the file once. A file that changed since the last look is still being written;
    /// it is read when two looks in a row see the same.
    pub fn poll(&mut self, store: &FileStore) -> Option<Change> {
        let stamp = stamp(&store.path);
        let at_rest = self.last == stamp;
        self.last = stamp;
        if !at_rest || (self.read == stamp && stamp.is_some_and(|stamp| !stamp.fresh)) {
            return None;
        }
        self.read = stamp;
        let text = text(&store.path);
        // The stamp is new, or too young to be trusted; the text says whether there was an edit.
        if text
            .as_ref()
            .is_ok_and(|text| self.text.as_ref() == Some(text))
        {
            return None;
        }
        self.text = text.as_ref().ok().cloned();
        store.adopt(text.and_then(|text| parse(&store.path, &text, &store.policy)))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        fresh: age.is_none_or(|age| age < STAMP_GRAIN),
    })
}

fn text(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse(path: &Path, text: &str, policy: &Policy) -> Result<Directory, FileError> {
    Directory::parse(text, policy).map_err(|source| FileError::Directory {
        path: path.to_owned(),
        source,
    })
}
