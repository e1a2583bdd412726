//! Rules for operations that have none, as a start for a person.
//!
//! Promise: the rules can stand beside each other and beside those that exist already, and none is
//! public. What cannot be a rule is left out with the reason. Kinds that exist keep their types.
//!
//! Does not: know what the application means. Action, kind and parameter are guessed from the
//! method and the path, and say so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use sidegate_policy::{IdType, Policy};

use super::coverage::Coverage;
use super::document::{Demand, Document, Operation, Unread};
use super::guess;
use super::text::{is_plain_name, shown};
use crate::route::{Route, RouteTable, Template};

/// Rules, and what they need.
#[derive(Debug, Default, Serialize)]
pub struct Skeleton {
    /// Kinds that the rules name and the policy does not have, with the types of their ids.
    pub kinds: BTreeMap<String, &'static str>,
    /// Actions that the rules name and the policy does not know.
    pub actions: BTreeSet<&'static str>,
    /// The rules.
    pub routes: Vec<Rule>,
    /// Operations without a rule.
    pub left_out: Vec<Unread>,
}

/// One rule.
#[derive(Debug, Serialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Its methods.
    #[serde(serialize_with = "names")]
    pub methods: Vec<Method>,
    /// Its path.
    pub path: String,
    /// What it asks for.
    #[serde(flatten)]
    pub asked: Asked,
    /// The operations that it is for, as the document names them.
    pub operations: Vec<String>,
    /// What a person has to look at.
    pub guesses: Vec<String>,
}

/// What a rule asks for. Never nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// A verified subject.
    Authenticated,
    /// That it may do something.
    Resource {
        /// The action.
        action: &'static str,
        /// The resource's kind.
        kind: String,
        /// The parameter with its id.
        parameter: String,
    },
}

impl Skeleton {
    /// Writes rules for the operations of a document.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let mut writer = Writer::default();
        for unread in &document.unread {
            writer.skeleton.left_out.push(unread.clone());
        }
        writer.all(&document.operations)
    }

    /// Writes rules for what has none, to stand beside those of a table.
    #[must_use]
    pub fn beside(coverage: &Coverage<'_>, table: &RouteTable, policy: &Policy) -> Self {
        let mut writer = Writer {
            policy: Some(policy),
            ..Writer::default()
        };
        for route in table.routes() {
            writer.exists(route);
        }
        writer.all(
            coverage
                .uncovered
                .iter()
                .map(|uncovered| uncovered.operation),
        )
    }
}

impl Serialize for Asked {
    /// As it stands in a configuration.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields: Value = match self {
            Self::Authenticated => json!({ "access": "authenticated" }),
            Self::Resource {
                action,
                kind,
                parameter,
            } => json!({
                "action": action,
                "resource": { "kind": kind, "id": { "path": parameter } },
            }),
        };
        fields.serialize(serializer)
    }
}

fn names<S: serde::Serializer>(methods: &[Method], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(methods.iter().map(Method::as_str))
}

/// What is known while rules are written.
#[derive(Default)]
struct Writer<'a> {
    policy: Option<&'a Policy>,
    skeleton: Skeleton,
    /// Where each rule is, by what makes two operations one rule.
    places: BTreeMap<(String, Asked), usize>,
    /// The `operationId`s of each rule.
    ids: Vec<Vec<Option<String>>>,
    /// Which rule answers a method on paths of one shape.
    answers: BTreeMap<(String, Vec<IdType>), BTreeMap<String, String>>,
    shapes: BTreeSet<String>,
    router: matchit::Router<()>,
    taken: BTreeSet<String>,
}

