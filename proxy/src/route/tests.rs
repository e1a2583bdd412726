//! Precedence, conflicts and overlaps, as their author sees them.

use std::collections::BTreeMap;
use std::path::Path;

use http::Method;
use proptest::prelude::*;
use sidegate_config::RouteSettings;
use sidegate_policy::{Document, IdType, KindDocument, Policy};

use super::*;
use crate::target::Target;

fn policy() -> Policy {
    let kind = KindDocument {
        id: IdType::Uuid,
        roles: None,
        statuses: None,
    };
    Policy::compile(&Document {
        subject_id: IdType::Uuid,
        roles: BTreeMap::from([("owner".to_owned(), ["read".to_owned()].into())]),
        visibility_roles: BTreeMap::new(),
        subject_roles: BTreeMap::new(),
        kinds: BTreeMap::from([("generation".to_owned(), kind)]),
    })
    .unwrap()
}

/// Routes from lines such as `GET,POST /a/{id:uuid}`, each its own id.
fn settings(lines: &[&str]) -> Vec<RouteSettings> {
    let routes: String = lines
        .iter()
        .map(|line| {
            let (methods, path) = line.split_once(' ').unwrap();
            format!(
                "  - {{ id: \"{line}\", methods: [{methods}], path: \"{path}\", access: public }}\n"
            )
        })
        .collect();
    let text = format!(
        "upstream: {{ url: \"http://127.0.0.1:1\" }}\ninsecure_no_issuers: true\nstore: {{ file: {{ path: d }} }}\n\
         policy: {{ roles: {{ owner: [read] }}, kinds: {{ generation: {{}} }} }}\nroutes:\n{routes}"
    );
    sidegate_config::parse(&text, Path::new("test.yaml"), &BTreeMap::new())
        .unwrap()
        .routes
}

fn table(lines: &[&str]) -> Result<RouteTable, RouteTableError> {
    RouteTable::compile(&settings(lines), &policy())
}

fn found(table: &RouteTable, method: &Method, path: &str) -> Option<String> {
    let target = Target::parse(path.as_bytes()).unwrap();
    table
        .find(method, &target)
        .ok()
        .flatten()
        .map(|found| found.route.id.to_string())
}

const UUID: &str = "6e000000-0000-4000-8000-000000000001";
const LINES: [&str; 10] = [
    "GET /a/{id:uuid}",
    "GET /a/{id:bigint}",
    "GET /a/{slug}",
    "GET /a/recent",
    "POST /a/{slug}",
    "GET /a/{slug}/b",
    "GET /a/recent/c",
    "HEAD /a/{slug}/b",
    "GET /s/{*rest}",
    "GET /",
];

#[test]
fn the_most_particular_route_wins() {
    let table = table(&LINES).unwrap();
    for (path, route) in [
        (&*format!("/a/{UUID}"), Some("GET /a/{id:uuid}")),
        ("/a/17", Some("GET /a/{id:bigint}")),
        ("/a/red%20cat", Some("GET /a/{slug}")),
        ("/a/recent", Some("GET /a/recent")),
        ("/a/recent/b", Some("GET /a/{slug}/b")),
        ("/a/recent/c", Some("GET /a/recent/c")),
        ("/a/other/c", None),
        ("/s/x/y", Some("GET /s/{*rest}")),
        ("/s/", None),
        ("/a/", None),
        ("/", Some("GET /")),
    ] {
        assert_eq!(
            found(&table, &Method::GET, path).as_deref(),
            route,
            "{path}"
        );
    }
    let get_like_head = found(&table, &Method::HEAD, "/a/recent");
    assert_eq!(get_like_head.as_deref(), Some("GET /a/recent"));
    let named_head = found(&table, &Method::HEAD, "/a/x/b");
    assert_eq!(named_head.as_deref(), Some("HEAD /a/{slug}/b"));
    // The path decides before the method.
    assert_eq!(found(&table, &Method::POST, "/a/recent"), None);
    assert_eq!(
        found(&table, &Method::POST, "/a/other").as_deref(),
        Some("POST /a/{slug}")
    );
}

#[test]
fn two_routes_for_one_request_are_refused() {
    for pair in [["GET /a/{x}", "GET,POST /a/{y}"], ["GET /a", "HEAD,GET /a"]] {
        let mut pair = settings(&pair);
        pair[1].id = "other".to_owned();
        let error = RouteTable::compile(&pair, &policy()).unwrap_err();
        assert!(matches!(error, RouteTableError::Conflict { .. }), "{error}");
    }
    assert!(table(&["GET /a/{x}", "POST /a/{y}"]).is_ok());
}

