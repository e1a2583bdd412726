//! The tree of a stored query, as text (`pg_rewrite.ev_action`, PostgreSQL's `outfuncs.c`).
//!
//! Promise: what does not have the expected form is `None`, never half a tree. Which fields a node has
//! differs between versions; nothing here depends on it.

/// The deepest tree that is read. A union of n selects is n deep.
const DEPTH: usize = 500;

/// A value of a field.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Node(Node<'t>),
    List(Vec<Self>),
    Atom(&'t str),
}

/// `{TAG :field value … :field value …}`
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) tag: &'t str,
    fields: Vec<(&'t str, Vec<Value<'t>>)>,
}

impl<'t> Node<'t> {
    /// The first value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&Value<'t>> {
        let (_, values) = self.fields.iter().find(|(known, _)| *known == name)?;
        values.first()
    }

    /// Every value of every field but these.
    pub(super) fn values_but(
        &self,
        skipped: &'static [&'static str],
    ) -> impl Iterator<Item = &Value<'t>> {
        let kept = self
            .fields
            .iter()
            .filter(|(name, _)| !skipped.contains(name));
        kept.flat_map(|(_, values)| values)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.field(name)? {
            Value::Atom(text) => text.parse().ok(),
            Value::Node(_) | Value::List(_) => None,
        }
    }

    pub(super) fn atom(&self, name: &str) -> Option<&'t str> {
        match self.field(name)? {
            Value::Atom(text) => Some(text),
            Value::Node(_) | Value::List(_) => None,
        }
    }

    /// The nodes of a field that is a list, or is nothing.
    pub(super) fn nodes(&self, name: &str) -> Option<Vec<&Self>> {
        match self.field(name) {
            None | Some(Value::Atom("<>")) => Some(Vec::new()),
            Some(Value::List(values)) => values
                .iter()
                .map(|value| match value {
                    Value::Node(node) => Some(node),
                    Value::List(_) | Value::Atom(_) => None,
                })
                .collect(),
            Some(Value::Node(_) | Value::Atom(_)) => None,
        }
    }

    /// Whether a field holds nothing: null, false or an empty list.
    pub(super) fn is_empty(&self, name: &str) -> bool {
        match self.field(name) {
            None | Some(Value::Atom("<>" | "false" | "0")) => true,
            Some(Value::List(values)) => values.is_empty(),
            Some(Value::Node(_) | Value::Atom(_)) => false,
        }
    }
}

/// The one query of a view's rule.
pub(super) fn parse(text: &str) -> Option<Node<'_>> {
    let mut tokens = Tokens(text);
    let Value::List(mut queries) = tokens.value(0)? else {
        return None;
    };
    match (
        queries.pop(),
        queries.is_empty(),
        tokens.0.trim().is_empty(),
    ) {
        (Some(Value::Node(query)), true, true) if query.tag == "QUERY" => Some(query),
        _ => None,
    }
}

struct Tokens<'t>(&'t str);

impl<'t> Tokens<'t> {
    fn next(&mut self) -> Option<&'t str> {
        let text = self.0.trim_start_matches([' ', '\n', '\t']);
        let mut escaped = false;
        let mut end = text.len();
        for (at, byte) in text.bytes().enumerate() {
            let special = matches!(byte, b'(' | b')' | b'{' | b'}');
            if escaped {
                escaped = false;
            } else if byte == b'\\' {
                escaped = true;
            } else if special || matches!(byte, b' ' | b'\n' | b'\t') {
                end = if at == 0 { 1 } else { at };
                break;
            }
        }
        let (token, rest) = text.split_at_checked(end)?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    fn peek(&self) -> Option<&'t str> {
        Tokens(self.0).next()
    }

    fn value(&mut self, depth: usize) -> Option<Value<'t>> {
        if depth > DEPTH {
            return None;
        }
        match self.next()? {
            "{" => self.node(depth).map(Value::Node),
            "(" => {
                let mut values = Vec::new();
                while self.peek()? != ")" {
                    values.push(self.value(depth.saturating_add(1))?);
                }
                self.next()?;
                Some(Value::List(values))
            }
            "}" | ")" => None,
            atom => Some(Value::Atom(atom)),
        }
    }

    fn node(&mut self, depth: usize) -> Option<Node<'t>> {
        let tag = self.next()?;
        let mut fields = Vec::new();
        loop {
            let name = self.next()?;
            if name == "}" {
                return Some(Node { tag, fields });
            }
            let name = name.strip_prefix(':')?;
            // The first value may look like a field's name: a column may be called so.
            let mut values = vec![self.value(depth.saturating_add(1))?];
            loop {
                match self.peek()? {
                    "}" => break,
                    token if token.starts_with(':') => break,
                    _ => values.push(self.value(depth.saturating_add(1))?),
                }
            }
            fields.push((name, values));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whatever_its_columns_are_called() {
        let text = r"({QUERY :a <> :resname :odd\ \{name :list (1 (b 8) {VAR :varno 2}) :value 4 [ 1 0 ]})";
        let query = parse(text).unwrap();
        assert_eq!(query.atom("resname"), Some(r":odd\ \{name"));
        assert_eq!(query.values_but(&["a", "resname", "list"]).count(), 5);
        assert!(query.is_empty("a") && !query.is_empty("list"));
    }

    #[test]
    fn half_a_tree_is_none() {
        let deep = format!("({{QUERY :a {}", "(".repeat(10_000));
        for text in [
            "",
            "(",
            "()",
            "{QUERY}",
            "({SELECT :a 1})",
            "({QUERY :a 1",
            "({QUERY a 1})",
            "({QUERY :a})",
            "({QUERY}) x",
            &deep,
        ] {
            assert!(parse(text).is_none(), "{text:.20}");
        }
    }
}
