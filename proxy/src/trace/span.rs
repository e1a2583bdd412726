//! A request that is over, and its spans: one for the request, one for each stage that it went through.
//!
//! Promise: names and attributes are of closed lists, of the configuration, or numbers and addresses: no path,
//! query, header, credential, subject or id of a resource is in a span. By the conventions of OpenTelemetry
//! for HTTP (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>), but for `url.path`, which would
//! hold ids.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, StatusCode};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use uuid::Uuid;

use super::context::{SpanId, TraceContext};
use crate::client::Client;
use crate::clock::Clock;
use crate::coherence::BootTime;
use crate::facts::Tier;
use crate::observation::{self, Stage, Timeline};
use crate::outcome::Code;
use crate::route::Route;

/// `flags` of a span (opentelemetry-proto `trace.proto`): sampled, and it is known whether its parent is
/// another process's.
const SAMPLED: u32 = 0x001 | 0x100;
/// It is.
const REMOTE_PARENT: u32 = 0x200;

/// What is told of a sampled request that is over.
#[derive(Debug)]
pub struct Finished {
    /// Its place in its trace.
    pub trace: TraceContext,
    /// When its stages ended.
    pub timeline: Timeline,
    /// Names its decision.
    pub decision_id: Uuid,
    /// How it ended.
    pub code: Code,
    /// How it asks.
    pub method: KnownMethod,
    /// Which rule applied.
    pub route: Option<Arc<Route>>,
    /// Where the rows of its decision came from.
    pub tier: Option<Tier>,
    /// What it was allowed without.
    pub degraded: Option<&'static str>,
    /// What the client was answered.
    pub status: Option<StatusCode>,
    /// Who sent it.
    pub client: Option<Client>,
    /// The instance of the application that was asked last.
    pub instance: Option<SocketAddr>,
    /// How many were asked.
    pub tries: usize,
    /// Why there was no whole answer.
    pub failure: Option<&'static str>,
}

/// A method by a name that no client chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownMethod(Option<&'static str>);

/// Where the boot-time clock and the wall clock meet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    boot: BootTime,
    /// Nanoseconds since 1970.
    wall: u64,
}

impl KnownMethod {
    /// Its name; another one is `_OTHER`, as the conventions of OpenTelemetry have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Some(name) => name,
            None => "_OTHER",
        }
    }
}

impl From<&Method> for KnownMethod {
    fn from(method: &Method) -> Self {
        let known = [
            "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
        ];
        let name = known.into_iter().find(|name| *name == method.as_str());
        Self(name)
    }
}

impl Anchor {
    pub(super) fn now() -> Self {
        let micros = u64::try_from(Clock::System.now().0).unwrap_or_default();
        Self {
            boot: BootTime::now(),
            wall: micros.saturating_mul(1000),
        }
    }

    /// An instant that has passed, as nanoseconds since 1970.
    fn unix(self, instant: BootTime) -> u64 {
        let passed = u64::try_from(self.boot.since(instant).as_nanos()).unwrap_or(u64::MAX);
        self.wall.saturating_sub(passed)
    }
}

impl Finished {
    /// How many spans it is.
    pub(super) fn count(&self) -> usize {
        1 + self.timeline.spans().count()
    }

    /// Its spans, the request's own first.
    pub(super) fn spans(&self, anchor: Anchor, spans: &mut Vec<Span>) {
        let end = self.timeline.spans().last().map(|span| span.to);
        spans.push(self.request(anchor, end.unwrap_or(self.timeline.begun())));
        for stage in self.timeline.spans() {
            spans.push(self.stage(anchor, stage));
        }
    }

