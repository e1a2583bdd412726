//! A file's text, replaced whole.
//!
//! Promises: whoever reads meanwhile sees all of what was there or all of what is there now, also when the writer is
//! ended half-way.
//!
//! Does not: wait for the disk.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Puts `text` in place of what the file held. What is not a file itself, such as a pipe or a link (`/dev/stdout`), is
/// written to as it is.
///
/// # Errors
///
/// When it cannot be written; a file that was there is then as it was.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return fs::write(path, text);
    }
    // A rename within a folder is done or not.
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let mut beside = tempfile::Builder::new()
        .permissions(Permissions::from_mode(READABLE))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    beside.write_all(text)?;
    beside.persist(path)?;
    Ok(())
}

/// For whom the system's mask permits it, as of every file that is made.
const READABLE: u32 = 0o666;

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
        // What a link leads to is written, and the link stays.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&page, &link).unwrap();
        replace(&link, b"through it").unwrap();
        assert_eq!(fs::read_to_string(&page).unwrap(), "through it");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_file(&link).unwrap();
        let names = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["page.html"]);
    }
}
