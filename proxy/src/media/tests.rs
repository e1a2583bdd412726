//! Objects are named by their own ids alone.

use std::path::Path;

use serde_json::json;
use sidegate_policy::{Id, IdType};

use super::Object;
use crate::testing;

fn object(template: &str) -> Object {
    let mut document = testing::document(json!([]));
    document["insecure_no_issuers"] = json!(true);
    document["links"] = json!({
        "key": testing::base64url([7, 1, 2, 3, 4, 5].repeat(6)),
        "storage": { "url": "https://s.example/v1", "token": "t0ken", "bucket": "b" },
    });
    document["routes"] = json!([{
        "methods": ["GET"], "path": "/d/{id}", "action": "read",
        "resource": { "kind": "document", "id": { "path": "id" } },
        "media": { "object": template },
    }]);
    let settings = testing::settings(Path::new("/"), &document);
    Object::from(settings.routes[0].media.as_ref().unwrap())
}

#[test]
fn an_id_is_one_segment_or_no_object() {
    for (template, id, path) in [
        ("g/{id}/o.png", "a", Some("b/g/a/o.png")),
        ("{id}", "a b%&?#ü", Some("b/a%20b%25%26%3F%23%C3%BC")),
        ("g/{id}.png", "..", Some("b/g/...png")),
        ("g/{id}/o", "...", Some("b/g/.../o")),
        ("g/{id}/o", "..", None),
        ("{id}", ".", None),
        (".{id}", ".", None),
        ("g/.{id}/o", "x", Some("b/g/.x/o")),
        ("g/{id}", "a/../b", None),
        ("g/{id}", "a\\b", None),
    ] {
        let id = Id::parse(IdType::Text, id).unwrap();
        assert_eq!(object(template).of(&id).as_deref(), path, "{template} {id}");
    }
}
