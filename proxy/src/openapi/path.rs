//! A path of a document, as Sidegate writes it, and samples of what it stands for.
//!
//! Promise: what [`PathTemplate::template`] gives is a template that [`Template::parse`] accepts and
//! that matches what the document's path stands for, or a reason. Samples differ in what the
//! document leaves open: a text may look like a uuid.
//!
//! Does not: know that a parameter stands for several segments unless its name says so (`{path*}`,
//! `{proxy+}`), as OpenAPI has no word for it.

use std::collections::BTreeMap;

use sidegate_policy::IdType;

use crate::route::Template;

/// How many parameters of open type are varied in samples.
const MAX_VARIED: u32 = 4;

/// A uuid, a number and a word that no route names.
const UUID: &str = "5a3e9c1e-0000-4000-8000-000000000001";
const NUMBER: &str = "1";
const WORD: &str = "sidegate-sample";

/// A path of a document, under the base path of a server.
#[derive(Debug, Clone)]
pub struct PathTemplate {
    text: String,
    segments: Vec<Vec<Piece>>,
    parameters: Vec<Parameter>,
    /// How many segments and parameters are the server's.
    base: (usize, usize),
}

/// A part of a segment.
#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Parameter(usize),
}

/// A parameter of a path.
#[derive(Debug, Clone)]
struct Parameter {
    /// A name that a template accepts, once in this path.
    name: String,
    /// How it is written; `None`: the document does not say.
    id_type: Option<IdType>,
    /// Whether its name says that it stands for several segments.
    many: bool,
}

impl PathTemplate {
    /// Reads a path that begins with `/`, under a base path; `types` has what is known of its
    /// parameters by name.
    pub(super) fn new(base: &str, path: &str, types: &BTreeMap<String, Option<IdType>>) -> Self {
        let mut template = Self {
            text: format!("{base}{path}"),
            segments: Vec::new(),
            parameters: Vec::new(),
            base: (0, 0),
        };
        for segment in base.split('/').skip(1) {
            let pieces = template.pieces(segment, types);
            template.segments.push(pieces);
        }
        template.base = (template.segments.len(), template.parameters.len());
        for segment in path.split('/').skip(1) {
            let pieces = template.pieces(segment, types);
            template.segments.push(pieces);
        }
        template
    }

    /// As the document has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As a rule has it, or why no rule can.
    ///
    /// # Errors
    /// When a rule cannot say the same.
    pub fn template(&self) -> Result<Template, String> {
        let mut text = String::new();
        for (at, segment) in self.segments.iter().enumerate() {
            let last = at + 1 == self.segments.len();
            text.push('/');
            match segment.as_slice() {
                [] => {}
                [Piece::Text(literal)] => text.push_str(&encoded(literal)),
                [Piece::Parameter(index)] => {
                    text.extend(self.parameters.get(*index).map(|found| found.written(last)));
                }
                _ => {
                    return Err(
                        "a parameter shares its segment with other text; a rule's parameter \
                         is a whole segment, which matches more"
                            .to_owned(),
                    );
                }
            }
        }
        Template::parse(&text).map_err(|error| error.to_string())
    }

    /// The last parameter that can hold an id, and the segment that names what it is an id of. The
    /// server's own are not asked.
    pub(super) fn last_id(&self) -> Option<(&str, IdType, Option<&str>)> {
        let (segments, parameters) = self.base;
        let is_id = |index: usize| {
            let parameter = self.parameters.get(index)?;
            (index >= parameters && !parameter.many).then_some(parameter)
        };
        let own = || self.segments.iter().enumerate().skip(segments);
        let (at, parameter) = own()
            .filter_map(|(at, segment)| match segment.as_slice() {
                [Piece::Parameter(index)] => Some((at, is_id(*index)?)),
                _ => None,
            })
            .next_back()?;
        let collection = own()
            .take_while(|(before, _)| *before < at)
            .filter_map(|(_, segment)| match segment.as_slice() {
                [Piece::Text(literal)] => Some(literal.as_str()),
                _ => None,
            })
            .last();
        Some((
            &parameter.name,
            parameter.id_type.unwrap_or(IdType::Text),
            collection,
        ))
    }

