//! A link is good for exactly what was signed, and for nobody and nothing else.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;
use sidegate_config::LinkSettings;

use super::parameters::{Signed, written};
use super::*;
use crate::target::Target;
use crate::testing::{self, ALICE, NOW, at};

const BOB: &str = "b0b00000-0000-4000-8000-000000000002";
const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

fn settings(key: &str, previous: &[&str]) -> LinkSettings {
    let mut document = testing::document(json!([]));
    document["insecure_no_issuers"] = json!(true);
    document["links"] = json!({ "key": key, "previous_keys": previous, "max_ttl": "10m" });
    testing::settings(Path::new("/"), &document).links.unwrap()
}

fn id(text: &str) -> Id {
    Id::parse(IdType::Text, text).unwrap()
}

fn claims(issued: i64, expires: i64) -> Claims {
    Claims {
        subject: id(ALICE),
        issued,
        expires,
    }
}

/// The query of a link that says these claims, with a signature for `asked` and others.
fn query(links: &Links, asked: &Asked<'_>, said: &Claims, signed: &Claims) -> String {
    written(&Signed {
        subject: said.subject.to_string(),
        issued: said.issued.to_string(),
        expires: said.expires.to_string(),
        sig: links.sign(asked, signed),
    })
}

fn follow(links: &Links, query: &str, asked: &Asked<'_>, now: i64) -> Result<Claims, LinkError> {
    let target = Target::parse(format!("{}?{query}", asked.path).as_bytes()).unwrap();
    let (presented, rest) = Presented::on(&target).unwrap();
    assert_eq!(rest.as_str(), asked.path);
    links.verify(&presented, asked, IdType::Uuid, at(now))
}

#[test]
fn a_link_is_good_for_what_was_signed_and_for_nothing_else() {
    let links = Links::new(&settings(KEY, &[]));
    let (one, two) = (id("1"), id("2"));
    let asked = Asked {
        path: "/g/1",
        kind: "generation",
        id: &one,
    };
    let good = claims(NOW, NOW + 60);
    let link = query(&links, &asked, &good, &good);
    assert_eq!(follow(&links, &link, &asked, NOW), Ok(good.clone()));

    for other in [
        Asked {
            path: "/g/2",
            ..asked
        },
        Asked {
            kind: "project",
            ..asked
        },
        Asked { id: &two, ..asked },
    ] {
        let refused = follow(&links, &link, &other, NOW);
        assert_eq!(refused, Err(LinkError::Signature), "{other:?}");
    }
    let bob = Claims {
        subject: id(BOB),
        ..good
    };
    for said in [bob, claims(NOW - 1, NOW + 60), claims(NOW, NOW + 61)] {
        let link = query(&links, &asked, &said, &good);
        let refused = follow(&links, &link, &asked, NOW);
        assert_eq!(refused, Err(LinkError::Signature), "{said:?}");
    }
    // Signed for another method or purpose, with the same key: not a link.
    let message = message(&asked, &good);
    let other = String::from_utf8(message.clone())
        .unwrap()
        .replace("GET", "PUT");
    for bytes in [other.as_bytes(), message.get(1..).unwrap()] {
        let tag = hmac::sign(&links.sign, bytes);
        let sig = URL_SAFE_NO_PAD.encode(tag);
        let (before, _) = link.split_once("sig=").unwrap();
        let refused = follow(&links, &format!("{before}sig={sig}"), &asked, NOW);
        assert_eq!(refused, Err(LinkError::Signature));
    }
}

#[test]
fn keys_of_before_are_accepted_until_they_are_dropped() {
    let one = id("1");
    let asked = Asked {
        path: "/g/1",
        kind: "generation",
        id: &one,
    };
    let good = claims(NOW, NOW + 60);
    let link = query(&Links::new(&settings(KEY, &[])), &asked, &good, &good);
    let rotated = Links::new(&settings(OTHER_KEY, &[KEY]));
    assert!(follow(&rotated, &link, &asked, NOW).is_ok());
    // What it signs itself, it signs with the new one.
    let newer = query(&rotated, &asked, &good, &good);
    let dropped = Links::new(&settings(OTHER_KEY, &[]));
    assert!(follow(&dropped, &newer, &asked, NOW).is_ok());
    let refused = follow(&dropped, &link, &asked, NOW);
    assert_eq!(refused, Err(LinkError::Signature));
}

#[test]
fn times_hold_to_the_second() {
    use LinkError::*;
    let links = Links::new(&settings(KEY, &[]));
    let one = id("1");
    let asked = Asked {
        path: "/g/1",
        kind: "generation",
        id: &one,
    };
    for (issued, expires, result) in [
        (NOW, NOW + 1, None),
        (NOW - 599, NOW + 1, None),
        (NOW + 30, NOW + 60, None),
        (NOW, NOW + 600, None),
        (NOW - 60, NOW, Some(Expired)),
        (NOW + 31, NOW + 60, Some(NotYetValid)),
        (NOW, NOW + 601, Some(Lifetime)),
        (NOW + 1, NOW + 1, Some(Lifetime)),
        (NOW + 2, NOW + 1, Some(Lifetime)),
        (0, NOW + 1, Some(Lifetime)),
    ] {
        let said = claims(issued, expires);
        let link = query(&links, &asked, &said, &said);
        let found = follow(&links, &link, &asked, NOW);
        assert_eq!(found.err(), result, "{issued} {expires}");
    }
}

