//! What memory may allow while the store cannot be asked. The rest is `pipeline::tests` and the caches' own.

use std::path::Path;

use sidegate_policy::{Id, IdType, ResourceRow, SubjectRow};

use super::*;
use crate::coherence::Coherence;
use crate::store::{History, Origin};
use crate::testing;

fn ago(seconds: u64) -> BootTime {
    BootTime::from_nanos(BootTime::now().nanos() - seconds * 1_000_000_000)
}

#[test]
fn a_missing_membership_lasts_as_long_as_the_reading_it_was_true_in() {
    let document = testing::over_database("postgres://me@127.0.0.1:1/app");
    let settings = testing::settings(Path::new("/"), &document).cache;
    assert_eq!(settings.negative_ttl, Duration::from_secs(5));
    let coherence = Arc::new(Coherence::new(1 << 10));
    let kept = Kept::new(&settings, Arc::clone(&coherence), None, None);
    let history = Arc::new(History {
        system: "1".into(),
        timeline: "1".into(),
        incarnation: Some("a".into()),
    });
    let id = |text| Id::parse(IdType::Text, text).unwrap();
    let (subject, resource) = (id("alice"), id("one"));
    let question = Question {
        subject: &subject,
        resource: Some(("document", &resource)),
    };
    let answer = Answer {
        subject: Some(Arc::new(SubjectRow {
            active: true,
            roles: Arc::default(),
        })),
        resource: Some(Arc::new(ResourceRow {
            owner: Some(subject.clone()),
            team: Some(id("t")),
            ..ResourceRow::default()
        })),
        ..Answer::default()
    };
    let (read, origin) = (ago(8), Origin { xmin: 1, history });
    coherence.told(read, &origin.history, &[]);
    let version = coherence
        .admit(coherence.begin().unwrap(), &origin)
        .unwrap();
    kept.l1()
        .keep(&question, &answer, version, &coherence, read);

    let stale = |seconds| kept.stale(&question, Duration::from_secs(seconds));
    assert!(stale(20).is_some(), "eight seconds are within twenty");
    assert!(stale(7).is_none(), "and not within seven");
    assert!(stale(0).is_none(), "where nobody has opted in");
    coherence.told(ago(6), &origin.history, &[]);
    assert!(stale(20).is_some());
    // By this poll the lifetime had ended: it would not have been used at that time either.
    coherence.told(ago(2), &origin.history, &[]);
    assert!(stale(20).is_none());
}
