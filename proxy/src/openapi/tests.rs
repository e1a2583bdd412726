//! What every document has to bear, and what the tests of skeletons and comparisons share.

mod comparisons;
mod skeletons;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sidegate_config::{AccessSettings, Settings};
use sidegate_policy::Policy;

use super::*;
use crate::generation::Generation;
use crate::route::RouteTable;

/// A configuration with these routes, and with the kinds and actions of a skeleton.
fn configured(kinds: &[(&str, &str)], actions: &[&str], routes: &str) -> (Settings, Generation) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("directory.yaml"), "users: []\n").unwrap();
    let kinds: Vec<_> = kinds
        .iter()
        .map(|(kind, id)| format!("{kind}: {{ id: {id} }}"))
        .collect();
    let text = format!(
        "upstream: {{ url: \"http://127.0.0.1:1\" }}\ninsecure_no_issuers: true\ninsecure_no_routes: true\n\
         store: {{ file: {{ path: directory.yaml }} }}\n\
         policy: {{ roles: {{ owner: [share, {}] }}, kinds: {{ {} }} }}\n{routes}",
        actions.join(", "),
        kinds.join(", ")
    );
    let parse = || {
        sidegate_config::parse(
            &text,
            &folder.path().join("sidegate.yaml"),
            &BTreeMap::new(),
        )
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let generation =
        Generation::assemble(parse(), None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    (parse(), generation)
}

/// The skeleton of a document, and its text, which a configuration has to accept.
fn skeleton(document: &Value) -> (Skeleton, String) {
    let skeleton = Skeleton::of(&Document::of(document).unwrap());
    let text = skeleton.to_string();
    accepted(&skeleton, &text);
    (skeleton, text)
}

/// Everything that a skeleton promises of its rules.
fn accepted(skeleton: &Skeleton, text: &str) -> Generation {
    let kinds: Vec<_> = skeleton
        .kinds
        .iter()
        .map(|(kind, id)| (kind.as_str(), *id))
        .collect();
    let actions: Vec<_> = skeleton.actions.iter().copied().collect();
    let (settings, generation) = configured(&kinds, &actions, text);
    assert_eq!(settings.routes.len(), skeleton.routes.len(), "{text}");
    for (read, written) in settings.routes.iter().zip(&skeleton.routes) {
        assert!(!matches!(read.access, AccessSettings::Public), "{text}");
        assert_eq!((&read.id, &read.path), (&written.id, &written.path));
        assert_eq!(read.methods, written.methods);
    }
    generation
}

fn parts(table: &Generation) -> (&RouteTable, &Policy) {
    (&table.pipeline.routes, table.pipeline.authorizer.policy())
}

/// `METHOD path -> what it asks for`.
fn lines(skeleton: &Skeleton) -> Vec<String> {
    let line = |rule: &Rule| {
        let methods: Vec<_> = rule.methods.iter().map(http::Method::as_str).collect();
        let asked = match &rule.asked {
            Asked::Authenticated => "authenticated".to_owned(),
            Asked::Resource {
                action,
                kind,
                parameter,
            } => format!("{action} {kind}:{parameter}"),
        };
        format!("{} {} -> {asked}", methods.join(","), rule.path)
    };
    skeleton.routes.iter().map(line).collect()
}

/// Values in which the words of a document are frequent.
fn value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "openapi",
        "3.0.0",
        "swagger",
        "2.0",
        "paths",
        "/a",
        "/a/{id}",
        "/{x}/{x}.{y}",
        "/{p*}",
        "/é b",
        "get",
        "post",
        "trace",
        "parameters",
        "$ref",
        "#/paths/~1a",
        "#/paths/~1a/get/parameters/0",
        "#",
        "in",
        "path",
        "name",
        "id",
        "schema",
        "type",
        "string",
        "integer",
        "format",
        "uuid",
        "servers",
        "url",
        "/v1",
        "security",
        "bearer",
        "operationId",
        "allOf",
        "<<",
        "\n",
        "${A}",
        "~",
    ]);
    let leaf = prop_oneof![
        4 => word.clone().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::vec((word.clone(), inner), 0..6).prop_map(|entries| {
                let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(entries.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// A path item that is mostly well formed.
fn item() -> impl Strategy<Value = Value> {
    let operation = prop_oneof![
        2 => Just(json!({})),
        1 => value(),
        1 => prop::collection::vec(value(), 0..3)
            .prop_map(|parameters| json!({ "parameters": parameters, "operationId": "same" })),
    ];
    (operation.clone(), operation).prop_map(|(get, put)| json!({ "get": get, "put": put }))
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(root in value(), text in ".{0,80}") {
        let _ = Document::of(&root);
        let _ = Document::parse(&text);
        let _ = Document::parse(&root.to_string());
        let _ = Document::parse(&serde_yaml::to_string(&root).unwrap());
    }

    #[test]
    fn every_skeleton_is_accepted_and_covers_what_it_was_written_for(
        items in prop::collection::vec(("(/|[a-c]|\\{[ab*+]{1,2}\\}|[.;%é]|\n){0,6}", item()), 1..5)
    ) {
        let paths: Map<_, _> = items.into_iter().map(|(path, item)| (format!("/{path}"), item)).collect();
        if let Ok(document) = Document::of(&json!({ "openapi": "3.0.0", "paths": paths })) {
            let skeleton = Skeleton::of(&document);
            let generation = accepted(&skeleton, &skeleton.to_string());
            let (table, policy) = parts(&generation);
            let coverage = Coverage::compare(&document, table, policy);
            for left in &coverage.uncovered {
                let name = left.operation.name();
                let known = skeleton.left_out.iter().any(|known| known.operation == name);
                prop_assert!(known || left.reason.contains("another spelling"), "{name}: {}", left.reason);
            }
        }
    }
}
