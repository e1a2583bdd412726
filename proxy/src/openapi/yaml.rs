//! A skeleton as the section of a configuration.
//!
//! Promise: what the document says stands in comments and in quotes, and nowhere else.

use std::fmt;

use http::Method;

use super::skeleton::{Asked, Rule, Skeleton};
use super::text::{quoted, shown};

impl fmt::Display for Skeleton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.kinds.is_empty() {
            writeln!(
                f,
                "# Kinds that `policy.kinds` needs for these rules, with guessed names:"
            )?;
            for (kind, id_type) in &self.kinds {
                writeln!(f, "#   {kind}: {{ id: {id_type} }}")?;
            }
        }
        if !self.actions.is_empty() {
            let actions: Vec<_> = self.actions.iter().copied().collect();
            let actions = actions.join(", ");
            writeln!(
                f,
                "# Actions that roles of the policy have to grant: {actions}"
            )?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "# No rule is written for these, so they stay refused:")?;
            for left_out in &self.left_out {
                writeln!(f, "#   {}: {}", left_out.operation, left_out.reason)?;
            }
        }
        if self.routes.is_empty() {
            return writeln!(f, "routes: []");
        }
        writeln!(f, "routes:")?;
        self.routes.iter().try_for_each(|rule| write_rule(f, rule))
    }
}

fn write_rule(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    for comment in rule.operations.iter().chain(&rule.guesses) {
        writeln!(f, "  # {}", shown(comment))?;
    }
    let methods: Vec<_> = rule.methods.iter().map(Method::as_str).collect();
    writeln!(f, "  - id: {}", quoted(&rule.id))?;
    writeln!(f, "    methods: [{}]", methods.join(", "))?;
    writeln!(f, "    path: {}", quoted(&rule.path))?;
    match &rule.asked {
        Asked::Authenticated => writeln!(f, "    access: authenticated # guess"),
        Asked::Resource {
            action,
            kind,
            parameter,
        } => {
            writeln!(f, "    action: {action} # guess")?;
            writeln!(
                f,
                "    resource: {{ kind: {kind}, id: {{ path: {} }} }} # guess",
                quoted(parameter)
            )
        }
    }
}
