//! A document, read: which requests the application says that it answers.
//!
//! Promise: every operation under every path of its servers is here, or named with the reason why
//! not. What is read must be what OpenAPI says, or the document is refused with the place.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use http::Method;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::error::{OpenApiError, Place};
use super::path::PathTemplate;
use super::reader::{Reader, demand};
use super::text::shown;
use super::{server, tree};

/// The longest document, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What an application says that it offers.
#[derive(Debug, Default)]
pub struct Document {
    /// Its operations, in the document's order, each once for every base path.
    pub operations: Vec<Operation>,
    /// What is there and cannot be read as one.
    pub unread: Vec<Unread>,
    /// What is worth a second look.
    pub notes: Vec<String>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: PathTemplate,
    /// Its `operationId`.
    pub id: Option<String>,
    /// Whether the document wants a credential for it.
    pub demand: Demand,
    /// What is worth a second look.
    pub notes: Vec<String>,
}

/// An operation, or a path, that cannot be read or written as a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// What it is.
    pub operation: String,
    /// Why not.
    pub reason: String,
}

/// What a document says about credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    Unsaid,
    /// That none is needed.
    Nothing,
    /// That these are: names of schemes, in words.
    Credential(String),
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no such document.
    pub fn read(file: &Path) -> Result<Self, OpenApiError> {
        let mut bytes = Vec::new();
        File::open(file)?
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(OpenApiError::TooLong);
        }
        let text = String::from_utf8(bytes).map_err(|_not_text| OpenApiError::NotText)?;
        Self::parse(&text)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is no such document.
    pub fn parse(text: &str) -> Result<Self, OpenApiError> {
        Self::of(&tree::parse(text)?)
    }

    pub(super) fn of(root: &Value) -> Result<Self, OpenApiError> {
        let old = is_swagger(root)?;
        let place = Place::root("paths");
        let Some(paths) = root.get("paths").and_then(Value::as_object) else {
            return Err(place.expected("the application's paths"));
        };
        let mut document = Self::default();
        let bases = match (old, root.get("servers")) {
            (true, _) => vec![server::base_path(root)?],
            (false, None) => vec![String::new()],
            (false, Some(servers)) => {
                server::bases(servers, &Place::root("servers"), &mut document.notes)?
            }
        };
        let prefixes = bases.iter().filter(|base| !base.is_empty());
        let prefixes: Vec<_> = prefixes.map(|base| shown(base)).collect();
        if !prefixes.is_empty() {
            document.notes.push(format!(
                "paths begin with `{}`, as `{}` says: Sidegate has to see them so",
                prefixes.join("` or `"),
                if old { "basePath" } else { "servers" }
            ));
        }
        let security = demand(root.get("security"), &Place::root("security"))?;
        let security = security.unwrap_or(Demand::Unsaid);
        let mut reader = Reader::new(root, bases, security, document);
        for (path, item) in paths {
            let at = place.key(path);
            if path.starts_with('/') {
                reader.path(path, item, &at)?;
            } else if !path.starts_with("x-") {
                return Err(at.expected("a path that begins with `/`"));
            }
        }
        Ok(reader.done())
    }
}

impl Operation {
    /// Its method and path, as they may be shown.
    #[must_use]
    pub fn name(&self) -> String {
        shown(&format!("{} {}", self.method, self.path.as_str()))
    }
}

impl Unread {
    /// Both as they may be shown: a reason repeats what stands in the document.
    pub(super) fn new(operation: &str, reason: &str) -> Self {
        Self {
            operation: shown(operation),
            reason: shown(reason),
        }
    }
}

impl Demand {
    /// The names of the schemes that are demanded, in words.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Unsaid | Self::Nothing => "",
            Self::Credential(schemes) => schemes,
        }
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// Whether this is Swagger 2, and not OpenAPI 3.
fn is_swagger(root: &Value) -> Result<bool, OpenApiError> {
    let version = |key: &str| match root.get(key) {
        Some(Value::String(version)) => Some(version.clone()),
        // Without quotes it is a number.
        Some(Value::Number(version)) => Some(version.to_string()),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    };
    match (version("openapi"), version("swagger")) {
        (Some(version), _)
            if ["3.0", "3.1", "3.2"]
                .iter()
                .any(|known| is(&version, known)) =>
        {
            Ok(false)
        }
        (None, Some(version)) if is(&version, "2.0") || version == "2" => Ok(true),
        _ => Err(Place::root("openapi").expected("3.0, 3.1 or 3.2, or `swagger: \"2.0\"`")),
    }
}

/// Whether a version is this one, or a patch of it.
fn is(version: &str, known: &str) -> bool {
    version
        .strip_prefix(known)
        .is_some_and(|patch| patch.is_empty() || patch.starts_with('.'))
}
