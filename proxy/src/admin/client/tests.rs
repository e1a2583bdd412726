//! Against a listener that answers what a Sidegate does, and what it does not.

use std::path::Path;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::response::IntoResponse as _;
use axum::routing::{any, post};
use serde_json::json;
use sidegate_config::AdminSettings;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{document, settings};

const TOKEN: &str = "a token of an admin";

fn admin(section: Value) -> AdminSettings {
    let mut document = document(json!([]));
    document["insecure_no_issuers"] = json!(true);
    document["admin"] = section;
    settings(Path::new("/"), &document).admin
}

/// Until the set is dropped.
async fn served() -> (AdminUrl, JoinSet<()>) {
    let head = async |request: Request| {
        let shown = |name| {
            let value = request.headers().get(name);
            value
                .map_or("none", |value| value.to_str().unwrap())
                .to_owned()
        };
        format!("{} {}", shown(HOST), shown(AUTHORIZATION))
    };
    let large = |bytes: usize| async move { vec![b'x'; bytes] };
    let router = Router::new()
        .route("/head", any(head))
        .route("/echo", post(async |body: Bytes| body))
        .route("/refused", any(async || StatusCode::UNAUTHORIZED))
        .route(
            "/moved",
            any(async || (StatusCode::FOUND, [(LOCATION, "/head")])),
        )
        .route(
            "/bad",
            any(async || (StatusCode::BAD_REQUEST, r#"{"error":"no\u001bpath"}"#)),
        )
        .route(
            "/down",
            any(async || (StatusCode::SERVICE_UNAVAILABLE, "\u{1b}[2Jlater\n")),
        )
        .route("/bytes", any(async || vec![0xff_u8].into_response()))
        .route("/most", any(move || large(MAX_BYTES)))
        .route("/more", any(move || large(MAX_BYTES + 1)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url.parse().unwrap(), server)
}

#[tokio::test]
async fn answers_are_whole_and_refusals_say_why() {
    let (url, _server) = served().await;
    let client = AdminClient::new(None, Some(&url)).unwrap();
    let body = json!({ "tags": ["*"] });
    assert_eq!(client.post("/echo", &body).await.unwrap(), body);
    assert_eq!(client.get("/most").await.unwrap().len(), MAX_BYTES);
    for (path, expected) in [
        ("/more", "longer than 16 MiB"),
        ("/refused", "`admin.token`"),
        ("/moved", "302 Found: without a reason"),
        ("/bad", "400 Bad Request: no path"),
        ("/down", "503 Service Unavailable:  [2Jlater"),
        ("/bytes", "no text"),
    ] {
        let message = client.get(path).await.unwrap_err().to_string();
        assert!(
            message.contains(expected) && message.contains(path),
            "{message}"
        );
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
    let message = client.get_json("/head").await.unwrap_err().to_string();
    assert!(message.contains("no JSON"), "{message}");
}

#[tokio::test]
async fn the_configurations_token_is_presented_and_a_name_is_not_while_there_is_none() {
    let (url, _server) = served().await;
    let with = admin(json!({ "token": TOKEN }));
    let client = AdminClient::new(Some(&with), Some(&url)).unwrap();
    let place = url
        .0
        .as_str()
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let head = client.get("/head").await.unwrap();
    assert_eq!(head, format!("{place} Bearer {TOKEN}"));
    assert!(!format!("{client:?}").contains(TOKEN));

    let named = AdminUrl("http://sidegate.test:9901".parse().unwrap());
    let (_, port) = place.rsplit_once(':').unwrap();
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.parse().unwrap());
    for (settings, expected) in [
        (None, "localhost none"),
        (Some(&with), "sidegate.test:9901 Bearer a token of an admin"),
    ] {
        let mut client = AdminClient::new(settings, Some(&named)).unwrap();
        let resolved = Client::builder()
            .no_proxy()
            .resolve("sidegate.test", address);
        // The port of a resolved address is the URL's unless that names none.
        client.client = resolved.build().unwrap();
        client.url.0.set_port(Some(address.port())).unwrap();
        let expected = expected.replace("9901", port);
        assert_eq!(client.get("/head").await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_there_and_nobody_answering_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: AdminUrl = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let client = AdminClient::new(None, Some(&url)).unwrap();
    let message = client.get("/metrics").await.unwrap_err().to_string();
    assert!(message.contains("has not answered within 5 s"), "{message}");
    drop(listener);
    let message = client.get("/metrics").await.unwrap_err().to_string();
    assert!(
        message.contains("cannot be reached") && message.contains("refused"),
        "{message}"
    );
}

#[test]
fn where_it_is_comes_from_the_configuration_or_is_asked_for() {
    let of = |listen: &str| {
        let settings = admin(json!({ "listen": listen, "token": TOKEN }));
        AdminUrl::of(&settings).map(|url| url.0.to_string())
    };
    assert_eq!(of("127.0.0.2:9901").unwrap(), "http://127.0.0.2:9901/");
    assert_eq!(of("0.0.0.0:9901").unwrap(), "http://127.0.0.1:9901/");
    assert_eq!(of("[::]:9901").unwrap(), "http://[::1]:9901/");
    let message = of("127.0.0.1:0").unwrap_err().to_string();
    assert!(message.contains("--admin"), "{message}");
    let nowhere = AdminClient::new(None, None).unwrap_err();
    assert!(matches!(nowhere, ClientError::Nowhere), "{nowhere}");
    for text in [
        "127.0.0.1:9901",
        "ftp://127.0.0.1",
        "http://me@127.0.0.1",
        "http://127.0.0.1/metrics",
        "http://127.0.0.1?x",
        "http://127.0.0.1#x",
    ] {
        assert!(text.parse::<AdminUrl>().is_err(), "{text}");
    }
    for text in [
        "http://[::1]:9901",
        "https://sidegate.test",
        "http://localhost:9901/",
    ] {
        assert!(text.parse::<AdminUrl>().is_ok(), "{text}");
    }
}
