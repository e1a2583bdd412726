//! Which object of the storage a resource is.
//!
//! Promise: an id is one segment of the object's path, or a part of one, and nothing else: no id leads to
//! the object of another resource, however the storage reads its path.

use std::fmt::Write as _;

use sidegate_config::MediaSettings;
use sidegate_policy::Id;

/// The name of a route's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    bucket: String,
    before: String,
    after: String,
}

impl From<&MediaSettings> for Object {
    fn from(settings: &MediaSettings) -> Self {
        Self {
            bucket: settings.bucket.clone(),
            before: settings.before.clone(),
            after: settings.after.clone(),
        }
    }
}

impl Object {
    /// Bucket and object of an id, percent-encoded; `None`: an id of this kind has none.
    ///
    /// A storage may decode the path, or resolve dots in it, before it looks for an object: an id with a
    /// separator, or one that makes a dot segment, is none that an object is named by.
    #[must_use]
    pub fn of(&self, id: &Id) -> Option<String> {
        let id = id.as_str();
        let has_separator = id.contains(['/', '\\']);
        let segment = |text: &str, id: &str| [text, id].concat();
        let head = segment(self.before.rsplit('/').next().unwrap_or_default(), id);
        let whole = segment(&head, self.after.split('/').next().unwrap_or_default());
        if has_separator || ["", ".", ".."].contains(&whole.as_str()) {
            return None;
        }
        let mut path = format!("{}/{}", self.bucket, self.before);
        for byte in id.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                path.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
        path.push_str(&self.after);
        Some(path)
    }
}
