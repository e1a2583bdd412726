//! Sections are mappings, and nothing else.
//!
//! Promise: a list where a section belongs is refused. serde's derive would read `admin: []` as a
//! section with all its defaults and `keys: [[a.json]]` by position. Unknown and missing keys stay
//! the derive's business.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};

/// A section, whose derived reader is asked only once a mapping has been seen.
pub(crate) trait Section: Sized {
    fn from_entries<'de, A: MapAccess<'de>>(
        entries: MapAccessDeserializer<A>,
    ) -> Result<Self, A::Error>;
}

/// Accepts mappings only.
pub(crate) struct MappingVisitor<T>(pub(crate) PhantomData<T>);

impl<'de, T: Section> Visitor<'de> for MappingVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_entries(MapAccessDeserializer::new(map))
    }
}

/// Implements `Deserialize` for types that derive it with `#[serde(remote = "Self")]`, which puts
/// the derived reader beside the trait instead of into it.
macro_rules! only_mapping {
    ($($section:ident),+ $(,)?) => {$(
        impl crate::raw::mapping::Section for $section {
            fn from_entries<'de, A: serde::de::MapAccess<'de>>(
                entries: serde::de::value::MapAccessDeserializer<A>,
            ) -> Result<Self, A::Error> {
                // The inherent function, not the trait's.
                $section::deserialize(entries)
            }
        }

        impl<'de> serde::Deserialize<'de> for $section {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let visitor = crate::raw::mapping::MappingVisitor(std::marker::PhantomData);
                deserializer.deserialize_map(visitor)
            }
        }
    )+};
}

pub(crate) use only_mapping;
