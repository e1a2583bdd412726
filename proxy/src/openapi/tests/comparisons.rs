//! Documents held against rules.

use serde_json::json;

use super::*;

const RULES: &str = r#"
routes:
  - { methods: [GET], path: "/open/{*rest}", access: public }
  - { id: read-post, methods: [GET], path: "/posts/{id:uuid}", action: read, resource: { kind: post, id: { path: id } } }
  - { id: by-name, methods: [GET], path: "/posts/{name}", access: authenticated }
  - { methods: [GET], path: "/Case", access: public }
  - { methods: [GET], path: "/case", access: authenticated }
  - { id: old, methods: [GET], path: "/old", access: authenticated }
"#;

/// Some of it is covered by [`RULES`].
fn document() -> Document {
    let uuid =
        json!([{ "name": "id", "in": "path", "schema": { "type": "string", "format": "uuid" } }]);
    let document = json!({
        "openapi": "3.0.0",
        "security": [{ "bearer": [] }, { "key": [], "id": [] }],
        "paths": {
            "/open/a": { "get": {}, "head": { "security": [] }, "post": {} },
            "/posts/{id}": { "get": { "parameters": uuid }, "delete": { "parameters": uuid } },
            "/posts/{any}": { "get": {} },
            "/Case": { "get": {} },
            "/case": { "get": {} },
            "/files/{a}.{b}": { "get": {} },
        }
    });
    Document::of(&document).unwrap()
}

#[test]
fn a_document_is_held_against_the_rules() {
    let (_, generation) = configured(&[("post", "uuid")], &["read"], RULES);
    let (table, policy) = parts(&generation);
    let document = document();
    let coverage = Coverage::compare(&document, table, policy);
    let text = coverage.to_string();
    let said: Vec<_> = text.lines().collect();
    for line in [
        "covered: GET /open/a: `GET /open/{*rest}`, public",
        "covered: HEAD /open/a: `GET /open/{*rest}`, public",
        "covered: GET /posts/{id}: `read-post`, read on post",
        "covered: GET /posts/{any}: `by-name`, authenticated; `read-post`, read on post",
        "covered: GET /case: `GET /case`, authenticated",
        "warning: GET /open/a: public here, the document demands bearer or key and id",
        "uncovered: POST /open/a: no rule answers it",
        "uncovered: DELETE /posts/{id}: no rule answers it",
        "uncovered: GET /Case: refused: another spelling of its path has a stricter rule",
        "uncovered: GET /files/{a}.{b}: no rule answers it",
        "note: the rule `old` (/old) answers no operation of the document",
    ] {
        assert!(said.contains(&line), "{line}\n{text}");
    }
    assert_eq!(
        said.iter()
            .filter(|line| line.starts_with("warning"))
            .count(),
        1
    );
    assert!(!coverage.is_complete());
}

#[test]
fn what_is_not_covered_is_written_beside_what_is_there() {
    let (_, generation) = configured(&[("post", "uuid")], &["read"], RULES);
    let (table, policy) = parts(&generation);
    let document = document();
    let coverage = Coverage::compare(&document, table, policy);
    let skeleton = Skeleton::beside(&coverage, table, policy);
    assert_eq!(
        lines(&skeleton),
        [
            "POST /open/a -> authenticated",
            "DELETE /posts/{id:uuid} -> delete post:id"
        ]
    );
    // What the policy has is not asked for again.
    assert!(skeleton.kinds.is_empty() && skeleton.actions.contains("delete"));
    let added = skeleton.to_string();
    let (_, rules) = added.split_once("routes:\n").unwrap();
    let (_, generation) = configured(
        &[("post", "uuid")],
        &["read", "delete"],
        &format!("{RULES}{rules}"),
    );
    let (table, policy) = parts(&generation);
    let coverage = Coverage::compare(&document, table, policy);
    let left: Vec<_> = coverage
        .uncovered
        .iter()
        .map(|left| left.operation.name())
        .collect();
    // The more particular rule decides for every method of its path.
    assert_eq!(
        left,
        [
            "GET /open/a",
            "HEAD /open/a",
            "GET /Case",
            "GET /files/{a}.{b}"
        ]
    );
}

#[test]
fn rules_for_some_values_of_a_parameter_are_named_so() {
    let rules =
        "routes:\n  - { id: one, methods: [GET], path: \"/a/{id:uuid}\", access: authenticated }\n";
    let (_, generation) = configured(&[], &[], rules);
    let (table, policy) = parts(&generation);
    let document = json!({ "openapi": "3.0.0", "paths": { "/a/{id}": { "get": {} } } });
    let document = Document::of(&document).unwrap();
    let coverage = Coverage::compare(&document, table, policy);
    assert!(coverage.is_complete() && coverage.covered[0].partly);
}
