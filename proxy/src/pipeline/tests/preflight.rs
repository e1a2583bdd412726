//! Preflights: only what a browser sends, and never a way around a rule.

use super::*;

#[tokio::test]
async fn a_preflight_is_answered_only_on_known_routes_and_for_allowed_origins() {
    let pipeline = pipeline_over(None);
    let preflight = async |target: &str, origin: &str| {
        let headers = headers(&[("origin", origin), ("access-control-request-method", "GET")]);
        pipeline
            .admit(
                Request::new(&Method::OPTIONS, target.as_bytes(), &headers),
                |_| {},
            )
            .await
            .unwrap_err()
    };
    let answered = preflight("/me", "https://app.example").await;
    assert_eq!(answered.status(), 204);
    assert_eq!(
        preflight("/me", "https://evil.example").await,
        Rejection::PreflightDenied
    );
    assert_eq!(
        preflight("/nowhere", "https://app.example").await,
        Rejection::NoRoute
    );
    // With a credential or a body it is none, and no route has OPTIONS.
    for (name, value) in [("authorization", "Bearer x"), ("content-length", "1")] {
        let headers = headers(&[
            ("origin", "https://app.example"),
            ("access-control-request-method", "GET"),
            (name, value),
        ]);
        let refused = pipeline
            .admit(Request::new(&Method::OPTIONS, b"/me", &headers), |_| {})
            .await;
        assert_eq!(refused.unwrap_err(), Rejection::NoRoute, "{name}");
    }
    // Nor where a route names OPTIONS: its own rule applies.
    let headers_of_one = headers(&[
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
    ]);
    let named = pipeline
        .admit(
            Request::new(&Method::OPTIONS, b"/options", &headers_of_one),
            |_| {},
        )
        .await;
    assert_eq!(named.unwrap_err().status(), 401);
    // Without the two headers it is an ordinary OPTIONS, and no route has that.
    let plain = pipeline
        .admit(
            Request::new(&Method::OPTIONS, b"/me", &headers(&[])),
            |_| {},
        )
        .await;
    assert_eq!(plain.unwrap_err(), Rejection::NoRoute);
}
