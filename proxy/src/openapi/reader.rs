//! The paths of a document, read one by one.
//!
//! Promise: what a path shares with its operations (servers, parameters, a `$ref` to another path)
//! is counted in, and the work is bounded, also where many paths refer to one.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value};
use sidegate_policy::IdType;

use super::document::{Demand, Document, Operation, Unread};
use super::error::{OpenApiError, Place};
use super::path::PathTemplate;
use super::reference::References;
use super::server;
use super::text::shown;

/// The methods that a rule can name, in OpenAPI's spelling.
const METHODS: [(&str, Method); 7] = [
    ("get", Method::GET),
    ("head", Method::HEAD),
    ("post", Method::POST),
    ("put", Method::PUT),
    ("patch", Method::PATCH),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
];

/// What stands beside the operations of a path.
const NO_OPERATION: [&str; 5] = ["$ref", "summary", "description", "servers", "parameters"];

/// The longest path, in bytes: a longer one fits no request.
const MAX_PATH: usize = 8 * 1024;

/// The most paths in a row that refer to each other.
const MAX_LAYERS: usize = 16;

/// What may be read in all, in bytes: references make more of a document than it holds.
const MAX_READ: usize = 64 * 1024 * 1024;

/// What is known while paths are read.
pub(super) struct Reader<'a> {
    references: References<'a>,
    bases: Vec<String>,
    demand: Demand,
    document: Document,
    /// What may still be read.
    left: usize,
}

