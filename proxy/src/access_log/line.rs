//! One request, as its line says it.
//!
//! Promise: every field is an id, a name of the configuration, a reason of a closed list, a number or an address.
//! Fields that say nothing about a request are left out.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use sidegate_policy::UnixMicros;
use uuid::Uuid;

use crate::observation::{Stage, Timeline};
use crate::outcome::Code;

/// One request.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "A line of Sidegate's access log", deny_unknown_fields)]
pub struct Line<'a> {
    /// Always `access`: tells it from the other lines of the log.
    pub log: &'static str,
    /// When the request ended, as RFC 3339 in UTC.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: String,
    /// The decision's id: the answer has it as `X-Sidegate-Decision-Id`, and `sidegate explain --decision` takes it.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub decision_id: Uuid,
    /// How it ended: `allow`, `deny` or `error` (it could not be decided).
    pub outcome: &'static str,
    /// Why, as metrics and `explain` name it.
    pub reason: &'static str,
    /// The same in words, for what was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// The status that the client got; not there where it got none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The method; not there where the head was refused before it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// The id of the route that applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    /// The subject's id, of a good credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    /// The id of the service key, where that was the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    /// What was to be done with the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'a str>,
    /// The resource's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'a str>,
    /// The resource's id, in its column's canonical text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'a str>,
    /// The client's address, or its IPv6 network of 64 bits, as far as `trusted_proxies` can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Where the rows of the decision came from: `l1`, `l2`, `view`, `store` or `l1_stale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<&'static str>,
    /// How old those rows were when the request came, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts_age_ms: Option<Millis>,
    /// What it was allowed without: `stale`, `introspection`, or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<&'static str>,
    /// Why it was ended while it was being forwarded, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<&'static str>,
    /// The instance of the application that was asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub upstream: Option<SocketAddr>,
    /// From the request's head to its being handed on or refused, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_ms: Option<Millis>,
    /// From the request's head to the end of its answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<Millis>,
    /// The stages that it has been through, each in milliseconds; one that was refused has ended in one of them.
    #[serde(skip_serializing_if = "Stages::is_empty")]
    pub stages_ms: Stages,
    /// Bytes of the request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_received: Option<usize>,
    /// Bytes of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<usize>,
    /// The trace (W3C Trace Context), where the request is traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The generation of the configuration that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

/// Milliseconds, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Millis(f64);

/// Stages by name.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Stages {
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticate: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorize: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Millis>,
}

impl<'a> Line<'a> {
    /// What every line has.
    #[must_use]
    pub fn new(decision_id: Uuid, code: Code, now: UnixMicros) -> Self {
        let since = Duration::from_micros(u64::try_from(now.0).unwrap_or(0));
        Self {
            log: "access",
            time: humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string(),
            decision_id,
            outcome: code.outcome(),
            reason: code.name(),
            detail: None,
            status: None,
            method: None,
            route: None,
            subject: None,
            key: None,
            action: None,
            kind: None,
            resource: None,
            client: None,
            tier: None,
            facts_age_ms: None,
            degraded: None,
            ended: None,
            upstream: None,
            decision_ms: None,
            total_ms: None,
            stages_ms: Stages::default(),
            bytes_received: None,
            bytes_sent: None,
            trace_id: None,
            generation: None,
        }
    }

    /// With the time that it took.
    #[must_use]
    pub fn timed(mut self, timeline: &Timeline) -> Self {
        let begun = timeline.begun();
        for span in timeline.spans() {
            let took = Some(Millis::from(span.to.since(span.from)));
            let so_far = Some(Millis::from(span.to.since(begun)));
            let stages = &mut self.stages_ms;
            let (stage, is_ours) = match span.stage {
                Stage::Route => (&mut stages.route, true),
                Stage::Authenticate => (&mut stages.authenticate, true),
                Stage::Authorize => (&mut stages.authorize, true),
                Stage::Identity => (&mut stages.identity, true),
                Stage::Upstream => (&mut stages.upstream, false),
                Stage::Answer => (&mut stages.answer, false),
            };
            *stage = took;
            if is_ours {
                self.decision_ms = so_far;
            }
            self.total_ms = so_far;
        }
        self
    }
}

impl Stages {
    const fn is_empty(&self) -> bool {
        self.route.is_none()
    }
}

impl From<Duration> for Millis {
    #[expect(clippy::cast_precision_loss, reason = "nobody waits for 285 years")]
    fn from(duration: Duration) -> Self {
        Self(duration.as_micros() as f64 / 1000.0)
    }
}

/// The JSON Schema of a line.
#[must_use]
pub fn schema() -> serde_json::Value {
    SchemaGenerator::default()
        .into_root_schema_for::<Line<'_>>()
        .into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_schema_in_the_documentation_is_of_this_line() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/access-log.schema.json");
        let schema = format!("{:#}\n", schema());
        if std::env::var_os("SIDEGATE_WRITE_DOCS").is_some() {
            fs::write(&file, &schema).unwrap();
        }
        let written = fs::read_to_string(file).unwrap();
        assert!(
            written == schema,
            "docs/access-log.schema.json: expected what `sidegate schema access-log` prints"
        );
    }
}
