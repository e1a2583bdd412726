//! From a YAML path to a line and a column.
//!
//! Promise: every position is 1-based and belongs to the named node or, where that is missing, to
//! its nearest ancestor that exists. The text is parsed a second time, with marks, and only when
//! there is something to report. It never refuses anything: a text that this parser cannot read
//! has problems without positions.

use std::fmt;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_path_to_error::Segment as SerdeSegment;

use crate::error::Problem;

/// A place in the document, from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct YamlPath(Vec<Segment>);

/// Something wrong at a place, before its line is known.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) path: YamlPath,
    pub(crate) aim: Aim,
    pub(crate) message: String,
}

/// Which part of a mapping's entry a position is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The key itself is wrong.
    Key,
    /// The value is wrong.
    Value,
}

/// The marked document.
pub(crate) struct Locator<'a> {
    root: Option<MarkedYaml<'a>>,
}

impl YamlPath {
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }
}

impl From<&serde_path_to_error::Path> for YamlPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        let segments = path.iter().filter_map(|segment| match segment {
            SerdeSegment::Seq { index } => Some(Segment::Index(*index)),
            SerdeSegment::Map { key } => Some(Segment::Key(key.clone())),
            // The name of an enum's variant is a value and not a step of the path.
            SerdeSegment::Enum { .. } | SerdeSegment::Unknown => None,
        });
        Self(segments.collect())
    }
}

impl fmt::Display for YamlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl<'a> Locator<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let documents = MarkedYaml::load_from_str(text).unwrap_or_default();
        Self {
            root: documents.into_iter().next(),
        }
    }

    pub(crate) fn problem(&self, finding: Finding) -> Problem {
        let position = self.position(&finding.path, finding.aim);
        Problem {
            path: finding.path.to_string(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            message: finding.message,
        }
    }

    fn position(&self, path: &YamlPath, aim: Aim) -> Option<(usize, usize)> {
        let mut node = self.root.as_ref()?;
        let mut mark = start(node);
        for (depth, segment) in path.0.iter().enumerate() {
            let Some((key, value)) = step(node, segment) else {
                break;
            };
            let last = depth + 1 == path.0.len();
            mark = match key {
                // An empty value has no place of its own.
                Some(key) if is_null(value) || (last && aim == Aim::Key) => start(key),
                Some(_) | None => start(value),
            };
            node = value;
        }
        Some(mark)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

/// One step down: the key, where there is one, and the value.
fn step<'n, 'a>(
    node: &'n MarkedYaml<'a>,
    segment: &Segment,
) -> Option<(Option<&'n MarkedYaml<'a>>, &'n MarkedYaml<'a>)> {
    match segment {
        Segment::Key(name) => node
            .data
            .as_mapping()?
            .iter()
            .find(|(key, _)| key.data.as_str() == Some(name))
            .map(|(key, value)| (Some(key), value)),
        Segment::Index(index) => {
            let value = node.data.as_sequence()?.get(*index)?;
            Some((None, value))
        }
    }
}

fn is_null(node: &MarkedYaml<'_>) -> bool {
    matches!(node.data, YamlData::Value(Scalar::Null))
}

/// The parser counts lines from 1 and columns from 0.
fn start(node: &MarkedYaml<'_>) -> (usize, usize) {
    (node.span.start.line(), node.span.start.col() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a:\n  - b: 1\n    c: [x, y]\nempty:\n";

    fn at(path: &YamlPath, aim: Aim) -> Option<(usize, usize)> {
        Locator::new(TEXT).position(path, aim)
    }

    #[test]
    fn a_path_leads_to_a_line_and_a_column() {
        let item = YamlPath::default().key("a").index(0);
        assert_eq!(item.key("c").index(1).to_string(), "a[0].c[1]");
        assert_eq!(at(&item.key("c").index(1), Aim::Value), Some((3, 12)));
        assert_eq!(at(&item.key("c"), Aim::Key), Some((3, 5)));
        assert_eq!(
            at(&YamlPath::default().key("empty"), Aim::Value),
            Some((4, 1))
        );
    }

    #[test]
    fn a_missing_key_leads_to_its_nearest_ancestor() {
        let missing = YamlPath::default().key("a").index(0).key("zzz").key("q");
        assert_eq!(at(&missing, Aim::Value), Some((2, 5)));
        assert_eq!(at(&YamlPath::default().key("zzz"), Aim::Key), Some((1, 1)));
    }
}
