//! The assertion, as an application verifies it: with another library and the published key set.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, Method};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{DecodingKey, Header, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::{DECISION, World, alice, principal};
use crate::authn::{Principal, SubjectType};
use crate::clearance::Clearance;
use crate::identity::{AssertionError, Signer};
use crate::testing::{self, ALICE, NOW, Pair, at, base64url};

fn world(assertion: Value) -> World {
    World::with(json!({ "identity": { "assertion": assertion } }))
}

/// The assertion that goes with a request of this method at this second.
fn assertion(world: &World, clearance: &Clearance, method: &Method, second: i64) -> String {
    let (identity, policy, now) = (&world.identity, &world.policy, at(second));
    let headers = identity.headers(clearance, policy, method, DECISION, now);
    let headers = HeaderMap::from_iter(headers.unwrap().0);
    headers["x-sidegate-assertion"].to_str().unwrap().to_owned()
}

fn get(world: &World, clearance: &Clearance, second: i64) -> String {
    assertion(world, clearance, &Method::GET, second)
}

/// Header and claims, verified as an application does it.
fn verified(world: &World, assertion: &str) -> (Header, Value) {
    let jwks = world.identity.signer().unwrap().jwks();
    let jwks: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let header = decode_header(assertion).unwrap();
    let jwk = jwks.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["app"]);
    validation.set_issuer(&["sidegate"]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    let token = decode::<Value>(assertion, &key, &validation).unwrap();
    (header, token.claims)
}

fn until(end: i64) -> Arc<Principal> {
    let mut principal = principal(ALICE, &[]);
    principal.expires_at = Some(at(end));
    Arc::new(principal)
}

#[test]
fn applications_can_verify_it_with_either_algorithm_and_any_key() {
    for (algorithm, pair) in [("EdDSA", Pair::ed25519()), ("ES256", Pair::p256())] {
        for key in [None, Some(&pair.private_pem)] {
            let mut settings = json!({ "algorithm": algorithm });
            if let Some(pem) = key {
                settings["key"] = json!(pem);
            }
            let world = world(settings);
            let clearance = world.clearance("/documents/1", &alice(&["editor"]));
            let assertion = get(&world, &clearance, NOW);
            let (header, claims) = verified(&world, &assertion);
            assert_eq!(header.typ.as_deref(), Some("authz-assertion+jwt"));
            assert_eq!(json!(header.alg), json!(algorithm));
            let expected = json!({
                "iss": "sidegate", "aud": "app", "sub": ALICE, "sub_type": "user",
                "roles": ["editor", "staff"], "iat": NOW, "exp": NOW + 60,
            });
            assert_eq!(claims, expected, "{algorithm}");
            // The key set holds one public key, which is the configured one.
            let jwks = world.identity.signer().unwrap().jwks();
            let published = &jwks["keys"][0];
            assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
            assert_eq!(published["use"], "sig");
            assert_eq!(published["alg"], algorithm);
            assert!(published.get("d").is_none());
            assert_eq!(published["x"] == pair.jwk["x"], key.is_some());
        }
    }
}

#[test]
fn a_touched_or_foreign_one_does_not_verify() {
    let (ours, theirs) = (world(json!({})), world(json!({})));
    let clearance = theirs.clearance("/me", &alice(&[]));
    let foreign = get(&theirs, &clearance, NOW);
    let jwks = ours.identity.signer().unwrap().jwks();
    let jwks: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let kid = decode_header(&foreign).unwrap().kid.unwrap();
    assert!(jwks.find(&kid).is_none());
    assert!(matches!(
        jwks.keys[0].algorithm,
        AlgorithmParameters::OctetKeyPair(_)
    ));
}

#[test]
fn it_lives_as_long_as_configured_and_never_beyond_its_token() {
    for (written, lifetime) in [("60s", 60), ("2s", 2)] {
        for (left, expected) in [(3600, lifetime), (10, lifetime.min(10)), (1, 1)] {
            let world = world(json!({ "lifetime": written }));
            let clearance = world.clearance("/me", &until(NOW + left));
            let (_, claims) = verified(&world, &get(&world, &clearance, NOW));
            assert_eq!(claims["iat"], NOW);
            assert_eq!(claims["exp"], NOW + expected, "{written}, {left} s left");
        }
    }
}

#[test]
fn one_signature_serves_a_subject_for_half_its_life() {
    let world = world(json!({ "algorithm": "ES256", "lifetime": "20s" }));
    let clearance = world.clearance("/me", &alice(&[]));
    let first = get(&world, &clearance, NOW);
    assert_eq!(get(&world, &clearance, NOW), first);
    assert_eq!(get(&world, &clearance, NOW + 9), first);
    // Of another route, too: it speaks for the subject alone.
    let other = world.clearance("/documents/1", &alice(&[]));
    assert_eq!(assertion(&world, &other, &Method::HEAD, NOW + 9), first);
    let second = get(&world, &clearance, NOW + 10);
    assert_ne!(second, first);
    assert_eq!(verified(&world, &second).1["exp"], NOW + 30);
    // A clock that was set back does not keep one from the future.
    let third = get(&world, &clearance, NOW);
    assert_eq!(verified(&world, &third).1["iat"], NOW);
}

