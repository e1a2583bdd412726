//! Tokens that were verified before.

use sidegate_policy::{Id, UnixMicros};

use super::*;
use crate::authn::Carrier;
use crate::authn::verified::{Name, VerifiedTokens};
use crate::metrics::Scrape;

/// How many were known, and how many cost a signature.
pub(super) fn counts(authenticator: &Authenticator) -> (u64, u64) {
    let mut scrape = Scrape::default();
    authenticator.gather(&mut scrape);
    let text = scrape.text();
    let of = |from: &str| {
        let name = format!("sidegate_tokens_total{{from=\"{from}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap().parse().unwrap()
    };
    (of("memory"), of("signature"))
}

fn issued(world: &World, changes: Value) -> String {
    world.token(HEADER, &claims(changes).to_string())
}

#[test]
fn a_token_costs_one_signature_for_as_long_as_it_is_known() {
    let world = World::with(json!({ "leeway": "0s" }));
    let token = issued(&world, json!({}));
    let at = |second| bearer_at(&world.authenticator, &token, second);
    let first = at(NOW).unwrap();
    assert_eq!(at(NOW + 1), Ok(first.clone()));
    assert_eq!(at(NOW + 299), Ok(first.clone()));
    assert_eq!(counts(&world.authenticator), (2, 1));
    // The class's time is over; the token's is not.
    assert_eq!(at(NOW + 300), Ok(first));
    assert_eq!(counts(&world.authenticator), (2, 2));
    assert_eq!(at(NOW + 599).map(|_| ()), Ok(()));
    assert_eq!(at(NOW + 600), refused(TokenError::Expired));
    // A clock that is set back comes before its time, too.
    assert_eq!(at(NOW - 1), refused(TokenError::NotYetValid));
}

#[test]
fn what_is_not_good_is_never_known() {
    let world = World::new();
    let good = issued(&world, json!({}));
    // The last character of a signature of 64 bytes is one of four.
    let other = if good.ends_with('A') { 'Q' } else { 'A' };
    for token in [
        issued(&world, json!({ "aud": "other" })),
        issued(&world, json!({ "exp": NOW - 60, "iat": NOW - 120 })),
        format!("{good}A"),
        format!("{}{other}", &good[..good.len() - 1]),
    ] {
        for _ in 0..2 {
            assert!(bearer(&world.authenticator, &token).is_err());
        }
    }
    assert_eq!(counts(&world.authenticator), (0, 0));
    assert!(bearer(&world.authenticator, &good).is_ok());
    assert_eq!(counts(&world.authenticator), (0, 1));
}

#[test]
fn a_token_is_known_where_it_was_found() {
    let world = World::with(json!({ "sources": ["bearer", { "header": "X-Token" }] }));
    let token = issued(&world, json!({}));
    let by_header = |token: &str| {
        presented(
            &world.authenticator,
            HeaderName::from_static("x-token"),
            token,
            NOW,
        )
    };
    let bearer = bearer(&world.authenticator, &token).unwrap();
    let header = by_header(&token).unwrap();
    assert_ne!(bearer.carrier, header.carrier);
    assert_eq!(counts(&world.authenticator), (0, 2));
}

fn principal(subject: &str) -> Arc<Principal> {
    Arc::new(Principal {
        issuer: Some(Arc::from(ISSUER)),
        expires_at: Some(UnixMicros(i64::MAX)),
        verified_by: None,
        carrier: Some((Carrier::Bearer, true)),
        ..Principal::assumed(Id::parse(IdType::Text, subject).unwrap())
    })
}

#[test]
fn a_principal_lasts_as_long_as_its_token_and_its_key() {
    let world = World::with(json!({ "leeway": "0s" }));
    let (pair, other) = (&world.pair, Pair::ed25519());
    let principal = world.claims(json!({})).unwrap();
    let still = |keys: &[Value], changes: Value, second: i64| {
        let folder = TempDir::new().unwrap();
        jwks(folder.path(), "keys.json", keys);
        let now = authenticator(folder.path(), json!([issuer(changes)])).unwrap();
        now.still(&principal, at(second))
    };
    let same = [pair.jwk("k")];
    assert_eq!(still(&same, json!({}), NOW + 599), Ok(()));
    assert_eq!(still(&same, json!({}), NOW + 600), Err(TokenError::Expired));
    let added = [other.jwk("a"), pair.jwk("k")];
    assert_eq!(still(&added, json!({}), NOW), Ok(()));
    for gone in [
        vec![other.jwk("k")],
        vec![other.jwk("a")],
        vec![pair.jwk("b")],
    ] {
        let still = still(&gone, json!({}), NOW);
        assert_eq!(still, Err(TokenError::UnknownKey), "{gone:?}");
    }
    let elsewhere = json!({ "issuer": "https://other.example/" });
    assert_eq!(still(&same, elsewhere, NOW), Err(TokenError::UnknownIssuer));
    // Keys behind a URL were not fetched yet: nobody can know.
    let source = json!({ "jwks_uri": "https://id.example/keys" });
    let remote = json!({ "keys": [source] });
    assert_eq!(still(&same, remote, NOW), Err(TokenError::KeysUnavailable));
    // Whom nobody has verified is nobody for longer than a moment.
    let assumed = Principal {
        verified_by: None,
        ..principal.clone()
    };
    assert!(world.authenticator.still(&assumed, at(NOW)).is_err());
}

#[test]
fn other_keys_know_no_token() {
    let tokens = VerifiedTokens::new(1 << 20, std::time::Duration::from_secs(300));
    let (name, now) = (Name::of("a"), UnixMicros(0));
    tokens.keep(name, &principal("alice"), 7, now);
    let find = |keys: Option<u64>| tokens.find(&name, &Carrier::Bearer, now, |_| keys);
    assert!(find(Some(7)).is_some());
    assert!(find(Some(8)).is_none() && find(None).is_none());
}

#[test]
fn memory_is_bounded_and_what_is_asked_for_stays() {
    const BYTES: u64 = 1 << 20;
    let tokens = VerifiedTokens::new(BYTES, std::time::Duration::from_secs(300));
    let now = UnixMicros(0);
    let hot: Vec<Name> = (0..100)
        .map(|number| Name::of(&format!("hot {number}")))
        .collect();
    for name in &hot {
        tokens.keep(*name, &principal("alice"), 0, now);
    }
    let known = || {
        let find = |name: &&Name| {
            tokens
                .find(name, &Carrier::Bearer, now, |_| Some(0))
                .is_some()
        };
        hot.iter().filter(find).count()
    };
    assert_eq!(known(), 100);
    for number in 0..100_000 {
        let subject = format!("somebody {number}");
        tokens.keep(Name::of(&subject), &principal(&subject), 0, now);
        if number % 1000 == 0 {
            known();
        }
        assert!(tokens.bytes() <= BYTES);
    }
    assert!(known() > 90, "{}", known());
}

#[test]
fn without_memory_every_token_costs_a_signature() {
    let pair = Pair::ed25519();
    let folder = TempDir::new().unwrap();
    jwks(folder.path(), "keys.json", &[pair.jwk("k")]);
    let mut document = document(json!([issuer(json!({}))]));
    document["cache"] = json!({ "tokens_mb": 0 });
    let settings = settings(folder.path(), &document);
    let authenticator = Authenticator::new(&settings, IdType::Uuid, &[]).unwrap();
    let token = testing::token(
        HEADER,
        &claims(json!({})).to_string(),
        &pair.private,
        Algorithm::EdDSA,
    );
    for _ in 0..2 {
        assert!(bearer(&authenticator, &token).is_ok());
    }
    assert_eq!(counts(&authenticator), (0, 2));
}
