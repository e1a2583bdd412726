//! No allow from anything but a decision that allows: one test for each way around it.

mod crowd;
mod explained;
mod links;
mod naming;
mod preflight;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;
use sidegate_config::Settings;
use sidegate_policy::{Document, KindDocument, Policy, Reason, UnixMicros};

use super::*;
use crate::authn::{AuthnError, CredentialError, TokenError};
use crate::authz::Grant;
use crate::facts::Facts;
use crate::outcome::Code;
use crate::store::{Fault, FileStore, Store, StoreError};

const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
const MINE: &str = "6e000000-0000-4000-8000-000000000001";
const YOURS: &str = "6e000000-0000-4000-8000-000000000002";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

const CONFIG: &str = r#"
upstream: { url: "http://127.0.0.1:1" }
issuers:
  - { issuer: me, audiences: [us], algorithms: [HS256], keys: [{ secret: 0123456789abcdef0123456789abcdef }] }
store: { file: { path: directory.yaml } }
policy:
  roles: { owner: [read], viewer: [read] }
  kinds: { generation: { id: uuid } }
links: { key: 9f8e7d6c5b4a39281706f5e4d3c2b1a0, max_ttl: 10m }
cors: { preflight: answer, origins: ["https://app.example"] }
routes:
  - { methods: [GET], path: /open, access: public }
  - { methods: [GET], path: /me, access: authenticated }
  - { methods: [GET, OPTIONS], path: /options, access: authenticated }
  - { methods: [POST], path: /sign-up, access: authenticated, unknown_subject: allow }
  - { methods: [GET], path: "/g/{id}", action: read, resource: { kind: generation, id: { path: id } } }
  - { methods: [GET], path: /by-query, action: read, resource: { kind: generation, id: { query: id } } }
  - { methods: [GET], path: /by-header, action: read, resource: { kind: generation, id: { header: x-generation } } }
  - { id: linked, methods: [GET], path: "/l/{id}", action: read, links: true, resource: { kind: generation, id: { path: id } } }
  - { id: linked-by-query, methods: [GET], path: /l, action: read, links: true, resource: { kind: generation, id: { query: id } } }
  - { id: hidden, methods: [GET], path: "/hidden/{id}", action: read, hide_denied: true, resource: { kind: generation, id: { path: id } } }
"#;
const DIRECTORY: &str = "
users: [{ id: a11ce000-0000-4000-8000-000000000001, active: true }]
resources:
  - { kind: generation, id: 6e000000-0000-4000-8000-000000000001, owner_id: a11ce000-0000-4000-8000-000000000001 }
  - { kind: generation, id: 6e000000-0000-4000-8000-000000000002 }
";

fn settings() -> Settings {
    sidegate_config::parse(CONFIG, Path::new("test.yaml"), &BTreeMap::new()).unwrap()
}

fn policy(settings: &Settings) -> Arc<Policy> {
    let kind = KindDocument {
        id: sidegate_policy::IdType::Uuid,
        roles: None,
        statuses: None,
    };
    let document = Document {
        subject_id: sidegate_policy::IdType::Uuid,
        roles: settings.policy.roles.clone(),
        visibility_roles: BTreeMap::new(),
        subject_roles: BTreeMap::new(),
        kinds: BTreeMap::from([("generation".to_owned(), kind)]),
    };
    Arc::new(Policy::compile(&document).unwrap())
}

