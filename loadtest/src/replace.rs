//! A file's text, replaced whole.
//!
//! Promises: whoever reads meanwhile sees all of what was there or all of what is there now, also when the writer is
//! ended half-way.
//!
//! Does not: wait for the disk.

use std::fs;
use std::io;
use std::path::Path;

/// Puts `text` in place of what the file held. What is not a file, such as a pipe, is written to as it is.
///
/// # Errors
///
/// When it cannot be written; a file that was there is then as it was.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return fs::write(path, text);
    }
    // A rename within a folder is done or not.
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let done = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        // It may not even be there.
        drop(fs::remove_file(&beside));
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_the_place_of_another_and_what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.html");
        for text in ["a first text", "another"] {
            replace(&page, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&page).unwrap(), text);
        }
        let nowhere = folder.path().join("no/folder.html");
        assert!(replace(&nowhere, b"text").is_err());
        // A folder is no file, and nothing is put in its place.
        assert!(replace(folder.path(), b"text").is_err());
        let names = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["page.html"]);
    }
}
