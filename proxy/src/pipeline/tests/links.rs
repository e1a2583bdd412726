//! Links: a credential where a route accepts them, decided on as any request of their subject.

use super::*;
use crate::link::{By, LinkError, MintError, mint};

async fn minted(pipeline: &Pipeline, path: &str) -> String {
    let minted = mint(pipeline, (ALICE, path), None, By::Admin).await;
    minted.unwrap().path
}

fn bad(error: LinkError) -> Rejection {
    Rejection::Authn(AuthnError::Link(error))
}

#[tokio::test]
async fn a_link_is_a_credential_and_is_not_forwarded() {
    let pipeline = pipeline_over(None);
    for path in [
        format!("/l/{MINE}"),
        format!("/l/{MINE}?a=%2f&b"),
        format!("/l?id={MINE}"),
        format!("/l?x&id={}", MINE.to_uppercase()),
    ] {
        let link = minted(&pipeline, &path).await;
        let clearance = admit(&pipeline, &link, &[]).await.unwrap();
        assert_eq!(clearance.target().as_str(), path);
        assert_eq!(clearance.code(), Code::Decision(Reason::Ownership));
        let principal = &clearance.permit().unwrap().subject().unwrap().principal;
        assert_eq!(principal.subject.as_str(), ALICE);
        let instant = |seconds: i64| Some(UnixMicros((NOW + seconds) * 1_000_000));
        let life = (principal.issued_at, principal.expires_at);
        assert_eq!(life, (instant(0), instant(300)));
        // Further parameters are the client's own, and the request's own spelling is no other path.
        let more = link.replacen("/l", "/%6c", 1) + "&y=1";
        let clearance = admit(&pipeline, &more, &[]).await.unwrap();
        let rest = clearance.target().as_str();
        assert!(rest.ends_with("y=1") && !rest.contains("sig"), "{rest}");
    }
}

#[tokio::test]
async fn no_allow_from_a_bad_link_or_beside_another_credential() {
    let pipeline = pipeline_over(None);
    let link = minted(&pipeline, &format!("/l/{MINE}")).await;
    let query = link.split_once('?').unwrap().1;
    for (target, error) in [
        (format!("/l/{YOURS}?{query}"), LinkError::Signature),
        (format!("/l?id={MINE}&{query}"), LinkError::Signature),
        (format!("/l?id=7&{query}"), LinkError::Malformed),
        (format!("/l/{MINE}?sig=x"), LinkError::Parameters),
        (format!("/l/{MINE}?SUBJECT"), LinkError::Parameters),
    ] {
        let refused = admit(&pipeline, &target, &[]).await.unwrap_err();
        assert_eq!(refused, bad(error), "{target}");
        assert_eq!(refused.status(), 401);
    }
    let token = token(ALICE);
    for value in [&*token, "Bearer x", "Basic dXNlcg=="] {
        for link in [&*link, &*format!("/l/{MINE}?sig=x")] {
            let refused = admit(&pipeline, link, &[("authorization", value)]).await;
            let doubled = AuthnError::Credential(CredentialError::Doubled);
            assert_eq!(refused.unwrap_err(), Rejection::Authn(doubled), "{value}");
        }
    }
    // Where no route accepts them, they are no link and the application's own.
    let plain = admit(&pipeline, &format!("/g/{MINE}?{query}"), &[]).await;
    let missing = AuthnError::Credential(CredentialError::Missing);
    assert_eq!(plain.unwrap_err(), Rejection::Authn(missing));
    let target = format!("/g/{MINE}?{query}");
    let clearance = as_alice(&pipeline, &target).await.unwrap();
    assert_eq!(clearance.target().as_str(), target);
    // And without one the route is as ever.
    assert!(as_alice(&pipeline, &format!("/l/{MINE}?a")).await.is_ok());
}

