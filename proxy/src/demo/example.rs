//! The demo's application: it decides nothing and answers with what it received.
//!
//! That shows what Sidegate forwards: the canonical target, the identity headers, no copy of them
//! that a client sent. (The real example application, over Postgres, is in `loadtest`.)

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::Json;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use serde_json::{Map, Value, json};

use crate::listener::Bound;

/// The longest body it reads, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The application.
#[derive(Debug)]
pub(super) struct ExampleApp {
    bound: Mutex<Option<Bound>>,
}

impl ExampleApp {
    /// On a bound socket.
    pub(super) fn new(bound: Bound) -> Self {
        Self {
            bound: Mutex::new(Some(bound)),
        }
    }
}

#[async_trait]
impl BackgroundService for ExampleApp {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Some(bound) = self.bound.lock().take() else {
            return;
        };
        let listener = match tokio::net::TcpListener::from_std(bound.into_listener()) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the example application cannot be served");
                return;
            }
        };
        let stop = async move {
            // An error means that the server is gone, which is a reason to stop too.
            let _ = shutdown.changed().await;
        };
        let router = Router::new().fallback(echo);
        if let Err(error) = axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await
        {
            tracing::error!(%error, "the example application ended");
        }
    }
}

async fn echo(request: Request) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, MAX_BODY_BYTES)
        .await
        .unwrap_or_default();
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &parts.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values = headers
            .entry(name.as_str().to_owned())
            .or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(Value::String(text));
        }
    }
    Json(json!({
        "app": "example",
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "body_bytes": body.len(),
    }))
}
