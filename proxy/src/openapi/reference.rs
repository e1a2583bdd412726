//! `$ref`, and what a schema says about how an id is written.
//!
//! Promise: a reference is followed within the document, so many times and no more; a cycle ends.
//! Does not: open another file or an address.

use serde_json::Value;
use sidegate_policy::IdType;

use super::text::shown;
use crate::target::decode_segment;

/// How many references in a row are followed.
const MAX_HOPS: usize = 16;

/// The longest reference that is followed, in bytes.
const MAX_REFERENCE: usize = 1024;

/// How many schemas are looked at for one parameter.
const MAX_SCHEMAS: usize = 64;

/// Follows references of one document.
#[derive(Debug, Clone, Copy)]
pub(super) struct References<'a> {
    root: &'a Value,
}

impl<'a> References<'a> {
    /// Of the document with this root.
    pub(super) const fn new(root: &'a Value) -> Self {
        Self { root }
    }

    /// What the node stands for: itself, or where its `$ref` leads.
    pub(super) fn resolve(self, node: &'a Value) -> Result<&'a Value, String> {
        let mut node = node;
        for _ in 0..MAX_HOPS {
            match self.step(node)? {
                Some(next) => node = next,
                None => return Ok(node),
            }
        }
        Err("its `$ref` leads on and on, and was not followed".to_owned())
    }

    /// The node that this one's `$ref` names; `None`: it has none.
    pub(super) fn step(self, node: &'a Value) -> Result<Option<&'a Value>, String> {
        let Some(reference) = node.get("$ref").and_then(Value::as_str) else {
            return Ok(None);
        };
        let Some(fragment) = reference.strip_prefix('#') else {
            let reference = shown(reference);
            return Err(format!(
                "its `$ref` leads out of the document to `{reference}`, and was not followed"
            ));
        };
        let to = (fragment.len() <= MAX_REFERENCE)
            .then(|| self.root.pointer(&decode_segment(fragment)))
            .flatten();
        to.map(Some)
            .ok_or_else(|| format!("its `$ref` `{}` leads nowhere", shown(reference)))
    }

    /// How the ids of a parameter are written; `None`: the document does not say.
    pub(super) fn id_type(self, parameter: &'a Value) -> Result<Option<IdType>, String> {
        // OpenAPI 3 has a schema or one under a media type; Swagger 2 says it of the parameter.
        let content = parameter.get("content").and_then(Value::as_object);
        let media = content.and_then(|content| content.values().next());
        let schema = [Some(parameter), media]
            .into_iter()
            .flatten()
            .find_map(|node| node.get("schema"));
        let mut left = MAX_SCHEMAS;
        self.of_schema(schema.unwrap_or(parameter), &mut left)
    }

    fn of_schema(self, schema: &'a Value, left: &mut usize) -> Result<Option<IdType>, String> {
        let Some(fewer) = left.checked_sub(1) else {
            return Ok(None);
        };
        *left = fewer;
        let schema = self.resolve(schema)?;
        let named = match schema.get("type") {
            Some(Value::Array(types)) => types
                .iter()
                .filter_map(Value::as_str)
                .find(|name| *name != "null"),
            other => other.and_then(Value::as_str),
        };
        let format = schema.get("format").and_then(Value::as_str);
        match (named, format) {
            (None | Some("string"), Some(format)) if is_uuid(format) => {
                return Ok(Some(IdType::Uuid));
            }
            (Some("integer"), _) => return Ok(Some(IdType::Bigint)),
            (Some("null"), _) => return Ok(None),
            (Some(_), _) => return Ok(Some(IdType::Text)),
            (None, _) => {}
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            let members = schema.get(key).and_then(Value::as_array);
            let mut said = Vec::new();
            for member in members.into_iter().flatten().take(MAX_SCHEMAS) {
                said.extend(self.of_schema(member, left)?);
            }
            if let Some((first, others)) = said.split_first() {
                let alike = others.iter().all(|other| other == first);
                return Ok(Some(if alike { *first } else { IdType::Text }));
            }
        }
        Ok(None)
    }
}

/// `uuid`, or one version of it, as Pydantic writes.
fn is_uuid(format: &str) -> bool {
    format
        .strip_prefix("uuid")
        .is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "components": { "schemas": {
                "Id": { "type": "string", "format": "uuid" },
                "Loop": { "$ref": "#/components/schemas/Loop" },
                "Wide": { "anyOf": [
                    { "$ref": "#/components/schemas/Wide" },
                    { "$ref": "#/components/schemas/Wide" },
                ] },
                "a/b c": { "type": "integer" },
            } }
        })
    }

    #[test]
    fn a_schema_says_how_an_id_is_written() {
        let root = document();
        let references = References::new(&root);
        let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
        for (schema, expected) in [
            (
                json!({ "type": "string", "format": "uuid" }),
                Some(IdType::Uuid),
            ),
            (
                json!({ "type": "integer", "format": "int64" }),
                Some(IdType::Bigint),
            ),
            (json!({ "type": ["null", "integer"] }), Some(IdType::Bigint)),
            (json!({ "type": "string" }), Some(IdType::Text)),
            (
                json!({ "type": "string", "format": "uuid-ish" }),
                Some(IdType::Text),
            ),
            (reference("Id"), Some(IdType::Uuid)),
            (reference("a~1b%20c"), Some(IdType::Bigint)),
            (json!({ "allOf": [reference("Id")] }), Some(IdType::Uuid)),
            (
                json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }),
                Some(IdType::Text),
            ),
            (reference("Wide"), None),
            (json!(3), None),
        ] {
            let parameter = json!({ "schema": schema });
            assert_eq!(references.id_type(&parameter), Ok(expected), "{parameter}");
        }
        for parameter in [
            json!({ "type": "integer" }),
            json!({ "content": { "text/plain": { "schema": { "type": "integer" } } } }),
        ] {
            assert_eq!(references.id_type(&parameter), Ok(Some(IdType::Bigint)));
        }
    }

    #[test]
    fn what_is_not_followed_says_why() {
        let root = document();
        for (reference, why) in [
            ("#/components/schemas/Loop", "on and on"),
            ("#/components/schemas/None", "leads nowhere"),
            ("other.yaml#/Id", "out of the document"),
            ("https://example.com/schema", "out of the document"),
        ] {
            let parameter = json!({ "schema": { "$ref": reference } });
            let said = References::new(&root).id_type(&parameter).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