#[tokio::test]
async fn a_client_that_presents_bad_links_is_not_looked_at() {
    let pipeline = pipeline_over(None);
    let link = minted(&pipeline, &format!("/l/{MINE}")).await;
    let forged = link.replace("sig=", "sig=A");
    let headers = headers(&[]);
    let from = async |address: &str, target: &str| {
        let request = Request {
            peer: Some(address.parse().unwrap()),
            ..Request::new(&Method::GET, target.as_bytes(), &headers)
        };
        pipeline.admit(request, |_| {}).await.map(|_| ())
    };
    assert_eq!(from("192.0.2.1", &link).await, Ok(()));
    let ended = format!(
        "/l/{MINE}?subject={ALICE}&issued={}&expires={NOW}&sig=x",
        NOW - 60
    );
    for _ in 0..5 {
        let refused = from("192.0.2.1", &ended).await.unwrap_err();
        assert_eq!(refused, bad(LinkError::Expired));
    }
    for _ in 0..3 {
        assert!(from("192.0.2.1", &forged).await.is_err());
    }
    assert_eq!(from("192.0.2.1", &link).await, Err(Rejection::Throttled));
    assert_eq!(from("192.0.2.2", &link).await, Ok(()));
}

#[tokio::test]
async fn a_link_is_made_only_for_whoever_may_read_what_it_leads_to() {
    let pipeline = pipeline_over(None);
    let make = async |subject: &str, path: &str, ttl: Option<Duration>| {
        let made = mint(&pipeline, (subject, path), ttl, By::Admin).await;
        made.map(|_| ()).unwrap_err()
    };
    let refused = make(ALICE, &format!("/l/{YOURS}"), None).await;
    assert_eq!(refused, MintError::Denied(denied(Reason::NoRole)));
    let nobody = "ffffffff-0000-4000-8000-000000000009";
    let refused = make(nobody, &format!("/l/{MINE}"), None).await;
    assert_eq!(refused, MintError::Denied(denied(Reason::UnknownSubject)));
    for (path, route) in [
        (format!("/g/{MINE}"), "GET /g/{id}"),
        ("/me".to_owned(), "GET /me"),
    ] {
        let refused = make(ALICE, &path, None).await;
        assert_eq!(refused, MintError::Route(route.to_owned()));
    }
    let mine = format!("/l/{MINE}");
    assert_eq!(make("alice", &mine, None).await, MintError::Subject("uuid"));
    let refused = make(ALICE, "/none", None).await;
    assert_eq!(refused, MintError::Path(Rejection::NoRoute));
    let refused = make(ALICE, &format!("{mine}?sig=x"), None).await;
    assert_eq!(refused, MintError::Signed);
    for ttl in [
        Duration::ZERO,
        Duration::from_millis(1500),
        Duration::from_secs(601),
    ] {
        let refused = make(ALICE, &mine, Some(ttl)).await;
        assert_eq!(refused, MintError::Ttl(Duration::from_secs(600)));
    }
    let long = format!("{mine}?{}", "a".repeat(8100));
    assert_eq!(make(ALICE, &long, None).await, MintError::TooLong);
    let failing = pipeline_over(Some(Fault::Error));
    let made = mint(&failing, (ALICE, &mine), None, By::Admin).await;
    assert!(matches!(made, Err(MintError::Undecided(_))));
}

#[tokio::test]
async fn an_explanation_does_not_repeat_a_link() {
    let pipeline = pipeline_over(None);
    let link = minted(&pipeline, &format!("/l/{MINE}?a=1")).await;
    for (path, outcome) in [(link.clone(), "allow"), (link + "x", "deny")] {
        let request = crate::explain::Request {
            method: "GET".to_owned(),
            path,
            ..crate::explain::Request::default()
        };
        let explained = crate::explain::explain(&pipeline, &request).await.unwrap();
        assert_eq!(explained.outcome, outcome);
        let shown = serde_json::to_string(&explained).unwrap();
        assert!(shown.contains(&format!("/l/{MINE}?a=1\"")), "{shown}");
        assert!(!shown.contains("sig=") && !explained.to_string().contains("sig="));
    }
}

#[tokio::test]
async fn a_preflight_for_a_link_is_forwarded_without_it() {
    let mut pipeline = pipeline_over(None);
    let settings = CONFIG.replace("preflight: answer", "preflight: forward");
    let settings = sidegate_config::parse(&settings, Path::new("test.yaml"), &BTreeMap::new());
    pipeline.cors = Cors::new(&settings.unwrap().cors);
    let link = minted(&pipeline, &format!("/l/{MINE}?a=1")).await;
    let headers = headers(&[
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
    ]);
    let request = Request::new(&Method::OPTIONS, link.as_bytes(), &headers);
    let clearance = pipeline.admit(request, |_| {}).await.unwrap();
    assert_eq!(clearance.code(), Code::Preflight);
    assert_eq!(clearance.target().as_str(), format!("/l/{MINE}?a=1"));
}
