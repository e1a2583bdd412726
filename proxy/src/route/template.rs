//! Path templates: `/api/generations/{id:uuid}/media`, `/static/{*rest}`.
//!
//! A parameter is one whole segment. Its type says what can stand there: a segment that is no uuid
//! does not match `{id:uuid}`, so the route does not exist for it. Literals are compared byte by
//! byte with the canonical path, with case.

use sidegate_policy::IdType;

use crate::target::{Target, TargetError};

/// A parsed path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
}

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Exactly this text.
    Literal(String),
    /// One segment of this type; untyped until a resource gives it one.
    Parameter {
        name: String,
        id_type: Option<IdType>,
    },
    /// Everything that follows, at least one byte.
    Rest,
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A literal is not in canonical form.
    #[error("`{segment}` is not canonical: {source}")]
    NotCanonical {
        /// The segment.
        segment: String,
        /// What is wrong with it.
        source: TargetError,
    },
    /// A literal has a canonical spelling, but not this one.
    #[error("`{segment}` is not canonical: expected `{canonical}`")]
    OtherSpelling {
        /// The segment.
        segment: String,
        /// Its canonical spelling.
        canonical: String,
    },
    /// Braces that hold no parameter.
    #[error(
        "`{segment}`: expected a whole segment `{{name}}`, `{{name:uuid|bigint|text}}` or a last `{{*name}}`"
    )]
    MalformedParameter {
        /// The segment.
        segment: String,
    },
    /// Two parameters of one name.
    #[error("the parameter `{name}` is there twice")]
    RepeatedParameter {
        /// The name.
        name: String,
    },
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// When no canonical path could match it, or a parameter is malformed.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let malformed = |segment: &str| TemplateError::MalformedParameter {
            segment: segment.to_owned(),
        };
        let Some(path) = text.strip_prefix('/') else {
            return Err(malformed(text));
        };
        let mut segments = Vec::new();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let segment = match part.strip_prefix('{').map(|inner| inner.strip_suffix('}')) {
                None if part.contains(['{', '}']) => return Err(malformed(part)),
                None => literal(part, last)?,
                Some(Some(inner)) => parameter(inner, last).ok_or_else(|| malformed(part))?,
                Some(None) => return Err(malformed(part)),
            };
            segments.push(segment);
        }
        let template = Self {
            text: text.to_owned(),
            segments,
        };
        let mut names: Vec<_> = template.parameters().map(|(name, _)| name).collect();
        names.sort_unstable();
        if let Some(name) = names.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some((*a).to_owned()),
            _ => None,
        }) {
            return Err(TemplateError::RepeatedParameter { name });
        }
        Ok(template)
    }

    /// The text it was parsed from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its parameters in order, with the types that are given.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<IdType>)> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter { name, id_type } => Some((name.as_str(), *id_type)),
            Segment::Literal(_) | Segment::Rest => None,
        })
    }

    /// Gives the parameter at this position a type.
    pub(super) fn set_type(&mut self, position: usize, to: IdType) {
        let mut parameters = self
            .segments
            .iter_mut()
            .filter_map(|segment| match segment {
                Segment::Parameter { id_type, .. } => Some(id_type),
                Segment::Literal(_) | Segment::Rest => None,
            });
        if let Some(id_type) = parameters.nth(position) {
            *id_type = Some(to);
        }
    }

    /// The template as `matchit` writes it. Routes that differ only in the names and types of
    /// their parameters have the same shape.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        for (at, segment) in self.segments.iter().enumerate() {
            shape.push('/');
            match segment {
                Segment::Literal(text) => shape.push_str(text),
                Segment::Parameter { .. } => shape.push_str(&format!("{{p{at}}}")),
                Segment::Rest => shape.push_str("{*rest}"),
            }
        }
        shape
    }

    /// The types of its parameters, the most particular first.
    pub(crate) fn precedence(&self) -> Vec<IdType> {
        self.parameters()
            .map(|(_, id_type)| id_type.unwrap_or(IdType::Text))
            .collect()
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

fn literal(segment: &str, last: bool) -> Result<Segment, TemplateError> {
    // An empty last segment is a trailing slash; any other one can never match.
    if segment.is_empty() && last {
        return Ok(Segment::Literal(String::new()));
    }
    let not_canonical = |source| TemplateError::NotCanonical {
        segment: segment.to_owned(),
        source,
    };
    if segment.is_empty() {
        return Err(not_canonical(TargetError::EmptySegment));
    }
    if segment.contains('?') {
        return Err(not_canonical(TargetError::ForbiddenByte));
    }
    let target = Target::parse(format!("/{segment}").as_bytes()).map_err(not_canonical)?;
    if target.has_parameters() {
        return Err(not_canonical(TargetError::MatrixParameter));
    }
    let canonical = target.path().trim_start_matches('/');
    if canonical == segment {
        Ok(Segment::Literal(segment.to_owned()))
    } else {
        Err(TemplateError::OtherSpelling {
            segment: segment.to_owned(),
            canonical: canonical.to_owned(),
        })
    }
}

fn parameter(inner: &str, last: bool) -> Option<Segment> {
    if let Some(name) = inner.strip_prefix('*') {
        return (last && is_name(name)).then_some(Segment::Rest);
    }
    let (name, id_type) = match inner.split_once(':') {
        Some((name, id_type)) => (name, Some(IdType::from_name(id_type)?)),
        None => (inner, None),
    };
    is_name(name).then(|| Segment::Parameter {
        name: name.to_owned(),
        id_type,
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_parsed() {
        for text in [
            "/",
            "/health",
            "/a/{id}",
            "/a/{id:uuid}/b/",
            "/s/{*rest}",
            "/@me",
        ] {
            assert_eq!(Template::parse(text).unwrap().as_str(), text);
        }
        let typed = Template::parse("/a/{id:bigint}/{slug}").unwrap();
        let parameters: Vec<_> = typed.parameters().collect();
        assert_eq!(parameters, [("id", Some(IdType::Bigint)), ("slug", None)]);
    }

    #[test]
    fn what_could_never_match_is_refused() {
        for text in [
            "", "a", "/a//b", "/a/../b", "/a;b", "/a?b", "/%61", "/a%2fb", "/{", "/{}", "/{a}b",
            "/x{a}", "/{a:int}", "/{*a}/b", "/{a}/{a}", "/{*}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
