//! What is kept in memory, of a directory: nobody gets what was kept for somebody else.
//!
//! What a database changes under it, for every instance, is in [`revoked`].

pub(super) mod revoked;

use serde_json::{Value, json};

use super::{Scene, by_alice, target};
use crate::caching::metric;
use crate::process::{ALICE, ISSUER, MINE, SECRET, YOURS, config};
use crate::wire::request;

const OTHER_ISSUER: &str = "https://other.test/";
const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";
const BOB: &str = "b0b00000-0000-4000-8000-000000000002";
/// Anybody may read it, nobody but its owner may write it.
const OPEN: &str = "6e000000-0000-4000-8000-000000000003";

const DIRECTORY: &str = "
users:
  - { id: a11ce000-0000-4000-8000-000000000001, active: true }
  - { id: b0b00000-0000-4000-8000-000000000002, active: true }
projects:
  - { id: 94110000-0000-4000-8000-000000000001, owner_id: b0b00000-0000-4000-8000-000000000002, visibility: public }
resources:
  - { kind: generation, id: 6e000000-0000-4000-8000-000000000001, owner_id: a11ce000-0000-4000-8000-000000000001 }
  - { kind: generation, id: 6e000000-0000-4000-8000-000000000002 }
  - { kind: generation, id: 6e000000-0000-4000-8000-000000000003, owner_id: b0b00000-0000-4000-8000-000000000002, project_id: 94110000-0000-4000-8000-000000000001 }
";

fn scene() -> Scene {
    Scene::configured(
        |application| config(application, ""),
        &[("directory.yaml", DIRECTORY)],
    )
}

