//! The JSON Schema of the configuration file, for editors and for tests.
//!
//! Promise: it is derived from the types that the file is read into, so it has every key, its
//! description and no other. It does not know the rules between keys: `sidegate check` does.

use schemars::schema_for;
use serde_json::Value;

use crate::raw::Raw;

/// The JSON Schema of the configuration file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schema_for!(Raw).to_value();
    forbid_null(&mut schema);
    schema
}

/// An optional key may be left out, but a key without a value is refused. schemars cannot tell
/// the two apart.
fn forbid_null(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(forbid_null),
        Value::Object(members) => {
            for keyword in ["type", "enum", "anyOf"] {
                if let Some(Value::Array(options)) = members.get_mut(keyword) {
                    options.retain(|option| !is_null(option));
                }
            }
            if let Some(Value::Array(types)) = members.get("type")
                && let [only] = types.as_slice()
            {
                let only = only.clone();
                members.insert("type".to_owned(), only);
            }
            members.values_mut().for_each(forbid_null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_null(option: &Value) -> bool {
    option.is_null()
        || option.as_str() == Some("null")
        || option.get("type").and_then(Value::as_str) == Some("null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_nulls_are_refused_by_the_schema_too() {
        let schema = schema();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["$defs"]["Issuer"]["additionalProperties"], false);
        let required = schema["required"].as_array().unwrap();
        assert!(required.iter().any(|key| key == "upstream"), "{required:?}");
        let text = schema.to_string();
        assert!(!text.contains("\"null\""), "{text}");
        let listen = &schema["properties"]["listen"];
        assert!(
            listen["description"]
                .as_str()
                .unwrap()
                .contains("127.0.0.1:8080"),
            "{listen}"
        );
    }
}