    fn request(&self, anchor: Anchor, end: BootTime) -> Span {
        let method = self.method.0.unwrap_or("HTTP");
        let template = self.route.as_ref().map(|route| route.template.as_str());
        let code = self.code;
        let mut attributes = vec![
            text("http.request.method", self.method.0.unwrap_or("_OTHER")),
            text("sidegate.decision_id", self.decision_id),
            text("sidegate.outcome", code.outcome()),
            text("sidegate.reason", code.name()),
        ];
        attributes.extend(template.map(|template| text("http.route", template)));
        let route = self.route.as_ref().map(|route| &route.id);
        attributes.extend(route.map(|id| text("sidegate.route", id)));
        attributes.extend(self.tier.map(|tier| text("sidegate.tier", tier.name())));
        attributes.extend(self.degraded.map(|how| text("sidegate.degraded", how)));
        attributes.extend(self.client.map(|client| text("client.address", client)));
        attributes.extend(self.status.map(answered));
        let failed = self.status.filter(StatusCode::is_server_error);
        attributes.extend(failed.map(|status| text("error.type", status.as_u16())));
        let from_elsewhere = self.trace.parent().map_or(0, |_| REMOTE_PARENT);
        Span {
            span_id: self.trace.span_id().bytes().into(),
            parent_span_id: self.trace.parent().map_or_else(Vec::new, vector),
            flags: SAMPLED | from_elsewhere,
            name: match template {
                Some(template) => format!("{method} {template}"),
                None => method.to_owned(),
            },
            kind: SpanKind::Server.into(),
            start_time_unix_nano: anchor.unix(self.timeline.begun()),
            end_time_unix_nano: anchor.unix(end),
            attributes,
            status: failed.map(|_| error()),
            ..self.blank()
        }
    }

    fn stage(&self, anchor: Anchor, stage: observation::Span) -> Span {
        let span = Span {
            span_id: vector(SpanId::pair().0),
            parent_span_id: vector(self.trace.span_id()),
            flags: SAMPLED,
            name: stage.stage.name().to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: anchor.unix(stage.from),
            end_time_unix_nano: anchor.unix(stage.to),
            ..self.blank()
        };
        match stage.stage {
            Stage::Upstream => self.upstream(span),
            Stage::Route
            | Stage::Authenticate
            | Stage::Authorize
            | Stage::Identity
            | Stage::Answer => span,
        }
    }

    /// Asking the application, which has this span for its parent.
    fn upstream(&self, span: Span) -> Span {
        let status = self.trace.answered();
        let mut attributes = vec![text(
            "http.request.method",
            self.method.0.unwrap_or("_OTHER"),
        )];
        if let Some(instance) = self.instance {
            attributes.push(text("server.address", instance.ip()));
            attributes.push(number("server.port", instance.port().into()));
        }
        let again = self.tries.saturating_sub(1);
        if again > 0 {
            let again = i64::try_from(again).unwrap_or(i64::MAX);
            attributes.push(number("http.request.resend_count", again));
        }
        attributes.extend(status.map(answered));
        let failed = status.filter(StatusCode::is_server_error);
        let why = match (status, failed) {
            (_, Some(failed)) => Some(text("error.type", failed.as_u16())),
            (Some(_), None) => None,
            (None, None) => self.failure.map(|why| text("error.type", why)),
        };
        let has_failed = why.is_some();
        attributes.extend(why);
        Span {
            span_id: vector(self.trace.upstream_id()),
            kind: SpanKind::Client.into(),
            attributes,
            status: has_failed.then(error),
            ..span
        }
    }

    fn blank(&self) -> Span {
        Span {
            trace_id: self.trace.trace_id().bytes().into(),
            ..Span::default()
        }
    }
}

fn vector(id: SpanId) -> Vec<u8> {
    id.bytes().into()
}

fn error() -> Status {
    Status {
        message: String::new(),
        code: SpanStatus::Error.into(),
    }
}

fn answered(status: StatusCode) -> KeyValue {
    number("http.response.status_code", status.as_u16().into())
}

pub(super) fn text(key: &str, value: impl ToString) -> KeyValue {
    attribute(key, Value::StringValue(value.to_string()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
