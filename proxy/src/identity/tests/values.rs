//! Our headers' values: what the application reads is what was decided, and nothing that a name
//! or an id holds can become another value or another header.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::json;

use super::{DECISION, World, alice, principal};
use crate::authz::{Grant, Resource};
use crate::clearance::Clearance;
use crate::identity::IdentityError;
use crate::testing::{ALICE, NOW};

fn written(world: &World, clearance: &Clearance) -> HeaderMap {
    let headers = world.headers(clearance).0;
    let count = headers.len();
    let map = HeaderMap::from_iter(headers);
    assert_eq!(map.keys_len(), count, "each once");
    map
}

#[test]
fn a_decision_is_written_out() {
    let world = World::with(json!({ "identity": { "assertion": { "enabled": false } } }));
    let clearance = world.clearance("/documents/1", &alice(&["editor", "staff"]));
    let headers = written(&world, &clearance);
    for (name, value) in [
        ("x-sidegate-subject", ALICE),
        ("x-sidegate-subject-type", "user"),
        ("x-sidegate-roles", "editor,staff"),
        ("x-sidegate-resource-roles", "owner"),
        ("x-sidegate-authorized", "read document:1"),
        ("x-sidegate-decision-id", DECISION),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers.len(), 6);
}

#[test]
fn a_subject_without_a_decision_is_not_called_authorized() {
    let world = World::new();
    let headers = written(&world, &world.clearance("/me", &alice(&[])));
    assert_eq!(headers["x-sidegate-subject"], ALICE);
    assert_eq!(headers["x-sidegate-roles"], "staff");
    assert!(!headers.contains_key("x-sidegate-authorized"));
    assert!(!headers.contains_key("x-sidegate-resource-roles"));
    for (name, clearance) in &world.clearances()[..2] {
        let headers = written(&world, clearance);
        assert_eq!(headers["x-sidegate-decision-id"], DECISION, "{name}");
        assert_eq!(headers.len(), 1, "{name}");
    }
}

#[test]
fn what_a_header_cannot_hold_is_percent_encoded() {
    let world = World::new();
    for (role, encoded) in [
        ("a,b", "a%2Cb"),
        (
            "a\r\nX-Sidegate-Subject: root",
            "a%0D%0AX-Sidegate-Subject: root",
        ),
        ("a\u{0}", "a%00"),
        ("50%2C", "50%252C"),
        ("\"a\"", "%22a%22"),
        ("é", "%C3%A9"),
        ("\u{7f}", "%7F"),
        ("a b", "a b"),
        // White space at the ends is not part of a header's value, nor of a list's item.
        (" a", "%20a"),
        ("a ", "a%20"),
        (" ", "%20"),
        ("\ta", "%09a"),
    ] {
        let clearance = world.clearance("/me", &alice(&[role]));
        let headers = written(&world, &clearance);
        let mut roles: Vec<_> = headers["x-sidegate-roles"]
            .to_str()
            .unwrap()
            .split(',')
            .collect();
        roles.retain(|role| *role != "staff");
        assert_eq!(roles, [encoded], "{role:?}");
    }
    for (path, encoded) in [
        (
            "/documents/%C3%A9,%20100%25%20%22x%22",
            "%C3%A9, 100%25 %22x%22",
        ),
        ("/documents/%20x%20", "%20x%20"),
    ] {
        let headers = written(&world, &world.clearance(path, &alice(&[])));
        let authorized = format!("read document:{encoded}");
        assert_eq!(headers["x-sidegate-authorized"], authorized.as_str());
    }
}

#[test]
fn a_subject_of_another_spelling_is_another_subject() {
    let anybody = json!([{
        "methods": ["GET"], "path": "/me", "access": "authenticated", "unknown_subject": "allow",
    }]);
    let world = World::with(json!({ "routes": anybody }));
    for (text, encoded) in [
        ("auth0|1", "auth0|1"),
        ("jörg", "j%C3%B6rg"),
        ("root ", "root%20"),
        (" root", "%20root"),
        ("root%20", "root%2520"),
        ("a,b", "a,b"),
    ] {
        let clearance = world.clearance("/me", &Arc::new(principal(text, &[])));
        let headers = written(&world, &clearance);
        assert_eq!(headers["x-sidegate-subject"], encoded, "{text:?}");
    }
}

#[test]
fn a_value_that_is_too_long_is_not_written_at_all() {
    let world = World::new();
    let short = "r".repeat(120);
    let names: Vec<String> = (100..140).map(|at| format!("{short}{at}")).collect();
    let roles = |count: usize| {
        names
            .iter()
            .take(count)
            .map(String::as_str)
            .collect::<Vec<_>>()
    };
    // 33 roles of 123 bytes, with their commas and `staff`, are 4097 bytes.
    let fits = world.clearance("/me", &alice(&roles(32)));
    assert!(world.headers_at(&fits, NOW).is_ok());
    let long = world.clearance("/me", &alice(&roles(33)));
    let error = world.headers_at(&long, NOW).unwrap_err();
    assert_eq!(error, IdentityError::TooLong);
    let encoded = "é".repeat(700);
    let long = world.clearance("/me", &alice(&[&encoded]));
    let error = world.headers_at(&long, NOW).unwrap_err();
    assert_eq!(error, IdentityError::TooLong);
}

#[test]
fn a_resource_is_named_as_it_was_decided_on() {
    let world = World::new();
    let clearance = world.clearance("/documents/1", &alice(&[]));
    let Some(Grant::Decided { resource, .. }) = clearance.permit().map(|permit| permit.grant())
    else {
        panic!("decided")
    };
    let Resource { action, kind, id } = resource;
    assert_eq!(world.policy.action_name(*action), "read");
    assert_eq!(world.policy.kind_name(*kind), "document");
    assert_eq!(id.as_ref().map(|id| id.as_str()), Some("1"));
}