impl Writer<'_> {
    fn all<'o>(mut self, operations: impl IntoIterator<Item = &'o Operation>) -> Skeleton {
        for operation in operations {
            if let Err(reason) = self.operation(operation) {
                let left_out = Unread::new(&operation.name(), &reason);
                self.skeleton.left_out.push(left_out);
            }
        }
        self.done()
    }

    /// Counts a rule in that is there already.
    fn exists(&mut self, route: &Arc<Route>) {
        self.taken.insert(route.id.to_string());
        for method in &route.methods {
            // Rules that stand in one table do not conflict.
            let _ = self.claim(&route.template, method, &route.id);
        }
    }

    fn operation(&mut self, operation: &Operation) -> Result<(), String> {
        let template = operation.path.template()?;
        self.claim(&template, &operation.method, &operation.name())?;
        let asked = self.asked(operation);
        let key = (template.as_str().to_owned(), asked);
        let at = match self.places.get(&key) {
            Some(at) => *at,
            None => {
                let at = self.skeleton.routes.len();
                let (path, asked) = key.clone();
                let guesses = guesses(operation, &asked);
                self.places.insert(key, at);
                self.ids.push(Vec::new());
                self.skeleton.routes.push(Rule {
                    id: String::new(),
                    methods: Vec::new(),
                    path,
                    asked,
                    operations: Vec::new(),
                    guesses,
                });
                at
            }
        };
        if let (Some(rule), Some(ids)) = (self.skeleton.routes.get_mut(at), self.ids.get_mut(at)) {
            rule.methods.push(operation.method.clone());
            rule.operations.push(match &operation.id {
                Some(id) => format!("{} ({})", operation.name(), shown(id)),
                None => operation.name(),
            });
            let method = &operation.method;
            let notes = operation
                .notes
                .iter()
                .map(|note| format!("{method}: {note}"));
            rule.guesses.extend(notes);
            if operation.demand == Demand::Nothing {
                rule.guesses.push(format!(
                    "{method}: the document wants no credential here. Make it `access: public` in a \
                     rule of its own, if that is meant"
                ));
            }
            ids.push(operation.id.clone());
        }
        Ok(())
    }

    /// Takes a method on the paths of a template, or says what has it.
    fn claim(&mut self, template: &Template, method: &Method, by: &str) -> Result<(), String> {
        let shape = template.shape();
        if !self.shapes.contains(&shape) {
            self.router
                .insert(&shape, ())
                .map_err(|error| format!("its path cannot stand beside others: {error}"))?;
            self.shapes.insert(shape.clone());
        }
        let answers = self
            .answers
            .entry((shape, template.precedence()))
            .or_default();
        if let Some(other) = answers.get(method.as_str()) {
            return Err(format!("`{other}` answers the same requests"));
        }
        answers.insert(method.as_str().to_owned(), by.to_owned());
        Ok(())
    }

    fn asked(&mut self, operation: &Operation) -> Asked {
        let id = operation.path.last_id();
        let Some((parameter, id_type, collection)) =
            id.filter(|_| operation.demand != Demand::Nothing)
        else {
            return Asked::Authenticated;
        };
        let action = guess::action(&operation.method);
        if self
            .policy
            .is_none_or(|policy| policy.action(action).is_none())
        {
            self.skeleton.actions.insert(action);
        }
        let parameter = parameter.to_owned();
        let stem = guess::kind(collection);
        // A kind has ids of one type: `user` by uuid and `user` by name are two.
        let names = [
            stem.clone(),
            format!("{stem}_by_{}", id_type.name()),
            format!("{stem}_by_{}_in_path", id_type.name()),
        ];
        let kind = names
            .into_iter()
            .find(|name| self.known(name).is_none_or(|known| known == id_type.name()))
            .unwrap_or(stem);
        if self
            .policy
            .is_none_or(|policy| policy.kind(&kind).is_none())
        {
            self.skeleton.kinds.insert(kind.clone(), id_type.name());
        }
        Asked::Resource {
            action,
            kind,
            parameter,
        }
    }

    /// The type of a kind's ids, where the policy or a rule above says it.
    fn known(&self, kind: &str) -> Option<&'static str> {
        let of_policy = self
            .policy
            .and_then(|policy| policy.id_type(policy.kind(kind)?));
        of_policy
            .map(IdType::name)
            .or_else(|| self.skeleton.kinds.get(kind).copied())
    }

    /// Gives every rule its id: the `operationId` where it has one operation with a good one, and
    /// otherwise what a configuration takes by default.
    fn done(mut self) -> Skeleton {
        for (rule, ids) in self.skeleton.routes.iter_mut().zip(self.ids) {
            let methods: Vec<_> = rule.methods.iter().map(Method::as_str).collect();
            let default = format!("{} {}", methods.join(","), rule.path);
            let own = match ids.as_slice() {
                [Some(id)] if is_plain_name(id) => Some(id.clone()),
                _ => None,
            };
            let numbered = (2..).map(|number| format!("{default} {number}"));
            let mut names = own.into_iter().chain([default.clone()]).chain(numbered);
            rule.id = names
                .find(|name| !self.taken.contains(name))
                .unwrap_or_default();
            self.taken.insert(rule.id.clone());
        }
        self.skeleton
    }
}

/// What of a rule is not in the document.
fn guesses(operation: &Operation, asked: &Asked) -> Vec<String> {
    let mut guesses = Vec::new();
    match asked {
        Asked::Authenticated if operation.path.last_id().is_some() => {}
        Asked::Authenticated => {
            guesses.push("guess: no parameter of the path is a resource's id".to_owned());
        }
        Asked::Resource { .. } => guesses.push(
            "guess: the action by the method, the kind by the segment before the last parameter"
                .to_owned(),
        ),
    }
    let untyped: Vec<_> = operation.path.untyped().collect();
    if !untyped.is_empty() {
        guesses.push(format!(
            "guess: the document does not say how `{}` is written, so it is text",
            untyped.join("`, `")
        ));
    }
    if operation.path.is_open() {
        guesses.push("guess: by its name, a parameter stands for several segments".to_owned());
    }
    guesses
}