#[test]
fn a_signature_is_not_used_for_a_token_that_ends_before_it() {
    let world = world(json!({}));
    let long = world.clearance("/me", &until(NOW + 3600));
    let short = world.clearance("/me", &until(NOW + 20));
    get(&world, &long, NOW);
    let (_, claims) = verified(&world, &get(&world, &short, NOW + 1));
    assert_eq!(claims["exp"], NOW + 20);
}

/// The token is about to end, and its successor comes before the assertion's half life is over.
#[test]
fn a_signature_cut_short_by_one_token_does_not_serve_the_next() {
    let world = world(json!({}));
    let ending = world.clearance("/me", &until(NOW + 5));
    let next = world.clearance("/me", &until(NOW + 3600));
    let (_, claims) = verified(&world, &get(&world, &ending, NOW));
    assert_eq!(claims["exp"], NOW + 5);
    for later in [1, 4, 5, 6, 29] {
        let (_, claims) = verified(&world, &get(&world, &next, NOW + later));
        let left = claims["exp"].as_i64().unwrap() - (NOW + later);
        assert!(left > 30, "{left} s left after {later} s");
    }
    // While it lasts, the cut one serves its own token.
    let ending = world.clearance("/me", &until(NOW + 100));
    let first = get(&world, &ending, NOW + 90);
    assert_eq!(get(&world, &ending, NOW + 99), first);
}

#[test]
fn another_subject_kind_or_role_is_another_assertion() {
    let anybody = json!([{
        "methods": ["GET"], "path": "/me", "access": "authenticated", "unknown_subject": "allow",
    }]);
    let world = World::with(json!({ "routes": anybody }));
    let service = Principal {
        kind: SubjectType::Service,
        ..principal(ALICE, &[])
    };
    let assertions = [
        principal(ALICE, &[]),
        principal(ALICE, &["a"]),
        principal(ALICE, &["a", "b"]),
        principal(ALICE, &["a,b"]),
        principal("b0b00000-0000-4000-8000-000000000001", &[]),
        service,
    ]
    .map(|principal| {
        let (kind, subject) = (principal.kind.name(), principal.subject.clone());
        let roles: Vec<_> = principal.roles.to_vec();
        let clearance = world.clearance("/me", &Arc::new(principal));
        let assertion = get(&world, &clearance, NOW);
        assert_eq!(get(&world, &clearance, NOW), assertion);
        let (_, claims) = verified(&world, &assertion);
        assert_eq!(claims["sub"], subject.as_str());
        assert_eq!(claims["sub_type"], kind);
        let claimed = claims["roles"].as_array().unwrap();
        assert!(roles.iter().all(|role| claimed.contains(&json!(role))));
        assert!(claimed.len() <= roles.len() + 1);
        assertion
    });
    for (at, one) in assertions.iter().enumerate() {
        assert!(!assertions[at + 1..].contains(one));
    }
}

#[test]
fn a_request_bound_one_speaks_for_one_request() {
    let world = world(json!({ "bind": "request", "algorithm": "ES256" }));
    let clearance = world.clearance("/documents/%31?page=2", &alice(&[]));
    let first = get(&world, &clearance, NOW);
    let (header, claims) = verified(&world, &first);
    assert_eq!(header.typ.as_deref(), Some("authz-assertion+jwt"));
    assert_eq!(claims["htm"], "GET");
    // The canonical path, without the query.
    let hash = base64url(digest(&SHA256, b"/documents/1"));
    assert_eq!(claims["htp"], hash);
    assert_eq!(claims["authorized"], "read document:1");
    assert_eq!(claims["exp"], NOW + 60);
    assert_ne!(get(&world, &clearance, NOW), first, "signed anew");
    let head = assertion(&world, &clearance, &Method::HEAD, NOW);
    assert_eq!(verified(&world, &head).1["htm"], "HEAD");
    let me = world.clearance("/me", &alice(&[]));
    let (_, claims) = verified(&world, &get(&world, &me, NOW));
    assert_eq!(claims["htp"], base64url(digest(&SHA256, b"/me")));
    assert_eq!(claims["authorized"], Value::Null);
}

#[test]
fn a_key_that_does_not_fit_is_refused_at_the_start() {
    let keys = [Pair::ed25519(), Pair::p256(), Pair::p384()];
    let folder = tempfile::TempDir::new().unwrap();
    let load = |algorithm: &str, pem: &str| {
        let mut document = testing::document(json!([]));
        document["insecure_no_issuers"] = json!(true);
        let assertion = json!({ "algorithm": algorithm, "key": pem });
        document["identity"] = json!({ "assertion": assertion });
        let settings = testing::settings(folder.path(), &document);
        Signer::new(&settings.identity.assertion).map(|_| ())
    };
    let [ed25519, p256, p384] = &keys;
    assert_eq!(load("EdDSA", &ed25519.private_pem), Ok(()));
    assert_eq!(load("ES256", &p256.private_pem), Ok(()));
    for (algorithm, pem) in [
        ("ES256", &ed25519.private_pem),
        ("EdDSA", &p256.private_pem),
        ("ES256", &p384.private_pem),
        ("ES256", &p256.public_pem),
        ("EdDSA", &ed25519.public_pem),
        ("EdDSA", &"secret".to_owned()),
    ] {
        assert_eq!(
            load(algorithm, pem),
            Err(AssertionError::Key),
            "{algorithm}"
        );
    }
}
