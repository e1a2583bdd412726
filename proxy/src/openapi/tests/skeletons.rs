//! Documents as people and generators write them, and as nobody should.

use std::path::Path;

use serde_json::json;

use super::*;

#[test]
fn an_operation_becomes_a_rule() {
    let (skeleton, text) = skeleton(&json!({
        "openapi": "3.1.0",
        "servers": [{ "url": "https://app.example/api" }, { "url": "/v2" }],
        "components": {
            "parameters": { "Id": { "name": "id", "in": "path", "schema": { "$ref": "#/components/schemas/Id" } } },
            "schemas": { "Id": { "type": "string", "format": "uuid" } },
        },
        "paths": {
            "/generations": { "get": { "operationId": "list" }, "post": {}, "servers": [{ "url": "/api" }] },
            "/generations/{id}": {
                "parameters": [{ "$ref": "#/components/parameters/Id" }],
                "servers": [],
                "get": { "operationId": "read" }, "head": {}, "patch": { "operationId": "read" },
                "delete": { "parameters": [{ "name": "id", "in": "path", "schema": { "type": "integer" } }] },
            },
            "/tags/{tag-name}": { "put": {} },
        }
    }));
    assert_eq!(
        lines(&skeleton),
        [
            "GET,POST /api/generations -> authenticated",
            "GET,HEAD /generations/{id:uuid} -> read generation:id",
            "PATCH /generations/{id:uuid} -> write generation:id",
            "DELETE /generations/{id:bigint} -> delete generation_by_bigint:id",
            "PUT /api/tags/{tag_name} -> write tag:tag_name",
            "PUT /v2/tags/{tag_name} -> write tag:tag_name",
        ]
    );
    assert_eq!(skeleton.routes[2].id, "read");
    assert!(skeleton.left_out.is_empty(), "{:?}", skeleton.left_out);
    for said in [
        "#   generation: { id: uuid }\n",
        "# Actions that roles of the policy have to grant: delete, read, write\n",
        "  # GET /api/generations (list)\n",
        "# guess: the document does not say how `tag_name` is written, so it is text\n",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

#[test]
fn nothing_is_public_whatever_the_document_says() {
    let (skeleton, text) = skeleton(&json!({
        "openapi": "3.0.3",
        "security": [],
        "paths": {
            "/health": { "get": { "security": [] } },
            "/posts/{id}": { "get": { "security": [{}, { "bearer": [] }] }, "put": { "security": [{ "bearer": [] }] } },
        }
    }));
    assert_eq!(
        lines(&skeleton),
        [
            "GET /health -> authenticated",
            "GET /posts/{id} -> authenticated",
            "PUT /posts/{id} -> write post:id",
        ]
    );
    assert_eq!(
        text.matches("GET: the document wants no credential here")
            .count(),
        2
    );
}

#[test]
fn what_cannot_be_a_rule_is_named() {
    let document = json!({
        "swagger": "2.0",
        "basePath": "/api/",
        "paths": {
            "/a": { "trace": {}, "query": {}, "get": {}, "x-note": 1 },
            "/a/{id}": { "get": { "parameters": [{ "name": "id", "in": "path", "type": "integer" }] } },
            "/a/{other}": { "get": { "parameters": [{ "name": "other", "in": "path", "type": "integer" }] } },
            "/a/{rest*}": { "put": {} },
            "/files/{name}.json": { "get": {} },
            "/b/": { "$ref": "paths.yaml#/b" },
            "/c": { "$ref": "#/paths/~1c" },
            "/d": { "get": { "parameters": [{ "$ref": "https://example.com/p" }] } },
        }
    });
    let (skeleton, text) = skeleton(&document);
    assert_eq!(
        lines(&skeleton),
        [
            "GET /api/a -> authenticated",
            "GET /api/a/{id:bigint} -> read a:id",
            "GET /api/d -> authenticated",
        ]
    );
    let left_out: Vec<_> = skeleton
        .left_out
        .iter()
        .map(|left| format!("{}: {}", left.operation, left.reason))
        .collect();
    for (operation, reason) in [
        ("TRACE /a", "no TRACE"),
        ("QUERY /a", "expected get, head"),
        ("/b/", "out of the document to `paths.yaml#/b`"),
        ("/c", "on and on"),
        (
            "GET /api/a/{other}",
            "`GET /api/a/{id}` answers the same requests",
        ),
        ("PUT /api/a/{rest*}", "cannot stand beside others"),
        ("GET /api/files/{name}.json", "shares its segment"),
    ] {
        let found = left_out
            .iter()
            .find(|line| line.starts_with(&format!("{operation}: ")));
        assert!(
            found.is_some_and(|line| line.contains(reason)),
            "{operation}: {left_out:#?}"
        );
    }
    assert_eq!(left_out.len(), 7, "{left_out:#?}");
    assert!(
        text.contains("# GET: paths./d.get.parameters[0]: its `$ref` leads out"),
        "{text}"
    );
}

#[test]
fn text_of_a_document_stays_in_comments_and_quotes() {
    let line = "\n  - { methods: [GET], path: /secret, access: public }\n#";
    let odd = format!("/x/{{a{line}}}");
    let (skeleton, text) = skeleton(&json!({
        "openapi": "3.0.0",
        "servers": [{ "url": format!("/v{line}") }],
        "security": [{ line: [] }],
        "paths": {
            odd: { "get": { "operationId": line, "parameters": [{ "$ref": line }] }, line: {} },
            "/ok\u{2028}x": { "get": { "operationId": "\"${HOME}" }, "servers": [] },
        }
    }));
    assert!(!text.contains("\n  - {"), "{text}");
    assert_eq!(lines(&skeleton), ["GET /ok%E2%80%A8x -> authenticated"]);
    let error =
        Document::of(&json!({ "openapi": "3.0.0", "paths": { "\u{1b}[2J": 1 } })).unwrap_err();
    assert_eq!(
        error.to_string(),
        "paths.\\u{1b}[2J: expected a path that begins with `/`"
    );
}

#[test]
fn a_fault_is_named_with_its_place() {
    let said = |paths: Value| {
        let document = json!({ "openapi": "3.1.1", "paths": paths });
        Document::of(&document).unwrap_err().to_string()
    };
    for (paths, expected) in [
        (json!([]), "paths: expected the application's paths"),
        (
            json!({ "/a": [] }),
            "paths./a: expected a mapping of operations",
        ),
        (
            json!({ "/a": { "get": null } }),
            "paths./a.get: expected an operation, a mapping",
        ),
        (
            json!({ "/a": { "get": { "parameters": [{ "in": "path" }] } } }),
            "paths./a.get.parameters[0].name: expected the parameter's name",
        ),
        (
            json!({ "/a": { "get": { "security": { "bearer": [] } } } }),
            "paths./a.get.security: expected a list of security requirements",
        ),
        (
            json!({ "/a": { "servers": [{ "url": 1 }] } }),
            "paths./a.servers[0].url: expected the server's URL",
        ),
    ] {
        assert_eq!(said(paths), expected);
    }
    for text in [
        "openapi: 4.0.0\npaths: {}",
        "swagger: 1.2\npaths: {}",
        "- a",
        "",
        "paths: {}",
    ] {
        let said = Document::parse(text).unwrap_err().to_string();
        assert_eq!(
            said, "openapi: expected 3.0, 3.1 or 3.2, or `swagger: \"2.0\"`",
            "{text}"
        );
    }
    for text in [
        "openapi: 3.0\npaths: {}",
        "swagger: 2.0\npaths: {}",
        "openapi: '3.2.0'\npaths: {}",
    ] {
        assert!(Document::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn a_document_cannot_make_much_of_little() {
    let shared: Map<_, _> = (0..20_000)
        .map(|at| (format!("m{at}"), json!({})))
        .collect();
    let paths = (0..20_000).map(|at| (format!("/{at}"), json!({ "$ref": "#/components/shared" })));
    let document = json!({
        "openapi": "3.1.0",
        "components": { "shared": shared },
        "paths": paths.collect::<Map<_, _>>(),
    });
    let said = Document::of(&document).unwrap_err().to_string();
    assert!(said.contains("expected a smaller document"), "{said}");
    assert!(
        Document::read(Path::new("/dev/zero"))
            .unwrap_err()
            .to_string()
            .contains("16 MiB")
    );
    assert!(Document::read(Path::new("/nowhere")).is_err());
}
