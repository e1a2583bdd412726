//! How an instance is asked whether it is well.
//!
//! Promise: one check takes no longer than its time-out, whatever the instance does; a change is
//! logged once.

use std::time::Duration;

use async_trait::async_trait;
use pingora::http::RequestHeader;
use pingora::lb::Backend;
use pingora::lb::health_check::{HealthCheck, HealthObserve, HttpHealthCheck, TcpHealthCheck};
use pingora::{Error, ErrorType};
use sidegate_config::HealthCheckSettings;
use tokio::time::timeout;

/// The check that settings describe.
pub(super) fn health_check(settings: &HealthCheckSettings) -> Box<dyn HealthCheck + Send + Sync> {
    Box::new(Bounded {
        check: unbounded(settings),
        timeout: settings.timeout,
    })
}

fn unbounded(settings: &HealthCheckSettings) -> Box<dyn HealthCheck + Send + Sync> {
    let Some(path) = &settings.path else {
        let mut check = TcpHealthCheck::new();
        check.consecutive_success = settings.healthy_after;
        check.consecutive_failure = settings.unhealthy_after;
        check.peer_template.options.connection_timeout = Some(settings.timeout);
        check.health_changed_callback = Some(Box::new(Announce));
        return check;
    };
    let mut check = HttpHealthCheck::new("sidegate-health-check", false);
    check.consecutive_success = settings.healthy_after;
    check.consecutive_failure = settings.unhealthy_after;
    check.peer_template.options.connection_timeout = Some(settings.timeout);
    check.peer_template.options.read_timeout = Some(settings.timeout);
    // The path was checked when the settings were made; a request without it would ask for `/`.
    if let Ok(mut request) = RequestHeader::build("GET", path.as_bytes(), None) {
        let _ = request.insert_header(http::header::HOST, "sidegate-health-check");
        check.req = request;
    }
    check.validator = Some(Box::new(|answer| {
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(Error::explain(
                ErrorType::CustomCode("unhealthy", answer.status.as_u16()),
                "not 2xx",
            ))
        }
    }));
    check.health_changed_callback = Some(Box::new(Announce));
    Box::new(check)
}

/// A check with a bound on the whole of it: Pingora's bounds each read, and one instance that drips
/// would hold up the checks of all others.
struct Bounded {
    check: Box<dyn HealthCheck + Send + Sync>,
    timeout: Duration,
}

#[async_trait]
impl HealthCheck for Bounded {
    async fn check(&self, target: &Backend) -> pingora::Result<()> {
        match timeout(self.timeout, self.check.check(target)).await {
            Ok(checked) => checked,
            Err(_elapsed) => Err(Error::explain(ErrorType::ReadTimedout, "no answer in time")),
        }
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        self.check.health_status_change(target, healthy).await;
    }

    fn health_threshold(&self, success: bool) -> usize {
        self.check.health_threshold(success)
    }
}

struct Announce;

#[async_trait]
impl HealthObserve for Announce {
    async fn observe(&self, target: &Backend, healthy: bool) {
        if healthy {
            tracing::info!(instance = %target.addr, "an instance of the application is well");
        } else {
            tracing::error!(instance = %target.addr, "an instance of the application is ill");
        }
    }
}
