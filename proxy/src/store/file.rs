//! The embedded store: a [`Directory`] read from one file, and read again when the file changes.
//!
//! Promise: an edit counts within two polls after the file came to rest; an edit that cannot be
//! understood changes nothing and is reported until it is mended. The edit says which rows it changed,
//! so that what is kept of the others goes on.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use sidegate_policy::Policy;

use super::{Answer, Directory, DirectoryError, History, Origin, Question};
use crate::file_watch::FileWatch;

/// The current directory.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    policy: Arc<Policy>,
    history: Arc<History>,
    current: ArcSwap<Directory>,
    problem: ArcSwap<Option<String>>,
    /// The last reading failed before the text was there: it may succeed without an edit.
    unread: AtomicBool,
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
    /// A new directory counts.
    Loaded {
        /// How many rows it has.
        rows: usize,
        /// The tags of those that are not as they were.
        tags: Vec<String>,
    },
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
            history: Arc::new(history()),
            current: ArcSwap::from_pointee(directory),
            problem: ArcSwap::from_pointee(None),
            unread: AtomicBool::new(false),
        })
    }

    /// The directory that counts now.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.current.load_full()
    }

    /// The rows that a question is about, with their origin.
    #[must_use]
    pub fn ask(&self, question: &Question<'_>) -> Answer {
        Answer {
            origin: Some(Origin {
                xmin: 0,
                history: Arc::clone(&self.history),
            }),
            ..self.current.load().answer(question)
        }
    }

    /// The one life of this store: another opening of the same file is another store.
    #[must_use]
    pub const fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// Why the file as it is now does not count, if it does not.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.problem.load().as_ref().clone()
    }

    fn adopt(&self, read: Result<Directory, FileError>) -> Option<Change> {
        self.unread.store(
            matches!(read, Err(FileError::Read { .. })),
            Ordering::Relaxed,
        );
        match read {
            Ok(directory) => {
                let (rows, tags) = (directory.rows(), self.current.load().changes(&directory));
                self.current.store(Arc::new(directory));
                self.problem.store(Arc::new(None));
                Some(Change::Loaded { rows, tags })
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
pub struct Watch(FileWatch);

impl Watch {
    /// Looks at the file once, and reads it if it has changed and come to rest, or if it could not
    /// be read before.
    pub fn poll(&mut self, store: &FileStore) -> Option<Change> {
        let changed = self.0.changed(std::slice::from_ref(&store.path));
        let again = store.unread.load(Ordering::Relaxed) && self.0.is_at_rest();
        if !changed && !again {
            return None;
        }
        store.adopt(text(&store.path).and_then(|text| parse(&store.path, &text, &store.policy)))
    }
}

fn history() -> History {
    let random = RandomState::new().build_hasher().finish();
    History {
        system: "file".into(),
        timeline: "".into(),
        incarnation: Some(format!("{random:016x}").into()),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, SystemTime};

    use sidegate_policy::{Document, Id, IdType};

    use super::*;

    const GOOD: &str = "users: [{ id: alice, active: true }]\n";
    const OTHER: &str = "users: [{ id: alice, active: true }, { id: bob, active: true }]\n";

    fn policy() -> Arc<Policy> {
        let document = Document {
            subject_id: IdType::Text,
            roles: BTreeMap::new(),
            visibility_roles: BTreeMap::new(),
            subject_roles: BTreeMap::new(),
            kinds: BTreeMap::new(),
        };
        Arc::new(Policy::compile(&document).unwrap())
    }

    fn knows(store: &FileStore, name: &str) -> bool {
        let subject = Id::parse(IdType::Text, name).unwrap();
        let question = Question {
            subject: &subject,
            resource: None,
        };
        store.ask(&question).subject.is_some()
    }

    /// Two looks: one sees the edit, the next sees that the file has come to rest.
    fn look_twice(watch: &mut Watch, store: &FileStore) -> Option<Change> {
        watch.poll(store).or_else(|| watch.poll(store))
    }

    /// The rows of a directory that now counts.
    fn loaded(change: Option<Change>) -> Option<usize> {
        match change? {
            Change::Loaded { rows, .. } => Some(rows),
            Change::Refused(_) => None,
        }
    }

    /// A good file that was read.
    fn watched() -> (tempfile::TempDir, PathBuf, FileStore, Watch) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.yaml");
        std::fs::write(&path, GOOD).unwrap();
        let store = FileStore::open(&path, policy()).unwrap();
        let mut watch = Watch::default();
        look_twice(&mut watch, &store);
        (folder, path, store, watch)
    }

    #[test]
    fn an_edit_counts_and_a_bad_one_keeps_the_last_good() {
        let (_folder, path, store, mut watch) = watched();

        std::fs::write(&path, OTHER).unwrap();
        let change = look_twice(&mut watch, &store).unwrap();
        let tags = vec!["resource:user:bob".to_owned(), "user:bob".to_owned()];
        assert_eq!(change, Change::Loaded { rows: 2, tags });
        assert!(knows(&store, "bob"));

        for bad in [
            "users: [",
            "",
            "users: [{ id: bob, activ: true }]",
            "users: [{ id: bob }]",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(
                matches!(look_twice(&mut watch, &store), Some(Change::Refused(_))),
                "{bad}"
            );
            assert!(knows(&store, "bob") && store.problem().is_some(), "{bad}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            look_twice(&mut watch, &store),
            Some(Change::Refused(_))
        ));
        assert_eq!(look_twice(&mut watch, &store), None, "it is said once");
        assert!(knows(&store, "bob"));

        std::fs::write(&path, GOOD).unwrap();
        assert_eq!(loaded(look_twice(&mut watch, &store)), Some(1));
        assert!(!knows(&store, "bob") && store.problem().is_none());
    }

    #[test]
    fn an_edit_by_rename_and_one_within_the_clocks_grain_count() {
        let (folder, path, store, mut watch) = watched();

        let next = folder.path().join("next");
        std::fs::write(&next, OTHER).unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert_eq!(loaded(look_twice(&mut watch, &store)), Some(2));

        // Same file, same length, same time stamp, other text.
        let stamp = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, OTHER.replace("bob", "eve")).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(stamp)
            .unwrap();
        assert_eq!(loaded(look_twice(&mut watch, &store)), Some(2));
        assert!(knows(&store, "eve") && !knows(&store, "bob"));
    }

    #[test]
    fn a_file_that_could_not_be_read_is_read_when_it_can_be_and_is_at_rest() {
        let (_folder, path, store, mut watch) = watched();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            look_twice(&mut watch, &store),
            Some(Change::Refused(_))
        ));
        // It is there again, and still being written: its first half would be understood.
        std::fs::write(&path, GOOD).unwrap();
        assert_eq!(watch.poll(&store), None);
        std::fs::write(&path, OTHER).unwrap();
        assert_eq!(watch.poll(&store), None);
        assert_eq!(loaded(watch.poll(&store)), Some(2));
    }

    #[test]
    fn a_file_that_is_still_being_written_is_not_read() {
        let (_folder, path, store, mut watch) = watched();
        for second in 0..3 {
            std::fs::write(&path, OTHER).unwrap();
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(moment)
                .unwrap();
            assert_eq!(watch.poll(&store), None);
        }
        assert_eq!(loaded(watch.poll(&store)), Some(2));
    }
}