/// A token that an issuer might have made, with this secret.
fn signed(issuer: &str, secret: &str, subject: &str) -> String {
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    let now = epoch.elapsed().unwrap().as_secs();
    let claims: Value =
        json!({ "iss": issuer, "aud": "api", "sub": subject, "iat": now, "exp": now + 600 });
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

fn by(subject: &str, method: &str, path: &str) -> String {
    let token = signed(ISSUER, SECRET, subject);
    request(
        method,
        path,
        &[("Authorization", &format!("Bearer {token}"))],
    )
}

/// Asks until it is answered from memory.
fn warm(scene: &Scene, raw: &str) {
    let from = |tier: &str| {
        metric(
            &scene.sidegate,
            &format!("sidegate_answers_total{{tier=\"{tier}\"}}"),
        )
    };
    crate::process::eventually("an answer from memory", || {
        let before = from("l1");
        scene.arrives(raw);
        (from("l1") > before).then_some(())
    });
}

/// A token that one authority had confirmed was accepted for another.
#[test]
fn c1_cve_2026_33496() {
    let issuers = |application| {
        let two = format!(
            "issuers:
  - {{ issuer: \"{OTHER_ISSUER}\", audiences: [api], algorithms: [HS256], keys: [{{ secret: \"{OTHER_SECRET}\" }}], sources: [{{ header: X-Token }}] }}"
        );
        config(application, "").replace("issuers:", &two)
    };
    let scene = Scene::configured(issuers, &[]);
    let good = signed(ISSUER, SECRET, ALICE);
    let others = signed(OTHER_ISSUER, OTHER_SECRET, ALICE);
    let bearer = |token: &str| {
        request(
            "GET",
            &format!("/g/{MINE}"),
            &[("Authorization", &format!("Bearer {token}"))],
        )
    };
    let header = |token: &str| request("GET", &format!("/g/{MINE}"), &[("X-Token", token)]);
    // Before anything is kept, and after.
    for _ in 0..2 {
        scene.never(header(&good));
        scene.never(bearer(&others));
        for mixed in [
            signed(OTHER_ISSUER, SECRET, ALICE),
            signed(ISSUER, OTHER_SECRET, ALICE),
        ] {
            scene.never(header(&mixed));
            scene.never(bearer(&mixed));
        }
        warm(&scene, &bearer(&good));
        warm(&scene, &header(&others));
    }
}

/// What had been granted for one scope was granted from memory for every other.
#[test]
fn c2_cve_2021_32701() {
    let scene = scene();
    let (open, mine) = (format!("/g/{OPEN}"), format!("/g/{MINE}"));
    for _ in 0..3 {
        warm(&scene, &by(ALICE, "GET", &open));
        warm(&scene, &by(ALICE, "POST", &mine));
        // The same token: another action, another resource.
        scene.never(by(ALICE, "POST", &open));
        scene.never(by(ALICE, "DELETE", &mine));
        scene.never(by(ALICE, "GET", &format!("/g/{YOURS}")));
        scene.never(by(
            ALICE,
            "GET",
            &format!("/g/{}", YOURS.replace("6e", "6f")),
        ));
    }
}

/// Keys of a cache that left out the host, or joined two texts into one.
#[test]
fn c3_cve_2026_2836() {
    let texts = |application| {
        let kinds = "kinds: { generation: { id: uuid } }";
        let route = "  - { methods: [GET], path: \"/d/{id}\", action: read, resource: { kind: document, id: { path: id } } }";
        config(application, route).replace(
            kinds,
            "subject_id: text\n  kinds: { generation: { id: text }, document: { id: text } }",
        )
    };
    let directory = "
users: [{ id: \"a\", active: true }, { id: \"a:b\", active: true }, { id: \"a|b\", active: true }]
resources:
  - { kind: generation, id: \"b:c\", owner_id: \"a\" }
  - { kind: generation, id: \"b|c\", owner_id: \"a\" }
  - { kind: generation, id: \"c\" }
  - { kind: document, id: \"b:c\" }
  - { kind: document, id: \"c\", owner_id: \"a:b\" }
";
    let scene = Scene::configured(texts, &[("directory.yaml", directory)]);
    for _ in 0..2 {
        warm(&scene, &by("a", "GET", "/g/b:c"));
        warm(&scene, &by("a", "GET", "/g/b%7Cc"));
        warm(&scene, &by("a:b", "GET", "/d/c"));
        for (subject, path) in [
            ("a:b", "/g/c"),
            ("a|b", "/g/c"),
            ("a", "/g/c"),
            ("a:b", "/g/b:c"),
            ("a|b", "/g/b%7Cc"),
            ("a", "/d/b:c"),
            ("a", "/d/c"),
            ("a|b", "/d/c"),
            ("a", "/g/b:C"),
            ("A", "/g/b:c"),
            ("a:", "/g/b:c"),
        ] {
            scene.never(by(subject, "GET", path));
        }
    }
    // The application's answers are never kept: whatever the host, it is asked.
    for host in ["one.test", "two.test", "one.test"] {
        let raw = by("a", "GET", "/g/b:c").replace("app.test", host);
        assert_eq!(scene.arrives(raw).values("host"), [host]);
    }
}

/// The key of a cache held the URL and not who was asking.
#[test]
fn c4_nginx_ldap_auth_103() {
    let scene = scene();
    let mine = format!("/g/{MINE}");
    for _ in 0..3 {
        warm(&scene, &by(ALICE, "GET", &mine));
        scene.never(by(BOB, "GET", &mine));
        scene.never(by(YOURS, "GET", &mine));
        scene.never(request("GET", &mine, &[]));
        scene.never(request("GET", &mine, &[("Authorization", "Bearer x.y.z")]));
        scene.never(request(
            "GET",
            &mine,
            &[(
                "Authorization",
                &format!("Bearer {}x", signed(ISSUER, SECRET, ALICE)),
            )],
        ));
        let arrived = scene.arrives(by_alice("GET", &mine, &[]));
        assert_eq!(
            (target(&arrived), arrived.values("x-sidegate-subject")),
            (&*mine, vec![ALICE])
        );
    }
    warm(&scene, &by(BOB, "POST", &format!("/g/{OPEN}")));
}
