//! The document as a whole: shape, positions, environment, secrets, the reference configuration.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{BASE, file, parsed, problems, refused, with};
use crate::{KeySource, parse, schema};

const REFERENCE: &str = include_str!("../../sidegate.yaml");
const DEMO: &str = include_str!("../../demo/sidegate.yaml");
const SUPABASE: &str = include_str!("../../supabase.yaml");

#[test]
fn the_reference_configuration_parses_and_names_every_key() {
    let settings = parsed(REFERENCE).unwrap();
    assert!(
        settings.insecure.is_empty() && settings.notes.is_empty(),
        "{:?}",
        settings.notes
    );
    assert_eq!(settings.routes.len(), 18);

    let mut keys = Vec::new();
    collect_keys(&schema(), &mut keys);
    assert!(keys.len() > 70, "{keys:?}");
    for key in keys {
        let starts_key = |(at, _): (usize, &str)| {
            let before = REFERENCE[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
        };
        let named = REFERENCE.match_indices(&format!("{key}:")).any(starts_key);
        assert!(named, "`{key}` is not in sidegate.yaml");
    }
}

#[test]
fn the_demo_needs_no_environment() {
    let settings = parsed(DEMO).unwrap();
    assert!(settings.insecure.is_empty() && settings.notes.is_empty());
}

#[test]
fn the_supabase_example_needs_no_environment_and_ships_no_secret() {
    let settings = parsed(SUPABASE).unwrap();
    assert!(
        settings.insecure.is_empty() && settings.notes.is_empty(),
        "{:?}",
        settings.notes
    );
    let [KeySource::Remote(remote)] = settings.issuers[0].keys.as_slice() else {
        panic!("{:?}", settings.issuers[0].keys);
    };
    let issuer = &settings.issuers[0].issuer;
    assert_eq!(remote.url, format!("{issuer}/.well-known/jwks.json"));

    // What it says to uncomment for the legacy secret works, and has no default to forget.
    let legacy = SUPABASE
        .replace("algorithms: [ES256]", "algorithms: [ES256, HS256]")
        .replace("# - secret:", "- secret:");
    let problem = &problems(&legacy)[0];
    assert!(
        problem.message.contains("`SUPABASE_JWT_SECRET` to be set"),
        "{problem}"
    );
    let secret = "0123456789abcdef0123456789abcdef".to_owned();
    let env = BTreeMap::from([("SUPABASE_JWT_SECRET".to_owned(), secret)]);
    let settings = parse(&legacy, &file(), &env).unwrap();
    assert_eq!(settings.issuers[0].keys.len(), 2);
}

fn collect_keys(node: &Value, keys: &mut Vec<String>) {
    if let Some(Value::Object(properties)) = node.get("properties") {
        keys.extend(properties.keys().cloned());
    }
    match node {
        Value::Object(members) => members.values().for_each(|node| collect_keys(node, keys)),
        Value::Array(items) => items.iter().for_each(|node| collect_keys(node, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn an_unknown_key_and_a_wrong_type_have_a_line_and_a_column() {
    let text = with("upstream: {", "server:\n  treads: 2\nupstream: {");
    let found = problems(&text);
    assert_eq!((found[0].line, found[0].column), (Some(2), Some(3)));
    assert_eq!(found[0].path, "server.treads");
    assert!(found[0].message.contains("expected `threads`") || found[0].message.contains("one of"));

    let text = with(
        "upstream: {",
        "limits:\n  max_token_bytes: [1]\nupstream: {",
    );
    let found = parsed(&text).unwrap_err().to_string();
    let line = "/etc/sidegate/sidegate.yaml:2:20: limits.max_token_bytes: \
                expected a whole number, found a list";
    assert_eq!(found, line);
}

#[test]
fn the_shape_of_the_document_is_exact() {
    for (text, path, words) in [
        (
            with("path: directory.yaml", ""),
            "store.file",
            "required key `path`",
        ),
        (
            with("{ jwks_file: keys.json }", "[keys.json]"),
            "issuers[0].keys[0]",
            "a mapping",
        ),
        (
            with("[api]", ""),
            "issuers[0].audiences",
            "leave the key out",
        ),
        (
            with("[api]", "[!x api]"),
            "issuers[0].audiences[0]",
            "YAML tag",
        ),
        (
            with("[ES256]", "[none]"),
            "issuers[0].algorithms[0]",
            "`ES256`",
        ),
        (
            format!("{BASE}cors: {{ max_age: {{}} }}"),
            "cors.max_age",
            "a duration such as",
        ),
        (format!("{BASE}listen: 1\nlisten: 2\n"), "", "duplicate"),
        (format!("{BASE}listen: [1"), "", "valid YAML"),
    ] {
        refused(&text, path, words);
    }
    let empty = &problems("")[0];
    assert!(empty.message.contains("required key `upstream`"), "{empty}");
    let list = &problems("[]")[0];
    assert!(list.message.contains("a mapping, found a list"), "{list}");
}

#[test]
fn a_semantic_problem_is_located() {
    let text = with(
        "{ methods: [GET], path: /health, access: public }",
        "methods: [GET]\n    path: /a\n    action: read\n    resource:\n      kind: film\n      id: { path: id }",
    );
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].path, "routes[0].resource.kind");
    assert_eq!((found[0].line, found[0].column), (Some(16), Some(13)));
    assert!(found[0].message.contains("`generation`"));
}

#[test]
fn several_problems_are_reported_together_in_the_file_s_order() {
    let text = with("http://127.0.0.1:3000", "https://app")
        .replace("/health", "health")
        .replace("https://id.example/", "''");
    let text = format!("{text}limits: {{ decision_timeout: 2m, drain_timeout: soon }}\n");
    let paths: Vec<String> = problems(&text)
        .into_iter()
        .map(|found| found.path)
        .collect();
    let expected = [
        "upstream.url",
        "issuers[0].issuer",
        "routes[0].path",
        "limits.decision_timeout",
        "limits.drain_timeout",
    ];
    assert_eq!(paths, expected);
    assert!(problems(&text)[3].message.contains("1ms to 60s"));
}

#[test]
fn the_environment_gives_values_and_no_structure() {
    let text = format!(
        "{BASE}listen: ${{LISTEN}}\nserver: {{ threads: '${{THREADS:-3}}' }}\ncors: {{ \
         allow_credentials: '${{YES}}' }}\n"
    )
    .replace("[api]", "['${AUDIENCE}']");
    let env = |audience: &str| {
        BTreeMap::from([
            ("LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("YES".to_owned(), "true".to_owned()),
            ("AUDIENCE".to_owned(), audience.to_owned()),
        ])
    };
    let inject = "a, b]\n    insecure_any_audience: true # {";
    let settings = parse(&text, &file(), &env(inject)).unwrap();
    assert_eq!(settings.server.threads, 3);
    assert!(settings.cors.allow_credentials);
    assert_eq!(settings.issuers[0].audiences.first().unwrap(), inject);
    assert!(settings.insecure.is_empty());

    let found = problems(&text);
    let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "issuers[0].audiences[0]",
            "listen",
            "cors.allow_credentials"
        ]
    );
    assert_eq!((found[0].line, found[0].column), (Some(5), Some(17)));
    assert!(
        found[0].message.contains("`AUDIENCE` to be set"),
        "{}",
        found[0]
    );
}

#[test]
fn a_secret_is_read_from_its_file_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidegate.yaml");
    std::fs::write(
        folder.path().join("key"),
        "0123456789abcdef0123456789abcdef\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    let hs256 = |secret: &str| {
        with("[ES256]", "[HS256]").replace("{ jwks_file: keys.json }", &format!("{{ {secret} }}"))
    };
    let settings = parse(&hs256("secret: 'file:key'"), &file, &BTreeMap::new()).unwrap();
    let [KeySource::Secret { secret, .. }] = settings.issuers[0].keys.as_slice() else {
        panic!("{:?}", settings.issuers[0].keys);
    };
    assert_eq!(secret.expose(), b"0123456789abcdef0123456789abcdef");
    assert!(!format!("{settings:?}").contains("0123456789abcdef"));

    for name in ["missing", "empty"] {
        let text = hs256(&format!("secret: 'file:{name}'"));
        let error = parse(&text, &file, &BTreeMap::new())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(folder.path().join(name).to_str().unwrap()),
            "{error}"
        );
    }
    for text in [
        hs256("secret: hunter2"),
        hs256("secret: [hunter2]"),
        with("{ jwks_file: keys.json }", "hunter2"),
        with("{ jwks_file: keys.json }", "{ secret: hunter2 }"),
        with("http://127", "http://me:hunter2@127"),
        format!("{BASE}admin: {{ token: hunter2 }}\n"),
        format!("{BASE}admin: {{ token: 'hunter2${{' }}\n"),
        format!("{BASE}admin: hunter2\n"),
        format!("{BASE}identity: {{ assertion: {{ bind: hunter2 }} }}\n"),
        format!("{BASE}identity: {{ assertion: {{ enabled: hunter2 }} }}\n"),
    ] {
        let error = parsed(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn a_mistake_that_the_parser_does_not_place_is_placed_at_the_start() {
    let error = parsed("&a &a [*a]").unwrap_err();
    let message = error.to_string();
    assert!(message.contains(":1:1"), "{message}");
}
