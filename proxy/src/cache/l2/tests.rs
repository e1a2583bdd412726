//! What is written to Redis is read back as it was, by whoever may read it, and by nobody else.

use std::sync::Arc;

use proptest::prelude::*;
use sidegate_policy::{Id, IdType, MembershipRow, ProjectRow, ResourceRow, SubjectRow, UnixMicros};

use super::key::Key;
use super::record::Record;
use super::seal::{Forged, Seals};
use crate::coherence::Namespace;
use crate::store::{Answer, Question};

const PACK_ABOVE: usize = 128;

fn id(text: &str) -> Id {
    Id::parse(IdType::Text, text).unwrap()
}

fn texts() -> impl Strategy<Value = String> {
    // Colons and digits are what keys are made of.
    prop_oneof!["[0-9:]{1,6}", "[a-zäß ]{1,12}", "x{200}"]
}

fn ids() -> impl Strategy<Value = Option<Id>> {
    proptest::option::of(texts().prop_map(|text| id(&text)))
}

fn names() -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::of(texts().prop_map(Arc::from))
}

prop_compose! {
    fn answers()(
        active: bool,
        roles in proptest::collection::vec(texts().prop_map(Arc::from), 0..4),
        (owner, project, team, status) in (ids(), ids(), ids(), names()),
        row in proptest::option::of((ids(), ids(), names())),
        member in proptest::option::of((texts(), proptest::option::of(any::<i64>()))),
    ) -> Answer {
        Answer {
            subject: Some(Arc::new(SubjectRow { active, roles: roles.into() })),
            resource: Some(Arc::new(ResourceRow { owner, project, team, status })),
            project: row.map(|(owner, team, visibility)| Arc::new(ProjectRow { owner, team, visibility })),
            membership: member.map(|(role, end)| {
                Arc::new(MembershipRow { role: role.into(), expires_at: end.map(UnixMicros) })
            }),
            origin: None,
        }
    }
}

fn seals(keys: &[&str]) -> Seals {
    Seals::new(keys.iter().map(|key| key.as_bytes()))
}

fn namespace(policy: u8) -> Namespace {
    Namespace::of_test(policy)
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(answer in answers(), xmin: u64, since: u64, until: u64) {
        let (subject, resource) = (id("alice"), id("one"));
        let question = Question { subject: &subject, resource: Some(("document", &resource)) };
        let record = Record { answer, xmin, since, until };
        let bytes = record.write(&question, PACK_ABOVE).unwrap();
        prop_assert_eq!(Record::read(&bytes, &question, IdType::Text), Ok(record));
        // Not for a question of another form, nor with anything missing or added.
        let other = Question { resource: None, ..question };
        prop_assert!(Record::read(&bytes, &other, IdType::Text).is_err());
        for length in 0..bytes.len() {
            prop_assert!(Record::read(&bytes[..length], &question, IdType::Text).is_err());
        }
        let more = [&bytes[..], b"x"].concat();
        prop_assert!(Record::read(&more, &question, IdType::Text).is_err());
    }

    #[test]
    fn whatever_is_under_a_name_is_read_without_a_panic(bytes: Vec<u8>, form in 0..3_u8) {
        let subject = id("alice");
        let question = Question { subject: &subject, resource: None };
        let _ = Record::read(&bytes, &question, IdType::Uuid);
        let _ = Record::read(&[&[form], &bytes[..]].concat(), &question, IdType::Text);
        prop_assert_eq!(seals(&["a key"]).open(b"place", &bytes), Err(Forged));
    }

    #[test]
    fn two_questions_never_have_one_name(
        one in (texts(), proptest::option::of((texts(), texts()))),
        other in (texts(), proptest::option::of((texts(), texts()))),
    ) {
        let key = |policy, (subject, resource): &(String, Option<(String, String)>)| {
            let subject = id(subject);
            let resource = resource.as_ref().map(|(kind, text)| (kind.as_str(), id(text)));
            let resource = resource.as_ref().map(|(kind, id)| (*kind, id));
            Key::new(namespace(policy), &Question { subject: &subject, resource })
        };
        prop_assert_eq!(key(1, &one) == key(1, &other), one == other);
        prop_assert_ne!(key(1, &one), key(2, &one));
    }
}

#[test]
fn an_answer_with_something_that_is_never_kept_missing_is_not_written() {
    let (subject, resource) = (id("alice"), id("one"));
    let question = Question {
        subject: &subject,
        resource: Some(("document", &resource)),
    };
    let active = SubjectRow {
        active: true,
        roles: Arc::default(),
    };
    let row = Arc::new(ResourceRow::default());
    let record = |subject: Option<&SubjectRow>, resource: Option<&Arc<ResourceRow>>| Record {
        answer: Answer {
            subject: subject.cloned().map(Arc::new),
            resource: resource.cloned(),
            ..Answer::default()
        },
        xmin: 7,
        since: 5,
        until: 9,
    };
    let write = |record: Record| record.write(&question, PACK_ABOVE);
    assert!(write(record(Some(&active), Some(&row))).is_some());
    assert!(write(record(None, Some(&row))).is_none());
    assert!(write(record(Some(&active), None)).is_none());
}

#[test]
fn what_is_long_is_packed_and_what_would_unpack_to_too_much_is_not_unpacked() {
    let subject = id("alice");
    let question = Question {
        subject: &subject,
        resource: None,
    };
    let roles = |count| {
        let active = SubjectRow {
            active: true,
            roles: vec!["reviewer".into(); count].into(),
        };
        Record {
            answer: Answer {
                subject: Some(Arc::new(active)),
                ..Answer::default()
            },
            xmin: 7,
            since: 5,
            until: 9,
        }
    };
    let (short, long) = (roles(2), roles(1000));
    assert_eq!(short.write(&question, PACK_ABOVE).unwrap()[0], 0);
    let packed = long.write(&question, PACK_ABOVE).unwrap();
    assert!(packed[0] == 1 && packed.len() < 500, "{}", packed.len());
    assert_eq!(Record::read(&packed, &question, IdType::Text), Ok(long));
    assert!(
        roles(100_000).write(&question, PACK_ABOVE).is_none(),
        "too long"
    );
    let mut bomb = packed;
    bomb[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(Record::read(&bomb, &question, IdType::Text).is_err());
}

#[test]
fn a_seal_opens_for_its_place_as_it_was_and_with_any_of_the_keys() {
    let old = seals(&["the old key"]);
    let both = seals(&["the new key", "the old key"]);
    let new = seals(&["the new key"]);
    let sealed = old.seal(b"place", b"body").unwrap();
    assert_eq!(old.open(b"place", &sealed), Ok(&b"body"[..]));
    assert_eq!(both.open(b"place", &sealed), Ok(&b"body"[..]));
    assert_eq!(new.open(b"place", &sealed), Err(Forged));
    assert_eq!(
        new.open(b"place", &both.seal(b"place", b"body").unwrap()),
        Ok(&b"body"[..])
    );
    for place in [&b"plac"[..], b"place2", b""] {
        assert_eq!(old.open(place, &sealed), Err(Forged));
    }
    for at in 0..sealed.len() {
        let mut other = sealed.clone();
        other[at] ^= 1;
        assert_eq!(old.open(b"place", &other), Err(Forged), "{at}");
        assert_eq!(old.open(b"place", &sealed[..at]), Err(Forged));
    }
}