#[test]
fn overlaps_are_named_with_their_winner() {
    let overlaps = |lines: &[&str]| table(lines).unwrap().overlaps();
    let literal = overlaps(&["GET /a/{slug}", "GET /a/recent"]);
    assert!(
        literal.len() == 1 && literal[0].contains("`GET /a/recent` wins"),
        "{literal:?}"
    );
    let typed = overlaps(&["GET /a/{slug}", "GET /a/{id:uuid}"]);
    assert!(
        typed.len() == 1 && typed[0].contains("`GET /a/{id:uuid}` wins"),
        "{typed:?}"
    );
    assert_eq!(
        overlaps(&[
            "GET /a/{id:uuid}",
            "GET /a/recent",
            "GET /b",
            "POST /a/{id:uuid}"
        ]),
        [""; 0]
    );
}

#[test]
fn what_a_route_refers_to_must_be_there() {
    let mut routes = settings(&["GET /g/{id}"]);
    let resource = |action: &str, id: &str| sidegate_config::AccessSettings::Resource {
        action: action.to_owned(),
        kind: "generation".to_owned(),
        id: sidegate_config::IdSource::Path(id.to_owned()),
    };
    let compile = |routes: &[RouteSettings]| RouteTable::compile(routes, &policy());

    routes[0].access = resource("read", "id");
    let target = Target::parse(format!("/g/{}", UUID.to_uppercase()).as_bytes()).unwrap();
    let found = compile(&routes)
        .unwrap()
        .find(&Method::GET, &target)
        .unwrap()
        .unwrap();
    assert_eq!(
        found.path_id.unwrap().as_str(),
        UUID,
        "canonical, not as the request spells it"
    );

    routes[0].access = resource("read", "other");
    assert!(matches!(
        compile(&routes),
        Err(RouteTableError::NoSuchParameter { .. })
    ));
    routes[0].access = resource("fly", "id");
    assert!(matches!(
        compile(&routes),
        Err(RouteTableError::NeverGranted { .. })
    ));
    routes[0].access = resource("read", "id");
    routes[0].path = "/g/{id:bigint}".to_owned();
    assert!(matches!(
        compile(&routes),
        Err(RouteTableError::OtherType { .. })
    ));
}

#[test]
fn another_spelling_of_a_stricter_route_is_refused() {
    let mut routes = settings(&[
        "GET /api/{*rest}",
        "GET /api/admin/{id}",
        "GET /api/admin/{id}/",
    ]);
    let authenticated = sidegate_config::AccessSettings::Authenticated {
        unknown_subject: UnknownSubject::Deny,
    };
    routes.truncate(2);
    routes[1].access = authenticated;
    let table = RouteTable::compile(&routes, &policy()).unwrap();
    let find = |path: &str| {
        let target = Target::parse(path.as_bytes()).unwrap();
        table
            .find(&Method::GET, &target)
            .map(|found| found.map(|found| found.route.id.to_string()))
    };
    assert_eq!(
        find("/api/admin/7"),
        Ok(Some("GET /api/admin/{id}".to_owned()))
    );
    assert_eq!(
        find("/api/other/7"),
        Ok(Some("GET /api/{*rest}".to_owned()))
    );
    for path in [
        "/api/admin/7/",
        "/api/Admin/7",
        "/api/ADMIN/7/",
        "/api/aDmin/x",
    ] {
        assert_eq!(find(path), Err(AmbiguousPath), "{path}");
    }
}

#[test]
fn a_route_that_can_never_be_reached_is_named() {
    let mut routes = settings(&["GET /docs", "GET /docs/", "GET /other/"]);
    assert_eq!(
        RouteTable::compile(&routes, &policy()).unwrap().overlaps(),
        [""; 0]
    );
    routes[0].access = sidegate_config::AccessSettings::Authenticated {
        unknown_subject: UnknownSubject::Deny,
    };
    let named = RouteTable::compile(&routes, &policy()).unwrap().overlaps();
    assert!(
        named.len() == 1 && named[0].contains("`GET /docs/`"),
        "{named:?}"
    );
}

proptest! {
    #[test]
    fn the_order_of_routes_never_matters(order in Just(LINES.to_vec()).prop_shuffle(), path in
        "/(a|s|b)(/(recent|b|c|17|x|6e000000-0000-4000-8000-000000000001)){0,3}")
    {
        let (one, other) = (table(&LINES).unwrap(), table(&order).unwrap());
        for method in [Method::GET, Method::POST, Method::HEAD] {
            prop_assert_eq!(found(&one, &method, &path), found(&other, &method, &path));
        }
    }
}