fn pipeline_over(store: Option<Fault>) -> Pipeline {
    let settings = settings();
    let policy = policy(&settings);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), DIRECTORY).unwrap();
    let store = match store {
        Some(fault) => Store::Faulty(fault),
        None => Store::File(FileStore::open(file.path(), Arc::clone(&policy)).unwrap()),
    };
    Pipeline {
        routes: RouteTable::compile(&settings.routes, &policy).unwrap(),
        authenticator: Authenticator::new(&settings, policy.subject_id(), &[]).unwrap(),
        authorizer: Authorizer::new(policy, Arc::new(Facts::uncached(Arc::new(store)))),
        cors: Cors::new(&settings.cors),
        clock: Clock::Fixed(UnixMicros(NOW * 1_000_000)),
        timeout: Duration::from_secs(2),
        strictness: settings.strictness,
        max_body_bytes: settings.limits.max_body_bytes,
        trusted_proxies: TrustedProxies::new(settings.trusted_proxies),
        throttle: Arc::new(Throttle::new(3, Duration::from_secs(3600))),
        links: settings
            .links
            .as_ref()
            .map(|links| Arc::new(Links::new(links))),
    }
}

fn token(subject: &str) -> String {
    let claims = json!({ "iss": "me", "aud": "us", "sub": subject, "iat": NOW, "exp": NOW + 60 });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    format!(
        "Bearer {}",
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    )
}

fn headers(more: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", "a.example")].iter().chain(more) {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::try_from(*value).unwrap(),
        );
    }
    headers
}

