//! An explanation is what the proxy would do.

use super::*;

#[tokio::test]
async fn explain_says_what_the_proxy_does() {
    let pipeline = pipeline_over(None);
    for target in [
        "/open",
        "/me",
        "//",
        "/none",
        &format!("/g/{MINE}"),
        &format!("/g/{YOURS}"),
    ] {
        for credential in [&[][..], &[("authorization", &*token(ALICE))]] {
            let headers = headers(credential);
            let request = Request::new(&Method::GET, target.as_bytes(), &headers);
            let explained = pipeline
                .explain(request, &Credential::Presented, |_| {})
                .await;
            let admitted = pipeline.admit(request, |_| {}).await;
            assert_eq!(
                explained,
                admitted.map(|clearance| clearance.code()),
                "{target}"
            );
        }
    }
}