#[test]
fn each_parameter_is_there_once_and_in_one_spelling() {
    let links = Links::new(&settings(KEY, &[]));
    let one = id("1");
    let asked = Asked {
        path: "/g/1",
        kind: "generation",
        id: &one,
    };
    let good = claims(NOW, NOW + 60);
    let link = query(&links, &asked, &good, &good);
    assert!(follow(&links, &link, &asked, NOW).is_ok());
    for name in ["subject", "issued", "expires", "sig"] {
        let of = |piece: &str| piece.starts_with(&format!("{name}="));
        let piece = link.split('&').find(|piece| of(piece)).unwrap();
        let others: Vec<_> = link.split('&').filter(|piece| !of(piece)).collect();
        let others = others.join("&");
        let upper = piece.replacen(name, &name.to_uppercase(), 1);
        let bracket = piece.replacen(name, &format!("{name}[]"), 1);
        for changed in [
            others.clone(),
            format!("{link}&{piece}"),
            format!("{link}&{upper}"),
            format!("{link}&{bracket}"),
            format!("{others}&{upper}"),
            format!("{link}&{name}"),
        ] {
            let refused = follow(&links, &changed, &asked, NOW);
            assert_eq!(refused, Err(LinkError::Parameters), "{changed}");
        }
        let value = piece.split_once('=').unwrap().1;
        for other in [
            "",
            "-1",
            "+1",
            "1.0",
            "0x1",
            "%201",
            "01",
            "1e9",
            "9999999999999",
        ] {
            let refused = follow(&links, &format!("{others}&{name}={other}"), &asked, NOW);
            let malformed = refused == Err(LinkError::Malformed);
            let empty = (name, other, refused) == ("sig", "", Err(LinkError::Signature));
            assert!(malformed || empty, "{name}={other}");
        }
        let padded = follow(&links, &format!("{others}&{name}=0{value}"), &asked, NOW);
        assert!(padded.is_err(), "{name}");
    }
    let upper = link.replace(ALICE, &ALICE.to_uppercase());
    let refused = follow(&links, &upper, &asked, NOW);
    assert_eq!(refused, Err(LinkError::Malformed));
    let target = Target::parse(format!("/g/1?{link};x=1").as_bytes()).unwrap();
    let (presented, _) = Presented::on(&target).unwrap();
    let refused = links.verify(&presented, &asked, IdType::Uuid, at(NOW));
    assert_eq!(refused, Err(LinkError::Parameters));
}

#[test]
fn what_is_no_link_stays_and_what_is_one_goes() {
    let rest = |query: &str| {
        let target = Target::parse(format!("/g{query}").as_bytes()).unwrap();
        let (_, rest) = Presented::on(&target)?;
        assert_eq!(Target::parse(rest.as_str().as_bytes()).as_ref(), Ok(&rest));
        assert!(Presented::on(&rest).is_none(), "{}", rest.as_str());
        Some(rest.as_str().to_owned())
    };
    for (query, left) in [
        ("", None),
        ("?", None),
        ("?a=1&b", None),
        ("?signature=1&subjects=2&expiry=3", None),
        ("?a=sig", None),
        ("?sig=1", Some("/g")),
        ("?sig", Some("/g")),
        ("?&sig=1", Some("/g?")),
        ("?a=%2f&&sig=1&b=;+%41", Some("/g?a=%2f&&b=;+%41")),
        (
            "?subject=1&a&expires=2&b=&issued&=c&sig",
            Some("/g?a&b=&=c"),
        ),
        ("?%73ig=1&x", Some("/g?x")),
        (
            "?SIG=1&s.i.g=2&sig%00x=3&+sig=4&sig[]=5&x?y",
            Some("/g?x?y"),
        ),
    ] {
        assert_eq!(rest(query).as_deref(), left, "{query}");
    }
}

proptest! {
    #[test]
    fn no_two_links_have_one_message(
        one in ("a{0,3}", "a{1,3}", "a{1,3}", "a{1,3}", 1..12_i64, 1..12_i64),
        two in ("a{0,3}", "a{1,3}", "a{1,3}", "a{1,3}", 1..12_i64, 1..12_i64),
    ) {
        let said = |(path, kind, resource, subject, issued, expires): &(String, String, String, String, i64, i64)| {
            let resource = id(resource);
            let asked = Asked { path, kind, id: &resource };
            let claims = Claims { subject: id(subject), issued: *issued, expires: *expires };
            message(&asked, &claims)
        };
        prop_assert_eq!(said(&one) == said(&two), one == two);
    }

    #[test]
    fn whatever_a_query_is_what_is_left_is_canonical_and_no_link(query in "[a-zA-Z&=;%0-9?.\\[\\]+]{0,24}", with in "(sig|SUBJECT|is\\.sued|expires%00)") {
        let raw = format!("/g?{query}&{with}=1");
        let target = Target::parse(raw.as_bytes()).unwrap();
        let (_, rest) = Presented::on(&target).unwrap();
        prop_assert!(Presented::on(&rest).is_none());
        prop_assert_eq!(Target::parse(rest.as_str().as_bytes()), Ok(rest.clone()));
        prop_assert_eq!(rest.path(), "/g");
    }
}
