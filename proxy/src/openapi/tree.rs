//! From the text of a document to a tree of values.
//!
//! Promise: a key that is there twice is refused, because the first would be dropped. What comes
//! out is bounded, also where YAML repeats a part by its anchor; `<<` is filled in. JSON is read by
//! a parser of JSON, whose escapes YAML does not have.
//!
//! Numbers that 64 bits do not hold are null: no number decides anything here.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::OpenApiError;
use super::text::shown;

/// The most that a tree may weigh: its text in bytes, and 16 for each node.
const MAX_WEIGHT: usize = 64 * 1024 * 1024;

/// Reads JSON or YAML.
pub(super) fn parse(text: &str) -> Result<Value, OpenApiError> {
    let text = text.trim_start_matches('\u{feff}');
    let syntax = |message: String| OpenApiError::Syntax(shown(&message));
    if !text.trim_start().starts_with(['{', '[']) {
        return yaml(text).map_err(|error| syntax(error.to_string()));
    }
    match json(text) {
        // YAML may begin like that as well; whoever writes JSON is helped by the words of its parser.
        Err(error) if error.is_syntax() => {
            yaml(text).map_err(|_not_yaml| syntax(error.to_string()))
        }
        read => read.map_err(|error| syntax(error.to_string())),
    }
}

fn json(text: &str) -> Result<Value, serde_json::Error> {
    let left = Cell::new(MAX_WEIGHT);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Node { left: &left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

fn yaml(text: &str) -> Result<Value, serde_yaml::Error> {
    let left = Cell::new(MAX_WEIGHT);
    Node { left: &left }.deserialize(serde_yaml::Deserializer::from_str(text))
}

/// One node, and what the whole tree may still weigh.
#[derive(Clone, Copy)]
struct Node<'a> {
    left: &'a Cell<usize>,
}

impl Node<'_> {
    fn weigh<E: serde::de::Error>(self, text: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(text.saturating_add(16));
        self.left
            .set(left.ok_or_else(|| E::custom("expected a smaller document"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.weigh(0).map(|()| Value::from(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.weigh(0).map(|()| Value::from(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.weigh(0).map(|()| Value::from(value))
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.weigh(0).map(|()| Value::from(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.weigh(value.len()).map(|()| Value::from(value))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.weigh(0).map(|()| Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.weigh(0)?;
        let mut list = Vec::new();
        while let Some(value) = entries.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.weigh(0)?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.weigh(key.len())?;
            let value = entries.next_value_seed(self)?;
            if map.contains_key(&key) {
                let message = format!("expected every key once: `{key}` is there twice");
                return Err(A::Error::custom(message));
            }
            map.insert(key, value);
        }
        if let Some(merged) = map.shift_remove("<<") {
            merge(&mut map, merged).map_err(A::Error::custom)?;
        }
        Ok(Value::Object(map))
    }
}

/// What `<<` brings counts where the mapping itself says nothing.
fn merge(map: &mut Map<String, Value>, merged: Value) -> Result<(), &'static str> {
    let sources = match merged {
        Value::Array(list) => list,
        one @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => vec![one],
    };
    for source in sources {
        let Value::Object(source) = source else {
            return Err("expected a mapping at `<<`");
        };
        for (key, value) in source {
            map.entry(key).or_insert(value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_yaml_are_read_alike() {
        let expected =
            json!({ "paths": { "/a": { "get": { "responses": { "200": "\u{1f600}" } } } } });
        for text in [
            "\u{feff}{\"paths\": {\"/a\": {\"get\": {\"responses\": {\"200\": \"\\ud83d\\ude00\"}}}}}",
            "paths:\n  /a:\n    get: { responses: { 200: \u{1f600} } }\n",
            "{paths: {/a: {get: {responses: {200: \u{1f600}}}}}}",
            "x: &x { responses: { 200: \u{1f600} } }\npaths: { /a: { get: { <<: *x } } }",
        ] {
            let mut read = parse(text).unwrap();
            read.as_object_mut().unwrap().remove("x");
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn what_would_be_dropped_or_grows_without_bound_is_refused() {
        let said = |text: &str| parse(text).unwrap_err().to_string();
        assert!(said("a: 1\na: 2").contains("`a` is there twice"));
        assert!(said("{\"a\": 1, \"a\": 2}").contains("`a` is there twice"));
        assert!(said("a: [").contains("line"));
        assert!(said("<<: 3").contains("at `<<`"));
        assert!(said("a: 1\n---\nb: 2").contains("more than one document"));
        let mut bomb = format!("a0: &a0 [{}]\n", "x, ".repeat(9));
        for level in 1..20 {
            let repeated = format!("*a{}, ", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{repeated}]\n"));
        }
        // Whichever bound is met first, the parser's own or ours.
        let bombed = said(&bomb);
        assert!(
            bombed.contains("smaller") || bombed.contains("repetition"),
            "{bombed}"
        );
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        assert!(parse("&a [*a]").is_err());
    }
}