async fn admit(
    pipeline: &Pipeline,
    target: &str,
    more: &[(&'static str, &str)],
) -> Result<Clearance, Rejection> {
    pipeline
        .admit(
            Request::new(&Method::GET, target.as_bytes(), &headers(more)),
            |_| {},
        )
        .await
}

async fn as_alice(pipeline: &Pipeline, target: &str) -> Result<Clearance, Rejection> {
    admit(pipeline, target, &[("authorization", &token(ALICE))]).await
}

fn denied(reason: Reason) -> Rejection {
    Rejection::Denied {
        reason,
        hidden: false,
    }
}

#[tokio::test]
async fn what_is_allowed_carries_the_target_and_the_decision() {
    let pipeline = pipeline_over(None);
    let clearance = as_alice(&pipeline, &format!("/%67/{MINE}?a=b"))
        .await
        .unwrap();
    assert_eq!(clearance.target().as_str(), format!("/g/{MINE}?a=b"));
    assert_eq!(clearance.code(), Code::Decision(Reason::Ownership));
    let permit = clearance.permit().unwrap();
    assert!(matches!(permit.grant(), Grant::Decided { .. }));
    assert_eq!(permit.subject().unwrap().principal.subject.as_str(), ALICE);

    let open = admit(&pipeline, "/open", &[]).await.unwrap();
    assert_eq!(
        (open.code(), open.permit().unwrap().subject().is_none()),
        (Code::Public, true)
    );
    let me = as_alice(&pipeline, "/me").await.unwrap();
    assert_eq!(me.code(), Code::Authenticated);
}

#[tokio::test]
async fn no_allow_from_a_malformed_target() {
    let pipeline = pipeline_over(None);
    for target in [
        "open",
        "/open/../me",
        "http://a.example/open",
        "//open",
        "/open%2f",
        "*",
        "",
    ] {
        let refused = as_alice(&pipeline, target).await.unwrap_err();
        assert!(
            matches!(refused, Rejection::Target(_)),
            "{target}: {refused}"
        );
        assert_eq!(refused.status(), 400, "{target}");
    }
}

#[tokio::test]
async fn no_allow_from_an_unknown_route() {
    let pipeline = pipeline_over(None);
    for target in [
        "/",
        "/Open",
        "/open/",
        "/g/not-a-uuid",
        &format!("/g/{MINE}/more"),
    ] {
        assert_eq!(
            as_alice(&pipeline, target).await.unwrap_err(),
            Rejection::NoRoute,
            "{target}"
        );
    }
    let headers = headers(&[("authorization", &token(ALICE))]);
    let post = pipeline
        .admit(Request::new(&Method::POST, b"/open", &headers), |_| {})
        .await;
    assert_eq!(post.unwrap_err(), Rejection::NoRoute);
}

#[tokio::test]
async fn no_allow_without_a_credential_or_with_two() {
    let pipeline = pipeline_over(None);
    let mine = format!("/g/{MINE}");
    let missing = admit(&pipeline, &mine, &[]).await.unwrap_err();
    assert_eq!(
        missing,
        Rejection::Authn(AuthnError::Credential(CredentialError::Missing))
    );
    let token = token(ALICE);
    let twice = [("authorization", &*token), ("authorization", &*token)];
    let doubled = admit(&pipeline, &mine, &twice).await.unwrap_err();
    assert_eq!(
        doubled,
        Rejection::Authn(AuthnError::Credential(CredentialError::Doubled))
    );
    assert_eq!(
        (missing.status().as_u16(), doubled.status().as_u16()),
        (401, 400)
    );
    let forged = format!("{token}x");
    let bad = admit(&pipeline, &mine, &[("authorization", &forged)])
        .await
        .unwrap_err();
    assert!(
        matches!(
            bad,
            Rejection::Authn(AuthnError::Token(
                TokenError::Malformed | TokenError::Signature
            ))
        ),
        "{bad}"
    );
}

#[tokio::test]
async fn no_allow_beyond_what_was_granted() {
    let pipeline = pipeline_over(None);
    let yours = as_alice(&pipeline, &format!("/g/{YOURS}"))
        .await
        .unwrap_err();
    assert_eq!(
        (yours.clone(), yours.status().as_u16()),
        (denied(Reason::NoRole), 403)
    );
    let hidden = as_alice(&pipeline, &format!("/hidden/{YOURS}"))
        .await
        .unwrap_err();
    assert_eq!(
        (hidden.status(), hidden.challenge()),
        (Rejection::NoRoute.status(), None)
    );

    let stranger = token("ffffffff-0000-4000-8000-000000000009");
    let stranger = [("authorization", &*stranger)];
    let unknown = admit(&pipeline, "/me", &stranger).await.unwrap_err();
    assert_eq!(unknown, denied(Reason::UnknownSubject));
    let sign_up = pipeline
        .admit(
            Request::new(&Method::POST, b"/sign-up", &headers(&stranger)),
            |_| {},
        )
        .await;
    assert_eq!(sign_up.unwrap().code(), Code::Authenticated);
}

#[tokio::test]
async fn no_allow_from_a_panic_or_a_failing_store() {
    let mine = format!("/g/{MINE}");
    let panicked = as_alice(&pipeline_over(Some(Fault::Panic)), &mine)
        .await
        .unwrap_err();
    assert_eq!(
        (panicked.clone(), panicked.status().as_u16()),
        (Rejection::Internal, 500)
    );
    let failed = as_alice(&pipeline_over(Some(Fault::Error)), &mine)
        .await
        .unwrap_err();
    assert_eq!(failed, Rejection::Store(StoreError::Unavailable));
    assert_eq!(
        (failed.status().as_u16(), failed.retry_after()),
        (503, Some("1"))
    );
    // An authenticated route asks the store too.
    assert!(
        as_alice(&pipeline_over(Some(Fault::Error)), "/me")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn no_allow_from_a_time_out() {
    let hanging = Pipeline {
        timeout: Duration::from_millis(1),
        ..pipeline_over(Some(Fault::Hang))
    };
    let refused = as_alice(&hanging, &format!("/g/{MINE}")).await.unwrap_err();
    assert_eq!(
        (refused.clone(), refused.status().as_u16()),
        (Rejection::Timeout, 503)
    );
}

#[tokio::test]
async fn no_allow_from_a_cancelled_future() {
    let hanging = pipeline_over(Some(Fault::Hang));
    let mine = format!("/g/{MINE}");
    // Polled once, to where the store is asked, and dropped: there is no verdict, and nobody left to
    // give one to.
    let mut asked = false;
    let (method, headers) = (Method::GET, headers(&[("authorization", &token(ALICE))]));
    let admitted = hanging.admit(Request::new(&method, mine.as_bytes(), &headers), |sight| {
        asked |= matches!(sight, Sight::Resource(_));
    });
    assert!(admitted.now_or_never().is_none());
    assert!(asked);
}