/// What the operations of a path share.
#[derive(Clone)]
struct Item<'a> {
    path: &'a str,
    bases: Vec<String>,
    types: BTreeMap<String, Option<IdType>>,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Adds to a document that has no operations yet.
    pub(super) const fn new(
        root: &'a Value,
        bases: Vec<String>,
        demand: Demand,
        document: Document,
    ) -> Self {
        Self {
            references: References::new(root),
            bases,
            demand,
            document,
            left: MAX_READ,
        }
    }

    /// The document with what was read.
    pub(super) fn done(self) -> Document {
        self.document
    }

    /// All operations of a path. Its `$ref` adds to what stands beside it.
    pub(super) fn path(
        &mut self,
        path: &str,
        item: &'a Value,
        at: &Place,
    ) -> Result<(), OpenApiError> {
        if path.len() > MAX_PATH {
            return Err(at.clone().expected("a path of at most 8 KiB"));
        }
        let mut shared = Item {
            path,
            bases: self.bases.clone(),
            types: BTreeMap::new(),
            notes: Vec::new(),
        };
        let mut operations: Vec<(&str, &Value)> = Vec::new();
        for layer in self.layers(path, item).into_iter().rev() {
            let Some(fields) = layer.as_object() else {
                return Err(at.clone().expected("a mapping of operations"));
            };
            self.shared(fields, &mut shared, at)?;
            for (key, operation) in fields {
                if NO_OPERATION.contains(&key.as_str()) || key.starts_with("x-") {
                    continue;
                }
                self.spend(key.len().saturating_add(operations.len()), at)?;
                operations.retain(|(known, _)| known != key);
                operations.push((key, operation));
            }
        }
        for (key, operation) in operations {
            self.operation(key, operation, &shared, &at.key(key))?;
        }
        Ok(())
    }

    /// The path's own fields, and those that its references lead to.
    fn layers(&mut self, path: &str, item: &'a Value) -> Vec<&'a Value> {
        let mut layers = vec![item];
        let mut node = item;
        loop {
            match self.references.step(node) {
                Ok(None) => return layers,
                Ok(Some(next)) if layers.len() < MAX_LAYERS => {
                    layers.push(next);
                    node = next;
                }
                Ok(Some(_)) => {
                    self.unread(path, "its `$ref` leads on and on, and was not followed");
                    return layers;
                }
                Err(reason) => {
                    self.unread(path, &reason);
                    return layers;
                }
            }
        }
    }

    /// Servers and parameters of a path or an operation.
    fn shared(
        &mut self,
        fields: &'a Map<String, Value>,
        item: &mut Item<'_>,
        at: &Place,
    ) -> Result<(), OpenApiError> {
        if let Some(servers) = fields.get("servers") {
            item.bases = server::bases(servers, &at.key("servers"), &mut item.notes)?;
        }
        let Some(parameters) = fields.get("parameters") else {
            return Ok(());
        };
        let at = at.key("parameters");
        let Some(parameters) = parameters.as_array() else {
            return Err(at.expected("a list of parameters"));
        };
        for (index, parameter) in parameters.iter().enumerate() {
            self.spend(64, &at)?;
            let at = at.index(index);
            let parameter = match self.references.resolve(parameter) {
                Ok(parameter) => parameter,
                Err(reason) => {
                    item.notes.push(format!("{at}: {reason}"));
                    continue;
                }
            };
            let Some(fields) = parameter.as_object() else {
                return Err(at.expected("a parameter, a mapping"));
            };
            if fields.get("in").and_then(Value::as_str) != Some("path") {
                continue;
            }
            let Some(name) = fields.get("name").and_then(Value::as_str) else {
                return Err(at.key("name").expected("the parameter's name"));
            };
            let id_type = self.references.id_type(parameter).unwrap_or_else(|reason| {
                item.notes.push(format!("{at}: {reason}"));
                None
            });
            self.spend(name.len(), &at)?;
            item.types.insert(name.to_owned(), id_type);
        }
        Ok(())
    }

    fn operation(
        &mut self,
        key: &str,
        operation: &'a Value,
        shared: &Item<'_>,
        at: &Place,
    ) -> Result<(), OpenApiError> {
        let known = METHODS.iter().find(|(name, _)| *name == key);
        let Some((_, method)) = known else {
            self.spend(64 + shared.path.len(), at)?;
            let name = format!("{} {}", key.to_ascii_uppercase(), shared.path);
            let reason = if key == "trace" {
                "Sidegate passes no TRACE on"
            } else {
                "expected get, head, post, put, patch, delete or options"
            };
            self.unread(&name, reason);
            return Ok(());
        };
        let Some(fields) = operation.as_object() else {
            return Err(at.clone().expected("an operation, a mapping"));
        };
        self.spend(shared.weight(), at)?;
        let mut item = shared.clone();
        self.shared(fields, &mut item, at)?;
        let id = match fields.get("operationId") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(at.key("operationId").expected("a name")),
        };
        let demand = demand(fields.get("security"), &at.key("security"))?
            .unwrap_or_else(|| self.demand.clone());
        let named = id.as_ref().map_or(0, String::len) + demand.as_str().len();
        for base in &item.bases {
            self.spend(item.weight() + base.len() + named, at)?;
            self.document.operations.push(Operation {
                method: method.clone(),
                path: PathTemplate::new(base, item.path, &item.types),
                id: id.clone(),
                demand: demand.clone(),
                notes: item.notes.clone(),
            });
        }
        Ok(())
    }

    fn unread(&mut self, operation: &str, reason: &str) {
        self.document.unread.push(Unread::new(operation, reason));
    }

    fn spend(&mut self, bytes: usize, at: &Place) -> Result<(), OpenApiError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(at
                .clone()
                .expected("a smaller document: less that is referred to so often")),
        }
    }
}

impl Item<'_> {
    /// What a copy costs.
    fn weight(&self) -> usize {
        let notes: usize = self.notes.iter().map(String::len).sum();
        let types: usize = self.types.keys().map(|name| name.len() + 32).sum();
        64 + self.path.len() + notes + types
    }
}

/// What a list of security requirements wants; `None`: there is none.
pub(super) fn demand(security: Option<&Value>, at: &Place) -> Result<Option<Demand>, OpenApiError> {
    let Some(security) = security else {
        return Ok(None);
    };
    let Some(alternatives) = security.as_array() else {
        return Err(at.clone().expected("a list of security requirements"));
    };
    let mut words = Vec::new();
    let mut is_optional = alternatives.is_empty();
    for (index, alternative) in alternatives.iter().enumerate() {
        let Some(schemes) = alternative.as_object() else {
            return Err(at.index(index).expected("a mapping of security schemes"));
        };
        is_optional |= schemes.is_empty();
        let names: Vec<_> = schemes.keys().map(|name| shown(name)).collect();
        words.push(names.join(" and "));
    }
    Ok(Some(if is_optional {
        Demand::Nothing
    } else {
        Demand::Credential(words.join(" or "))
    }))
}
