//! Ids, parsed to the type of the application's column before anything is asked about them.
//!
//! Promise: two spellings of one id are one [`Id`], and text that the column's type would not
//! accept is not an id at all, so that nothing can be found under it (DESIGN §3).

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

/// The longest text id, in bytes. Longer text does not name anything.
const MAX_TEXT_BYTES: usize = 256;

/// The type of an id's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdType {
    /// `uuid`: hyphenated, bare or braced, in either case.
    Uuid,
    /// `bigint`: a decimal number of 64 bits.
    Bigint,
    /// `text`: 1..=256 bytes without control characters, compared byte by byte.
    Text,
}

impl IdType {
    /// The name used in configuration and path templates.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Bigint => "bigint",
            Self::Text => "text",
        }
    }

    /// Parses the name used in configuration and path templates.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Uuid, Self::Bigint, Self::Text]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// An id in the canonical text of its column's type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

impl Id {
    /// Parses `text` as an id of this type; `None` means that nothing can have this id.
    #[must_use]
    pub fn parse(id_type: IdType, text: &str) -> Option<Self> {
        match id_type {
            // `urn:uuid:` is the one spelling the crate takes and Postgres does not.
            IdType::Uuid if text.starts_with(['u', 'U']) => None,
            IdType::Uuid => {
                let parsed = uuid::Uuid::try_parse(text).ok()?;
                let mut buffer = uuid::Uuid::encode_buffer();
                Some(Self(Arc::from(
                    &*parsed.hyphenated().encode_lower(&mut buffer),
                )))
            }
            IdType::Bigint => Some(Self(Arc::from(text.parse::<i64>().ok()?.to_string()))),
            IdType::Text => {
                let fits = (1..=MAX_TEXT_BYTES).contains(&text.len());
                (fits && !text.chars().any(char::is_control)).then(|| Self(Arc::from(text)))
            }
        }
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_uuid_are_one_id() {
        let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for spelling in [
            canonical,
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(
                Id::parse(IdType::Uuid, spelling).unwrap().as_str(),
                canonical,
                "{spelling}"
            );
        }
    }

    #[test]
    fn what_the_column_would_refuse_is_no_id() {
        let urn = "urn:uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [
            "",
            "x",
            urn,
            "a0eebc99-9c0b-4ef8-bb6d",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
        ] {
            assert_eq!(Id::parse(IdType::Uuid, text), None, "{text}");
        }
        for text in ["", "1.0", "0x1", "9223372036854775808", " 1", "1 "] {
            assert_eq!(Id::parse(IdType::Bigint, text), None, "{text}");
        }
        for text in ["", "a\nb", "a\0", &"x".repeat(257)] {
            assert_eq!(Id::parse(IdType::Text, text), None, "{text}");
        }
    }

    #[test]
    fn numbers_and_text_are_canonical() {
        assert_eq!(Id::parse(IdType::Bigint, "007").unwrap().as_str(), "7");
        assert_eq!(Id::parse(IdType::Bigint, "-9").unwrap().as_str(), "-9");
        assert_eq!(Id::parse(IdType::Text, "Über").unwrap().as_str(), "Über");
    }
}