    /// The parameters whose type the document does not say.
    pub(super) fn untyped(&self) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .filter(|parameter| parameter.id_type.is_none() && !parameter.many)
            .map(|parameter| parameter.name.as_str())
    }

    /// Whether a parameter stands for all that follows.
    pub(super) fn is_open(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.many)
    }

    /// Paths that the document's path stands for.
    pub(super) fn samples(&self) -> Vec<String> {
        let choices: Vec<&[&str]> = self
            .parameters
            .iter()
            .map(|parameter| match parameter.id_type {
                Some(IdType::Uuid) => &[UUID][..],
                Some(IdType::Bigint) => &[NUMBER],
                Some(IdType::Text) | None => &[WORD, UUID, NUMBER],
            })
            .collect();
        let open = choices.iter().filter(|choice| choice.len() > 1).count();
        let varied = u32::try_from(open).unwrap_or(MAX_VARIED).min(MAX_VARIED);
        (0..3_usize.pow(varied))
            .map(|number| self.sample(&choices, number))
            .collect()
    }

    /// The sample in which the digits of a number, to the base of 3, choose for open parameters.
    fn sample(&self, choices: &[&[&str]], number: usize) -> String {
        let mut number = number;
        let mut values = vec![WORD; choices.len()];
        // From the right: the last parameter is what most rules ask about.
        for (value, choice) in values.iter_mut().zip(choices).rev() {
            let digit = if choice.len() > 1 { number % 3 } else { 0 };
            if choice.len() > 1 {
                number /= 3;
            }
            *value = choice.get(digit).copied().unwrap_or(WORD);
        }
        let mut sample = String::new();
        for segment in &self.segments {
            sample.push('/');
            for piece in segment {
                match piece {
                    Piece::Text(literal) => sample.push_str(&encoded(literal)),
                    Piece::Parameter(index) => {
                        sample.push_str(values.get(*index).copied().unwrap_or(WORD));
                    }
                }
            }
        }
        sample
    }

    fn pieces(&mut self, segment: &str, types: &BTreeMap<String, Option<IdType>>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = segment;
        while let Some((before, after)) = rest.split_once('{')
            && let Some((name, after)) = after.split_once('}')
        {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Parameter(self.parameters.len()));
            let parameter = self.parameter(name, types);
            self.parameters.push(parameter);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        pieces
    }

    fn parameter(&self, written: &str, types: &BTreeMap<String, Option<IdType>>) -> Parameter {
        let bare = written.trim_matches(['*', '+']);
        let id_type = types.get(written).or_else(|| types.get(bare)).copied();
        let mut name: String = bare
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if name.is_empty() {
            name.push_str("id");
        }
        let taken = |name: &str| self.parameters.iter().any(|other| other.name == name);
        let mut number = self.parameters.len() + 1;
        let stem = name.clone();
        while taken(&name) {
            name = format!("{stem}_{number}");
            number += 1;
        }
        Parameter {
            name,
            id_type: id_type.flatten(),
            many: bare != written,
        }
    }
}

impl Parameter {
    fn written(&self, last: bool) -> String {
        match self.id_type {
            _ if self.many && last => format!("{{*{}}}", self.name),
            Some(IdType::Uuid) => format!("{{{}:uuid}}", self.name),
            Some(IdType::Bigint) => format!("{{{}:bigint}}", self.name),
            Some(IdType::Text) | None => format!("{{{}}}", self.name),
        }
    }
}

/// Literal text with what a client must escape escaped. Everything else is for the target to judge.
fn encoded(literal: &str) -> String {
    let mut encoded = String::with_capacity(literal.len());
    for byte in literal.bytes() {
        if byte.is_ascii() && byte != b' ' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(base: &str, path: &str) -> PathTemplate {
        let types = BTreeMap::from([
            ("id".to_owned(), Some(IdType::Uuid)),
            ("number".to_owned(), Some(IdType::Bigint)),
            ("slug".to_owned(), Some(IdType::Text)),
        ]);
        PathTemplate::new(base, path, &types)
    }

    #[test]
    fn templates_are_written_as_sidegate_has_them() {
        for (written, expected) in [
            ("/", "/"),
            ("/a/", "/a/"),
            (
                "/a/{id}/b/{number}/{slug}",
                "/a/{id:uuid}/b/{number:bigint}/{slug}",
            ),
            ("/a/{user-id}/{user.id}", "/a/{user_id}/{user_id_2}"),
            ("/a/{id}/b/{id}", "/a/{id:uuid}/b/{id_2:uuid}"),
            ("/f/{proxy+}", "/f/{*proxy}"),
            ("/f/{path*}", "/f/{*path}"),
            ("/f/{path*}/raw", "/f/{path}/raw"),
            ("/café/a b", "/caf%C3%A9/a%20b"),
            ("/{}", "/{id}"),
        ] {
            let template = path("", written).template().unwrap();
            assert_eq!(template.as_str(), expected);
        }
        assert_eq!(path("/v1", "/a").template().unwrap().as_str(), "/v1/a");
        for (written, why) in [
            ("/a/{id}.json", "shares its segment"),
            ("/a/{id}{slug}", "shares its segment"),
            ("/a/{id", "expected a whole segment"),
            ("/a//b", "empty segment"),
            ("/a?x=1", "canonical"),
            ("/a;b", "matrix"),
            ("/%61", "expected `a`"),
        ] {
            let said = path("", written).template().unwrap_err();
            assert!(said.contains(why), "{written}: {said}");
        }
    }

    #[test]
    fn the_last_parameter_names_a_resource() {
        for (base, written, expected) in [
            ("", "/a/{slug}/b/{id}/c", Some(("id", Some("b")))),
            ("", "/a/{slug}/{id}", Some(("id", Some("a")))),
            ("/api", "/{id}", Some(("id", None))),
            ("", "/f/{id}/{rest*}", Some(("id", Some("f")))),
            ("/{slug}", "/a", None),
            ("", "/a/{id}.json", None),
        ] {
            let path = path(base, written);
            let expected = expected.map(|(name, of)| (name, IdType::Uuid, of));
            assert_eq!(path.last_id(), expected, "{written}");
        }
    }

    #[test]
    fn samples_differ_in_what_is_open() {
        assert_eq!(
            path("", "/a/{id}/{number}").samples(),
            [format!("/a/{UUID}/1")]
        );
        assert_eq!(
            path("", "/a b/{slug}.{id}").samples()[0],
            format!("/a%20b/{WORD}.{UUID}")
        );
        let open = path("", "/{slug}/{x}");
        let samples = open.samples();
        assert_eq!(samples.len(), 9);
        assert!(samples.contains(&format!("/{WORD}/{UUID}")));
        assert!(samples.contains(&format!("/{NUMBER}/{WORD}")));
        assert_eq!(path("", &"/{x}".repeat(40)).samples().len(), 81);
    }
}
