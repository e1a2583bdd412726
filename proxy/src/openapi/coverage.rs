//! A document held against a table of routes.
//!
//! Promise: each operation is asked about as a request would be, by the same table, once for every
//! sample of its path. What no rule answers is named, and so is what is public although the
//! document wants a credential. Does not: prove that every path is covered: a rule for one literal
//! path is met only if a sample is that path.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sidegate_policy::Policy;

use super::document::{Demand, Document, Operation, Unread};
use crate::route::{Access, Route, RouteTable};
use crate::target::Target;

/// What the rules say about a document.
#[derive(Debug, Serialize)]
pub struct Coverage<'a> {
    /// Operations that a rule answers.
    pub covered: Vec<Covered<'a>>,
    /// Operations that none answers.
    pub uncovered: Vec<Uncovered<'a>>,
    /// What is in the document and could not be asked about.
    pub unread: &'a [Unread],
    /// Rules that answer no operation.
    pub unused: Vec<Answer>,
}

/// An operation that a rule answers.
#[derive(Debug, Serialize)]
pub struct Covered<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// The rules that answer it: several where they differ by how an id is written.
    pub rules: Vec<Answer>,
    /// Whether no rule answers for some values of its parameters.
    pub partly: bool,
    /// The schemes that the document demands, where a public rule answers.
    pub public_despite: Option<&'a str>,
}

/// An operation that no rule answers.
#[derive(Debug, Serialize)]
pub struct Uncovered<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// Why.
    pub reason: String,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Its id.
    pub id: String,
    /// Its path.
    pub path: String,
    /// What it asks for, in words.
    pub asks: String,
}

impl<'a> Coverage<'a> {
    /// Asks the table about every operation.
    #[must_use]
    pub fn compare(document: &'a Document, table: &RouteTable, policy: &Policy) -> Self {
        let mut coverage = Self {
            covered: Vec::new(),
            uncovered: Vec::new(),
            unread: &document.unread,
            unused: Vec::new(),
        };
        let mut used = BTreeSet::new();
        for operation in &document.operations {
            match ask(operation, table, policy) {
                Ok(covered) => {
                    used.extend(covered.rules.iter().map(|rule| rule.id.clone()));
                    coverage.covered.push(covered);
                }
                Err(reason) => coverage.uncovered.push(Uncovered { operation, reason }),
            }
        }
        let unused = table
            .routes()
            .iter()
            .filter(|route| !used.contains(&*route.id));
        coverage.unused = unused.map(|route| answer(route, policy)).collect();
        coverage
    }

    /// Whether a rule answers everything that the document has.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.uncovered.is_empty() && self.unread.is_empty()
    }
}

fn ask<'a>(
    operation: &'a Operation,
    table: &RouteTable,
    policy: &Policy,
) -> Result<Covered<'a>, String> {
    let mut reason = "no rule answers it";
    let mut covered = Covered {
        operation,
        rules: Vec::new(),
        partly: false,
        public_despite: None,
    };
    for sample in operation.path.samples() {
        let target = Target::parse(sample.as_bytes()).map_err(|error| error.to_string())?;
        let found = match table.find(&operation.method, &target) {
            Ok(Some(found)) => found.route,
            Ok(None) => {
                covered.partly = true;
                continue;
            }
            Err(_ambiguous) => {
                covered.partly = true;
                reason = "refused: another spelling of its path has a stricter rule";
                continue;
            }
        };
        if let (Access::Public, Demand::Credential(schemes)) = (&found.access, &operation.demand) {
            covered.public_despite = Some(schemes);
        }
        let answer = answer(&found, policy);
        if !covered.rules.contains(&answer) {
            covered.rules.push(answer);
        }
    }
    if covered.rules.is_empty() {
        return Err(reason.to_owned());
    }
    Ok(covered)
}

fn answer(route: &Route, policy: &Policy) -> Answer {
    Answer {
        id: route.id.to_string(),
        path: route.template.as_str().to_owned(),
        asks: match &route.access {
            Access::Public => "public".to_owned(),
            Access::Authenticated { .. } => "authenticated".to_owned(),
            Access::Resource { action, kind, .. } => format!(
                "{} on {}",
                policy.action_name(*action),
                policy.kind_name(*kind)
            ),
        },
    }
}

impl fmt::Display for Coverage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for covered in &self.covered {
            let rules: Vec<_> = covered
                .rules
                .iter()
                .map(|rule| format!("`{}`, {}", rule.id, rule.asks))
                .collect();
            let partly = if covered.partly {
                ", for some values of its parameters; the others are refused"
            } else {
                ""
            };
            let name = covered.operation.name();
            writeln!(f, "covered: {name}: {}{partly}", rules.join("; "))?;
        }
        for covered in &self.covered {
            if let Some(schemes) = covered.public_despite {
                let name = covered.operation.name();
                writeln!(
                    f,
                    "warning: {name}: public here, the document demands {schemes}"
                )?;
            }
        }
        for rule in &self.unused {
            writeln!(
                f,
                "note: the rule `{}` ({}) answers no operation of the document",
                rule.id, rule.path
            )?;
        }
        for unread in self.unread {
            writeln!(f, "uncovered: {}: {}", unread.operation, unread.reason)?;
        }
        for uncovered in &self.uncovered {
            let name = uncovered.operation.name();
            writeln!(f, "uncovered: {name}: {}", uncovered.reason)?;
        }
        Ok(())
    }
}
