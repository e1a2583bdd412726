//! Scalars that may come from an environment variable.
//!
//! Promise: an expanded `${PORT:-8080}` is a string, so a number or a flag is read from its text
//! as well as from its own YAML type, by one rule. A refusal says what was expected and does not
//! show the value, which may be a secret in the wrong place. Bounds are not checked here.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number or a flag, as itself or as a string that holds it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lenient<T>(pub(crate) T);

/// A duration such as `500ms`, `30s` or `24h`, not yet read.
pub(crate) struct DurationText(pub(crate) String);

/// What a refusal says about a type.
pub(crate) trait Expected {
    /// `a whole number`.
    const EXPECTED: &'static str;
}

impl Expected for bool {
    const EXPECTED: &'static str = "`true` or `false`";
}

impl Expected for f64 {
    const EXPECTED: &'static str = "a number";
}

impl Expected for usize {
    const EXPECTED: &'static str = "a whole number";
}

impl Expected for u64 {
    const EXPECTED: &'static str = "a whole number";
}

impl<'de, T: FromStr + Expected> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(ScalarText(T::EXPECTED))?;
        match text.parse() {
            Ok(value) => Ok(Self(value)),
            Err(_) => Err(Error::custom(format_args!("expected {}", T::EXPECTED))),
        }
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(ScalarText("a duration such as `30s`"))
            .map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for Lenient<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [T::json_schema(generator), { "type": "string" }] })
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Duration")
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["500ms", "30s", "24h"] })
    }
}

/// Takes any scalar as the text that it was written as; the argument says what was expected.
struct ScalarText(&'static str);

impl Visitor<'_> for ScalarText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_read_as_itself_or_from_its_text() {
        for text in ["8080", "'8080'"] {
            let number: Lenient<usize> = serde_yaml::from_str(text).unwrap();
            assert_eq!(number.0, 8080, "{text}");
        }
        for text in ["true", "'true'"] {
            let flag: Lenient<bool> = serde_yaml::from_str(text).unwrap();
            assert!(flag.0, "{text}");
        }
    }

    #[test]
    fn a_refusal_does_not_show_the_value() {
        for text in ["hunter2", "-1", "1.5", "[hunter2]"] {
            let error = serde_yaml::from_str::<Lenient<usize>>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains("expected a whole number"), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(serde_yaml::from_str::<Lenient<bool>>("1").is_err());
    }
}
