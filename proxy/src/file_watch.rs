//! Notices that files have changed and come to rest.
//!
//! Promise: replacing a file by rename, writing it in place, and swapping a symlink on the way to it
//! (Kubernetes' `..data`) are all changes; a file that is still being written is not reported
//! before two looks in a row see the same; two edits within the grain of the time stamps are both
//! noticed. Does not: read a file whose stamp is old and known.
//!
//! Files are polled: they are small, and a notification that gets lost would be a right that stays.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

/// Time stamps are this coarse at worst: within it, two edits can look like one.
const STAMP_GRAIN: Duration = Duration::from_secs(2);

/// Watches some files as one thing.
#[derive(Debug, Default)]
pub struct FileWatch {
    /// How they looked at the last look.
    last: Vec<Option<Stamp>>,
    /// Whether the last two looks saw the same.
    at_rest: bool,
    /// How they looked when they were last read.
    read: Vec<Option<Stamp>>,
    /// The SHA-256 of what was in them then. (Some of them hold secrets.)
    contents: Vec<Option<[u8; 32]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    fresh: bool,
}

impl FileWatch {
    /// Knows the files as they are now: only what changes from here on is a change.
    #[must_use]
    pub fn seeded(paths: &[PathBuf]) -> Self {
        let stamps: Vec<_> = paths.iter().map(|path| stamp(path)).collect();
        let contents = paths.iter().map(|path| hash_of(path)).collect();
        Self {
            last: stamps.clone(),
            at_rest: true,
            read: stamps,
            contents,
        }
    }

    /// Looks once. Whether the files have changed since they were last reported, and have come to
    /// rest. The first time, they have, unless the watch was seeded.
    pub fn changed(&mut self, paths: &[PathBuf]) -> bool {
        let stamps: Vec<_> = paths.iter().map(|path| stamp(path)).collect();
        self.at_rest = self.last == stamps;
        self.last.clone_from(&stamps);
        if !self.at_rest {
            return false;
        }
        // What could not be read may be readable now without a change of its stamp.
        let unread = stamps
            .iter()
            .zip(&self.contents)
            .any(|(stamp, text)| stamp.is_some() && text.is_none());
        let fresh = stamps.iter().flatten().any(|stamp| stamp.fresh);
        if self.read == stamps && !fresh && !unread {
            return false;
        }
        self.read = stamps;
        // The stamps are new, or too young to be trusted; the contents say whether there was an
        // edit.
        let contents: Vec<_> = paths.iter().map(|path| hash_of(path)).collect();
        let edited = self.contents != contents;
        self.contents = contents;
        edited
    }
}

impl FileWatch {
    /// Whether nobody was writing the files at the last look.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.at_rest
    }
}

fn hash_of(path: &Path) -> Option<[u8; 32]> {
    let contents = std::fs::read(path).ok()?;
    digest(&SHA256, &contents).as_ref().try_into().ok()
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
